import { Stomp, showState, socketURL } from "/shared/stomp.js";
import { chart, sparkline } from "./chart.js";

const HISTORY = 240; // prices, four a second
const $ = (id) => document.getElementById(id);
const money = (cents) => (cents / 100).toLocaleString("en-US", { minimumFractionDigits: 2, maximumFractionDigits: 2 });
const percent = (part, whole) => (whole ? (100 * part) / whole : 0).toFixed(2) + " %";
const signed = (n, text) => (n > 0 ? "▲ " : n < 0 ? "▼ " : "") + text.replace(/^-/, "");
const direction = (n) => (n > 0 ? "up" : n < 0 ? "down" : "");

const make = (name, properties = {}, ...children) => {
  const e = Object.assign(document.createElement(name), properties);
  e.append(...children);
  return e;
};

const user = [...(new URLSearchParams(location.search).get("user") ?? "")].slice(0, 20).join("");
const stocks = new Map(); // by symbol: what /app/stocks said, and the elements of its row
let owned; // what /app/positions said last
let chosen; // the symbol of the chart

// The watch list and the chart.

const change = (s) => s.prices.at(-1) - s.open;

function addStock(s) {
  const row = {
    price: make("span", { className: "price" }),
    change: make("span", { className: "change" }),
    spark: document.createElementNS("http://www.w3.org/2000/svg", "svg"),
  };
  row.spark.setAttribute("aria-hidden", "true");
  row.button = make("button", { type: "button", onclick: () => choose(s.symbol) },
    make("span", { className: "symbol" }, make("b", {}, s.symbol), make("span", { className: "dim" }, s.name)),
    row.spark, row.price, row.change);
  row.button.dataset.symbol = s.symbol;
  $("watch").append(make("li", {}, row.button));
  $("symbols").append(make("option", { value: s.symbol }));
  return row;
}

function drawStock(s) {
  const [before, price] = [s.prices.at(-2) ?? s.open, s.prices.at(-1)];
  s.row.price.textContent = money(price);
  s.row.price.className = `price ${direction(price - before)}`;
  s.row.change.textContent = signed(change(s), percent(change(s), s.open));
  s.row.change.className = `change ${direction(change(s))}`;
  s.row.spark.setAttribute("class", direction(change(s)));
  sparkline(s.row.spark, s.prices, HISTORY);
  if (s.symbol === chosen) drawChart(s);
}

function drawChart(s) {
  const text = `${signed(change(s), money(change(s)))} (${percent(Math.abs(change(s)), s.open)})`;
  $("chart-name").replaceChildren(make("b", {}, s.symbol), " ", make("span", { className: "dim" }, s.name));
  $("chart-price").textContent = money(s.prices.at(-1));
  $("chart-change").textContent = text;
  $("chart-change").className = `change ${direction(change(s))}`;
  $("chart").setAttribute("class", direction(change(s)));
  $("chart").setAttribute("aria-label", `${s.symbol} in the last minute: between ${money(Math.min(...s.prices))} and ${money(Math.max(...s.prices))}, now ${money(s.prices.at(-1))}`);
  chart($("chart"), s.prices, { room: HISTORY, seconds: HISTORY / 4, format: money });
}

function choose(symbol) {
  chosen = symbol;
  for (const s of stocks.values()) s.row.button.setAttribute("aria-pressed", s.symbol === symbol);
  $("symbol").value = symbol;
  drawChart(stocks.get(symbol));
  drawOrder();
}

// The order form. What is wrong with an order only the server says.

const side = () => new FormData($("order")).get("side");
const symbol = () => $("symbol").value.trim().toUpperCase();

function drawOrder() {
  const price = stocks.get(symbol())?.prices.at(-1), shares = Number($("shares").value);
  $("estimate").textContent = price && shares > 0 ? money(price * shares) : "–";
  $("send").textContent = `${side() === "buy" ? "Buy" : "Sell"} ${symbol()}`;
  $("send").className = side();
}

function showRejection({ field, reason } = {}) {
  for (const name of ["symbol", "shares", "order"]) {
    const here = reason && (name === field || (name === "order" && !$(`${field}-error`)));
    $(`${name}-error`).textContent = here ? reason : "";
    $(`${name}-error`).hidden = !here;
    $(name).setAttribute("aria-invalid", Boolean(here));
  }
}

$("order").addEventListener("input", () => (stocks.has(symbol()) ? choose(symbol()) : drawOrder()));
$("order").addEventListener("submit", (event) => {
  event.preventDefault();
  showRejection();
  $("done").textContent = "";
  const sent = stomp.publish(`/app/trade/${symbol()}`, { side: side(), shares: Number($("shares").value) });
  if (!sent) showRejection({ reason: "The server is away." });
});

// What the user owns, at the prices of now.

function drawPositions() {
  if (!owned) return;
  let worth = 0;
  const rows = Object.entries(owned.positions).sort().map(([symbol, { shares, cost }]) => {
    const value = shares * (stocks.get(symbol)?.prices.at(-1) ?? cost / shares);
    worth += value;
    return make("tr", {},
      make("th", { scope: "row" }, symbol), make("td", {}, shares.toLocaleString("en-US")),
      make("td", { className: "wide" }, money(cost / shares)), make("td", {}, money(value)),
      make("td", { className: direction(value - cost) }, signed(value - cost, money(value - cost))));
  });
  if (!rows.length) rows.push(make("tr", { className: "dim" }, make("td", { colSpan: 5 }, "None yet. Buy something!")));
  $("positions").replaceChildren(...rows);
  $("cash").textContent = money(owned.cash);
  $("stocks").textContent = money(worth);
  $("total").textContent = money(owned.cash + worth);
}

// The connection. Subscriptions are made anew whenever it comes back, and begin
// with a snapshot again.

const stomp = new Stomp({
  url: socketURL("/ws" + (user && `?user=${encodeURIComponent(user)}`)),
  onState(state, error) {
    showState($("banner"), state, error);
    owned = undefined;
  },
});

// First all stocks come, and then one price after the other.
stomp.subscribe("/app/stocks", (news) => (Array.isArray(news) ? showStocks(news) : showPrice(news)));

function showStocks(list) {
  for (const s of list) {
    s.row = stocks.get(s.symbol)?.row ?? addStock(s);
    stocks.set(s.symbol, s);
    drawStock(s);
  }
  choose(chosen ?? list[0].symbol);
}

function showPrice({ symbol, price }) {
  const s = stocks.get(symbol);
  s.prices.push(price);
  if (s.prices.length > HISTORY) s.prices.shift();
  drawStock(s);
  drawPositions();
  drawOrder();
}

if (user) stomp.subscribe("/app/positions", (statement) => {
  if (owned && statement.trades < owned.trades) return; // overtaken by a newer one
  owned = statement;
  drawPositions();
});

stomp.subscribe("/user/queue/errors", showRejection);

stomp.subscribe("/topic/trades", (t) => {
  const verb = t.side === "buy" ? "bought" : "sold";
  const line = `${verb} ${t.shares.toLocaleString("en-US")} ${t.symbol} at ${money(t.price)}`;
  $("trades").querySelector(".dim")?.remove();
  $("trades").prepend(make("li", {}, make("b", {}, t.user), ` ${line}`));
  while ($("trades").children.length > 8) $("trades").lastChild.remove();
  if (t.user === user) $("done").textContent = `You ${line}.`;
});

stomp.subscribe("/topic/news", (text) => $("news").lastElementChild.replaceWith(make("span", {}, text)));

$("user").hidden = $("order").hidden = !user;
$("login").hidden = Boolean(user);
$("user").querySelector("b").textContent = user;
new ResizeObserver(() => stocks.has(chosen) && drawChart(stocks.get(chosen))).observe($("chart"));
stomp.connect();
