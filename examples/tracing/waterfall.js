// A trace as a waterfall: a line for each span, with a bar from its start to its end.

export const make = (name, properties = {}, ...children) => {
  const e = Object.assign(document.createElement(name), properties);
  e.append(...children);
  return e;
};

export const milliseconds = (ms) => `${ms.toFixed(2)} ms`;

export function waterfall(trace) {
  const lines = trace.spans.map((span) => make("li", {}, line(span, trace.took)));
  return make("div", { className: "waterfall" }, scale(trace.took), make("ol", {}, ...lines));
}

// line is one span; opened, it shows the span's attributes.
function line(span, whole) {
  const bar = make("i", { className: "bar" });
  bar.style.left = `${(100 * span.start) / whole}%`;
  bar.style.width = `${(100 * span.took) / whole}%`;
  const name = make("span", { className: "name" }, span.name);
  name.style.setProperty("--depth", Math.min(span.depth, 10));
  if (span.engine) name.append(" ", make("small", {}, span.engine));
  if (span.failed) name.append(" ", make("small", { className: "failed" }, "failed"));
  return make("details", { className: span.service },
    make("summary", {},
      make("b", { className: "service" }, span.service), name,
      make("span", { className: "track" }, bar),
      make("span", { className: "took" }, milliseconds(span.took))),
    list({ kind: span.kind, start: milliseconds(span.start), ...span.attributes }));
}

function list(attributes) {
  const pairs = Object.entries(attributes).map(([key, value]) => make("div", {}, make("dt", {}, key), make("dd", {}, value)));
  return make("dl", {}, ...pairs);
}

function scale(whole) {
  const marks = [0, 0.25, 0.5, 0.75].map((part) => {
    const mark = make("span", {}, milliseconds(part * whole));
    mark.style.left = `${100 * part}%`;
    return mark;
  });
  return make("div", { className: "scale", ariaHidden: "true" }, make("span", { className: "track" }, ...marks));
}
