import { showState, socketURL } from "/shared/stomp.js";

const $ = (id) => document.getElementById(id);
const rooms = ["garden", "workshop"];

// The token is kept here and nowhere else: a reload forgets it.
let grant; // {name, roles, token, left}: what /login answered; undefined is nobody
let ends; // when the token does, by the clock of this page

// The connection. Everything that is asked of the server has a receipt, by which its
// answer is known: {type: "receipt"} or {type: "error"}.

let socket;
let lastReceipt = 0;
const asked = new Map(); // by receipt: what to do with the answer
const receivers = new Map(); // by subscription id

function connect() {
  const own = (socket = new WebSocket(socketURL("/ws")));
  const token = grant?.token;
  let reason;
  giveUp(); // of the connection before
  for (const leave of leaving) leave();
  own.onopen = () => own.send(JSON.stringify({ type: "connect", header: token ? { authorization: `Bearer ${token}` } : {} }));
  own.onmessage = ({ data }) => {
    if (own !== socket) return; // another one is in its place
    const object = JSON.parse(data);
    if (object.type === "connected") begin();
    if (object.type === "message") receivers.get(object.id)?.(object.payload);
    if (object.type === "error" && !object.receipt) reason = object;
    asked.get(object.receipt)?.(object);
    asked.delete(object.receipt);
  };
  own.onclose = () => {
    if (own !== socket) return;
    if (token && reason?.code === "unauthenticated") return become(undefined, reason.message);
    showState($("banner"), "away", reason?.message);
    setTimeout(() => own === socket && connect(), 1000);
  };
}

// giveUp answers what the server no longer will: what became of it is not known.
function giveUp() {
  const open = [...asked.values()];
  asked.clear();
  for (const answer of open) answer({ type: "error", code: "unavailable", message: "the connection ended before the answer came" });
}

// ask shows what is refused, and resolves to whether it was not.
function ask(what, object) {
  const who = grant?.name ?? "nobody";
  return new Promise((resolve) => {
    const refused = (why) => {
      show($("refused"), `${who}: ${what}`, why);
      resolve(false);
    };
    if (socket.readyState !== WebSocket.OPEN) return refused("the server is away");
    const receipt = String(++lastReceipt);
    asked.set(receipt, ({ type, code, message }) => (type === "error" ? refused(`${code}: ${message}`) : resolve(true)));
    socket.send(JSON.stringify({ ...object, receipt }));
  });
}

function subscribe(what, id, destination, receive) {
  receivers.set(id, receive);
  return ask(what, { type: "subscribe", id, destination });
}

const send = (what, destination, payload) => ask(what, { type: "send", destination, payload });

function show(section, who, text) {
  const [item, name] = [document.createElement("li"), document.createElement("b")];
  name.textContent = who;
  item.append(name, ` ${text}`);
  const list = section.querySelector("ol");
  list.append(item);
  while (list.childElementCount > 100) list.firstElementChild.remove();
  list.scrollTop = list.scrollHeight;
}

// Who is here.

function become(now, reason) {
  hold(now);
  $("closed").hidden = !reason;
  $("closed").textContent = `Your session was closed: ${reason}.`;
  const before = socket;
  connect();
  before?.close();
}

function hold(now) {
  grant = now;
  ends = now && performance.now() + now.left * 1000;
}

function begin() {
  showState($("banner"), "connected");
  $("who").textContent = grant ? `${grant.name} (${grant.roles.join(", ")})` : "nobody is logged in";
  $("session").hidden = !grant;
  $("login").hidden = Boolean(grant);
  showLeft();
  $("announcements").querySelector("ol").replaceChildren();
  subscribe("read announcements", "announcements", "/topic/announcements",
    ({ from, text }) => show($("announcements"), from, text));
}

function showLeft() {
  if (grant) $("left").textContent = `token: ${Math.max(0, Math.ceil((ends - performance.now()) / 1000))} s`;
}
setInterval(showLeft, 250);

const post = (path, init) => fetch(path, { method: "POST", ...init }).then(async (r) => {
  if (!r.ok) throw new Error((await r.text()).trim());
  return r.json();
});

$("login").querySelector("form").addEventListener("submit", async (event) => {
  event.preventDefault();
  $("login-error").textContent = "";
  try {
    become(await post("/login", { body: JSON.stringify({ name: $("name").value, password: $("password").value }) }));
    $("password").value = "";
  } catch ({ message }) {
    $("login-error").textContent = message;
  }
});

// A new token is had for the old one, and told to the session that is there.
$("renew").addEventListener("click", async () => {
  try {
    const next = await post("/renew", { headers: { authorization: `Bearer ${grant.token}` } });
    if (await send("renew", "/app/renew", next.token)) hold(next);
  } catch ({ message }) {
    show($("refused"), `${grant?.name ?? "nobody"}: renew`, message);
  }
});

$("logout").addEventListener("click", () => become(undefined));

// The cards.

function onText(section, use) {
  section.querySelector("form").addEventListener("submit", async (event) => {
    event.preventDefault();
    const { text } = event.target.elements;
    if (await use(text.value)) text.value = "";
  });
}

onText($("announcements"), (text) => send("announce", "/app/announce", text));

const leaving = rooms.map((id) => {
  const room = $("room").content.cloneNode(true).firstElementChild;
  const [status, enter] = [room.querySelector("h2 span"), room.querySelector("h2 button")];
  room.id = id;
  room.querySelector("b").textContent = `Room ${id}`;
  const inside = (is) => {
    status.textContent = is ? "inside" : "outside";
    enter.hidden = is;
  };
  enter.addEventListener("click", async () =>
    inside(await subscribe(`enter ${id}`, id, `/topic/room/${id}`, ({ from, text }) => show(room, from, text))));
  onText(room, (text) => send(`say in ${id}`, `/app/room/${id}`, text));
  $("rooms").append(room);
  return () => {
    inside(false);
    room.querySelector("ol").replaceChildren(); // what was said is not for who comes next
  };
});

let tries = 0;
$("refused").querySelector("form").addEventListener("submit", async (event) => {
  event.preventDefault();
  const { type, destination } = event.target.elements;
  const what = `${type.value} ${destination.value}`;
  const ok = await (type.value === "send" ? send(what, destination.value, "hello") : subscribe(what, `try-${++tries}`, destination.value, () => {}));
  if (ok) show($("refused"), `${grant?.name ?? "nobody"}: ${what}`, "was not refused");
});

connect();
