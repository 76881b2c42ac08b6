import { Stomp, showState, socketURL } from "/shared/stomp.js";
import { make, milliseconds, waterfall } from "./waterfall.js";

const $ = (id) => document.getElementById(id);
const traces = new Map(); // by id, oldest first
const orders = new Map(); // by the id of the trace: when this page sent it, and had its answer
let chosen; // the id of the trace that is shown

// The trace context of the W3C: version, trace, the span that sends, and flags, of
// which 01 says that the trace is recorded.
const random = (bytes) => [...crypto.getRandomValues(new Uint8Array(bytes))].map((b) => b.toString(16).padStart(2, "0")).join("");
const newTraceparent = () => `00-${random(16)}-${random(8)}-01`;
const traceOf = ({ traceparent = "" }) => traceparent.split("-")[1];

// The page sends to one node and hears from the other.

const connected = { west: false, east: false };
const node = (name) => new Stomp({
  url: socketURL(`/${name}`),
  onState(state, error) {
    connected[name] = state === "connected";
    const both = connected.west && connected.east;
    if (both || state === "away") showState($("banner"), state, error);
    $("form").querySelector("button").disabled = !both;
  },
});
const [west, east] = [node("west"), node("east")];

$("form").addEventListener("submit", (event) => {
  event.preventDefault();
  const traceparent = newTraceparent();
  const table = 1 + Math.floor(Math.random() * 20);
  orders.set(traceOf({ traceparent }), { sent: performance.now() });
  west.publish(`/app/orders/${table}`, { drink: "coffee" }, { traceparent });
});

east.subscribe("/topic/orders", ({ table, drink }, headers) => {
  const order = orders.get(traceOf(headers));
  if (!order) return; // somebody else's
  order.took = performance.now() - order.sent;
  $("answer").textContent = `A ${drink} for table ${table}, after ${milliseconds(order.took)}.`;
});

// First all traces come, and then one after the other as they are finished.
east.subscribe("/app/traces", (news) => {
  for (const t of [news].flat()) addTrace(t);
  drawRecent();
});

function addTrace(t) {
  const order = orders.get(t.id);
  if (order?.took) t = within("order", order.took, t);
  traces.set(t.id, t);
  for (const id of [...traces.keys()].slice(0, -10)) {
    traces.delete(id);
    orders.delete(id);
  }
  if (!chosen || orders.has(t.id)) choose(t.id);
}

// within puts a span of this page around a trace. It is placed around the middle, for
// the clocks of a browser and a server may differ.
function within(name, took, t) {
  const before = Math.max(0, (took - t.took) / 2);
  const own = { service: "browser", name, kind: "client", depth: 0, start: 0, took, attributes: {} };
  const spans = t.spans.map((s) => ({ ...s, depth: s.depth + 1, start: s.start + before }));
  return { ...t, took: Math.max(took, t.took + before), spans: [own, ...spans] };
}

function choose(id) {
  chosen = id;
  $("trace-title").replaceChildren("Trace ", make("code", {}, id));
  $("trace").replaceChildren(waterfall(traces.get(id)));
  drawRecent();
}

function drawRecent() {
  $("recent").replaceChildren(...[...traces.values()].reverse().map((t) => {
    const button = make("button", { type: "button", onclick: () => choose(t.id) },
      make("span", { className: t.spans[0].service }, t.spans[0].service),
      make("code", {}, t.id.slice(0, 8)),
      make("span", { className: "dim" }, `${t.spans.length} spans`),
      make("span", { className: "took" }, milliseconds(t.took)));
    button.setAttribute("aria-pressed", t.id === chosen);
    return make("li", {}, button);
  }));
}

west.connect();
east.connect();
