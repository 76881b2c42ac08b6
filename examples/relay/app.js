import { Stomp, showState, socketURL } from "/shared/stomp.js";

const $ = (id) => document.getElementById(id);
const copy = (id) => $(id).content.cloneNode(true).firstElementChild;
const make = (name, properties = {}, ...children) => {
  const e = Object.assign(document.createElement(name), properties);
  e.append(...children);
  return e;
};
const clock = (at = Date.now()) => make("time", {}, new Date(at).toLocaleTimeString([], { hour12: false }));

function happened(what, at) {
  $("events").prepend(make("li", {}, clock(at), what));
  while ($("events").childElementCount > 100) $("events").lastElementChild.remove();
}

// RabbitMQ, as the relay knows it. The page is told by the embedded broker of the node,
// which is there also while RabbitMQ is not.

let available = true, since;
const onAvailable = []; // functions that want to know

function setAvailable(now) {
  if (available === now) return;
  available = now;
  $("rabbit").classList.toggle("away", !now);
  $("state").textContent = now ? "there" : "away";
  for (const tell of onAvailable) tell(now);
}

const watch = new Stomp({
  url: socketURL("/ws"),
  onState(state, error) {
    showState($("banner"), state, error);
    for (const button of [$("plug"), $("add").querySelector("button")]) button.disabled = state !== "connected";
  },
});

watch.subscribe("/local/status", (status) => {
  $("address").textContent = status.address;
  $("plug").textContent = status.unplugged ? "Put the plug in" : "Pull the plug";
  $("plug").dataset.path = status.unplugged ? "/plug/put" : "/plug/pull";
  for (const name of ["open", "reconnects", "sent", "waiting", "resent", "delivered"]) $(name).textContent = status[name].toLocaleString("en-US");
  if (since === undefined) $("state").textContent = status.available ? "there" : "away";
  setAvailable(status.available);
});

watch.subscribe("/local/events", (event) => {
  const at = Date.parse(event.time);
  if (event.available) happened(`RabbitMQ is there${since ? ` again, after ${((at - since) / 1000).toFixed(1)} s` : ""}.`, at);
  else happened("RabbitMQ is away. Who is connected stays so.", at);
  since = at;
  setAvailable(event.available);
});

watch.subscribe("/topic/beats", (n) => $("rabbit").classList.toggle("beat", n % 2 === 0));

$("plug").addEventListener("click", async ({ target }) => {
  happened(target.dataset.path === "/plug/pull" ? "You pull the plug." : "You put the plug in.");
  await fetch(target.dataset.path, { method: "POST" }).catch(() => happened("The node is away."));
});

// connect is a connection of somebody, whose card says how it is.
function connect(card, name, state) {
  let before;
  return new Stomp({
    url: socketURL(`/ws?as=${encodeURIComponent(name)}`),
    onState(now, error) {
      card.classList.toggle("lost", now !== "connected");
      if (before !== now) happened(now === "connected" ? `${name} is connected.` : `${name} has no connection${error ? `: ${error}` : ""}.`);
      before = now;
      state(now === "connected");
    },
  });
}

// People: what they say to all goes to RabbitMQ as it is, what they tell one goes by the
// application, which sends it to his own queue.

function join(name, others) {
  const card = copy("person"), form = card.querySelector("form");
  card.id = name;
  card.querySelector("b").textContent = name;
  const [log, at, waits] = [card.querySelector(".log"), card.querySelector(".at"), card.querySelector(".waits")];
  let connected = false, waiting = 0;
  const draw = () => {
    const toOne = form.elements.to.value !== "";
    at.textContent = connected ? "connected" : "away, trying again …";
    form.querySelector("button").disabled = !connected || (toOne && !available);
    waits.textContent = !available && toOne ? "The application takes nothing while RabbitMQ is away."
      : waiting ? `${waiting} ${waiting === 1 ? "waits" : "wait"} for RabbitMQ.` : "";
  };
  const stomp = connect(card, name, (now) => {
    connected = now;
    if (!now) waiting = 0; // with the session
    draw();
  });
  const show = ({ from, to, text }) => {
    if (from === name && !to) waiting = Math.max(0, waiting - 1);
    log.append(make("li", { className: to ? "private" : "" }, clock(), make("b", {}, to ? `${from} to ${to}` : from), ` ${text}`));
    while (log.childElementCount > 100) log.firstElementChild.remove();
    log.scrollTop = log.scrollHeight;
    draw();
  };
  stomp.subscribe("/topic/say", show);
  stomp.subscribe("/user/queue/told", show);
  stomp.connect();
  onAvailable.push(draw);

  form.elements.to.append(...others.filter((other) => other !== name).map((other) => make("option", { value: other }, `to ${other}`)));
  form.addEventListener("input", draw);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const { to, text } = form.elements;
    const sent = to.value ? stomp.publish(`/app/tell/${encodeURIComponent(to.value)}`, { text: text.value })
      : stomp.publish("/topic/say", { from: name, text: text.value });
    if (!sent) return;
    text.value = "";
    if (!to.value) waiting++;
    if (!available) draw();
  });
  $("people").append(card);
}

// Jobs: each goes to one who is at work, and is settled by him.

let jobs = 1;
$("add").addEventListener("submit", (event) => {
  event.preventDefault();
  const { text } = event.target.elements;
  if (!watch.publish("/queue/jobs", text.value)) return;
  $("added").textContent = available ? `${text.value} is on its way.` : `${text.value} waits for RabbitMQ.`;
  text.value = `Job ${++jobs}`;
});

onAvailable.push(() => ($("added").textContent = ""));

function hire(name) {
  const card = copy("worker"), job = card.querySelector(".job"), at = card.querySelector(".at");
  const [done, refuse, work] = card.querySelectorAll("button");
  let stomp, connected = false, held;
  const draw = (text) => {
    at.textContent = !stomp ? "at home" : connected ? "at work" : "away, trying again …";
    work.textContent = stomp ? "Go home" : "Go to work";
    done.disabled = refuse.disabled = !held;
    job.classList.toggle("held", Boolean(held));
    job.textContent = text ?? (held ? held.text : stomp ? "Waits for a job." : "Gets no jobs.");
  };
  const settle = (how) => {
    stomp[how](held.id);
    happened(`${name} ${how === "ack" ? "has done" : "refuses"} ${held.text}.`);
    held = undefined;
    draw();
  };
  const goToWork = () => {
    stomp = connect(card, name, (now) => {
      connected = now;
      held = undefined; // with the session
      draw();
    });
    stomp.subscribe("/queue/jobs", (text, headers) => {
      const times = Number(headers["hr-deliveries"] ?? 1);
      held = { text, id: headers.ack };
      happened(`${name} gets ${text}${times > 1 ? ", which comes again" : ""}.`);
      draw();
    }, { ack: "client-individual", "prefetch-count": 1 });
    stomp.connect();
  };
  const goHome = () => {
    stomp.disconnect(); // what is held is RabbitMQ's again
    stomp = held = undefined;
    connected = false;
    card.classList.remove("lost");
    happened(`${name} goes home.`);
  };
  done.addEventListener("click", () => settle("ack"));
  refuse.addEventListener("click", () => settle("nack"));
  work.addEventListener("click", () => {
    if (stomp) goHome();
    else goToWork();
    draw();
  });
  onAvailable.push((now) => {
    const lost = held && !now;
    if (lost) held = undefined;
    draw(lost ? "RabbitMQ has taken it back: it comes again." : undefined);
  });
  card.id = name;
  card.querySelector("b").textContent = name;
  draw();
  $("workers").append(card);
}

const people = ["ann", "bob"];
for (const name of people) join(name, people);
for (const name of ["carl", "dora"]) hire(name);
watch.connect();
