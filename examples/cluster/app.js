import { Stomp, socketURL } from "/shared/stomp.js";

const $ = (id) => document.getElementById(id);
const copy = (id) => $(id).content.cloneNode(true).firstElementChild;
const make = (name, properties = {}, ...children) => {
  const e = Object.assign(document.createElement(name), properties);
  e.append(...children);
  return e;
};
const clock = (at) => make("time", {}, new Date(at).toLocaleTimeString([], { hour12: false }));
const hue = (node) => `hsl(${(Number(node.replace(/\D/g, "")) * 137 + 60) % 360} 60% 50%)`; // a node's color

function write(log, line) {
  log.append(line);
  while (log.childElementCount > 100) log.firstElementChild.remove();
  log.scrollTop = log.scrollHeight;
}
function happened(what) {
  $("events").prepend(make("li", {}, clock(Date.now()), what));
  while ($("events").childElementCount > 100) $("events").lastElementChild.remove();
}

// The nodes: the front says which processes run, the nodes themselves who is where.

const nodes = new Map(); // by name: { up, pid, card, users }
let online = []; // what the registry of a node had last: { user, node, pid }

async function look() {
  const answer = await fetch("/nodes").catch(() => undefined);
  if (answer?.ok) for (const node of await answer.json()) drawNode(node);
  setTimeout(look, 300);
}

function drawNode({ name, pid, up }) {
  const known = nodes.get(name) ?? addNode(name);
  if (known.up !== undefined && known.up !== up) happened(up ? `${name} runs again, as process ${pid}.` : `${name} is dead.`);
  Object.assign(known, { up, pid });
  known.card.classList.toggle("down", !up);
  known.card.querySelector(".state").textContent = up ? `process ${pid}` : "killed";
  known.card.querySelector("button").textContent = up ? `kill -9 ${pid}` : "Start again";
  drawUsers(name);
}

function addNode(name) {
  const card = copy("node");
  card.id = name;
  card.style.setProperty("--node", hue(name));
  card.querySelector("b").textContent = name;
  card.querySelector("button").addEventListener("click", async ({ target }) => {
    const { up } = nodes.get(name);
    happened(`You ${up ? "kill" : "start"} ${name}.`);
    target.disabled = true;
    await fetch(`/nodes/${name}/${up ? "kill" : "start"}`, { method: "POST" }).catch(() => happened("The front is away."));
    target.disabled = false;
  });
  $("nodes").append(card);
  const known = { card, users: "" };
  nodes.set(name, known);
  return known;
}

function drawUsers(name) {
  const known = nodes.get(name), here = online.filter((s) => s.node === name);
  const gone = (s) => !known.up || Number(s.pid) !== known.pid;
  known.card.querySelector(".ghosts").hidden = !here.some(gone);
  const text = here.map((s) => `${s.user} ${gone(s)}`).join();
  if (known.users === text) return;
  known.users = text;
  known.card.querySelector(".users").replaceChildren(...here.map((s) => make("li", { className: gone(s) ? "gone" : "" }, s.user)));
  if (!known.up && !here.length) happened(`${name} is forgotten by the others.`);
}

function showOnline(sessions) {
  online = sessions;
  for (const name of nodes.keys()) drawUsers(name);
  const users = [...new Set(sessions.map((s) => s.user))].sort();
  for (const select of document.querySelectorAll("select")) {
    const others = users.filter((user) => user !== select.dataset.of);
    if (select.dataset.users === others.join()) continue;
    select.dataset.users = others.join();
    const chosen = select.value;
    select.replaceChildren(make("option", { value: "" }, "to all"), ...others.map((user) => make("option", { value: user }, `to ${user}`)));
    select.value = others.includes(chosen) ? chosen : "";
  }
}

function showBeat({ node, number }) {
  nodes.get(node)?.card.classList.toggle("beat", number % 2 === 0);
}

// People: each has a connection of his own, and whatever node it leads to.

function join(name) {
  const card = copy("person");
  const [log, form, at] = [card.querySelector(".log"), card.querySelector("form"), card.querySelector(".at")];
  card.id = name;
  card.querySelector("b").textContent = name;
  form.elements.to.dataset.of = name;
  let node, lost;

  const stomp = new Stomp({
    url: socketURL(`/ws?as=${encodeURIComponent(name)}`),
    onState(state) {
      form.querySelector("button").disabled = state !== "connected";
      card.classList.toggle("away", state !== "connected");
      if (state === "connected" || lost) return;
      lost = Date.now();
      at.textContent = "away, trying again …";
      if (node) happened(`${name} has lost ${node}.`);
    },
  });
  stomp.subscribe("/app/where", (where) => {
    const text = lost && node ? `${name} is at ${where.node} now, ${Date.now() - lost} ms later.` : `${name} is at ${where.node}.`;
    [node, lost] = [where.node, undefined];
    at.textContent = `at ${node}`;
    card.style.setProperty("--node", hue(node));
    happened(text);
  });
  const show = ({ from, node, to, away, text, time }) => write(log, make("li", { className: to ? "private" : "" },
    clock(time), make("b", {}, to ? `${from} to ${to}` : from), make("span", { className: "node" }, ` at ${node}`), ` ${text}`,
    away ? make("span", { className: "note" }, ` – ${to} is at no node`) : ""));
  stomp.subscribe("/topic/say", show);
  stomp.subscribe("/user/queue/told", show);
  stomp.subscribe("/topic/online", showOnline);
  stomp.subscribe("/topic/beats", showBeat);
  stomp.connect();

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const { to, text } = form.elements;
    const destination = to.value ? `/app/tell/${encodeURIComponent(to.value)}` : "/app/say";
    if (stomp.publish(destination, { text: text.value })) text.value = "";
  });
  $("people").append(card);
}

const as = [...(new URLSearchParams(location.search).get("as") ?? "")].slice(0, 20).join("");
for (const name of as ? [as] : ["ann", "bob", "cem"]) join(name);
look();
