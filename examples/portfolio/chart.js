// Two line charts, drawn by hand as SVG.

const NS = "http://www.w3.org/2000/svg";

const element = (name, attributes, text) => {
  const e = document.createElementNS(NS, name);
  for (const [k, v] of Object.entries(attributes)) e.setAttribute(k, v);
  if (text !== undefined) e.textContent = text;
  return e;
};

const round = (n) => Math.round(n * 10) / 10;

// path returns a line through the values in a box; the newest is at its right
// edge, and room is how many values fit.
function path(values, room, { left, top, width, height }, low, high) {
  const x = (i) => round(left + width * (1 - (values.length - 1 - i) / (room - 1)));
  const y = (v) => round(top + height * (1 - (v - low) / (high - low)));
  return { line: values.map((v, i) => `${i ? "L" : "M"}${x(i)} ${y(v)}`).join(""), x, y };
}

// range returns the lowest and the highest value, which are never the same.
function range(values, margin) {
  const low = Math.min(...values), high = Math.max(...values);
  const more = Math.max((high - low) * margin, 1);
  return [low - more, high + more];
}

// sparkline draws values and nothing else.
export function sparkline(svg, values, room) {
  const box = { left: 0, top: 2, width: 60, height: 20 };
  svg.setAttribute("viewBox", "0 0 60 24");
  svg.replaceChildren(element("path", { class: "line", d: path(values, room, box, ...range(values, 0)).line }));
}

// chart draws values over a grid with their scale.
export function chart(svg, values, { room, seconds, format }) {
  const { width, height } = svg.getBoundingClientRect();
  if (!width || !values.length) return;
  const box = { left: 1, top: 8, width: width - 66, height: height - 34 };
  const right = box.left + box.width, bottom = box.top + box.height;
  const [low, high] = range(values, 0.15);
  const { line, x, y } = path(values, room, box, low, high);

  const grid = element("g", { class: "grid" });
  for (const v of levels(low, high)) {
    grid.append(element("line", { x1: box.left, x2: right, y1: y(v), y2: y(v) }));
    if (Math.abs(y(v) - y(values.at(-1))) > 18) grid.append(element("text", { x: right + 8, y: y(v) + 4 }, format(v)));
  }
  for (const [at, anchor] of [[1, "start"], [2 / 3, "middle"], [1 / 3, "middle"], [0, "end"]]) {
    const label = at ? `${Math.round(seconds * at)} s ago` : "now";
    grid.append(element("text", { x: right - box.width * at, y: height - 6, "text-anchor": anchor }, label));
  }

  const last = values.at(-1);
  const now = element("g", { class: "now" });
  now.append(
    element("line", { x1: box.left, x2: right, y1: y(last), y2: y(last) }),
    element("circle", { cx: right, cy: y(last), r: 4 }),
    element("rect", { x: right + 3, y: y(last) - 11, width: 61, height: 22, rx: 5 }),
    element("text", { x: right + 8, y: y(last) + 4 }, format(last)),
  );
  svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
  svg.replaceChildren(
    grid,
    element("path", { class: "area", d: `${line}L${right} ${bottom}L${x(0)} ${bottom}Z` }),
    element("path", { class: "line", d: line }),
    now,
  );
}

// levels returns about five round values between low and high.
function levels(low, high) {
  const rough = Math.max((high - low) / 5, 1);
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].map((n) => n * power).find((n) => n >= rough && Number.isInteger(n));
  const found = [];
  for (let v = Math.ceil(low / step) * step; v < high; v += step) found.push(v);
  return found;
}
