// Clients of all kinds meet in one room of each server given as the arguments,
// as NAME=URL: each says its name and hears all names.
import { Client } from "@stomp/stompjs";
import EventSource from "eventsource";
import SockJS from "sockjs-client";
import webstomp from "webstomp-client";
import { WebSocket } from "ws";
import { checker, equal, once, soon, until } from "./kit.js";
import { session } from "./older.js";

const room = "/topic/room";
const ws = (url) => url.replace("http", "ws");

// Each joins the room and returns a function that says something there and one
// that leaves.
const clients = {
  "stompjs": (url, heard) => modern(`${ws(url)}/ws`, heard),
  "stompjs beside SockJS": (url, heard) => modern(`${ws(url)}/portfolio/websocket`, heard),
  "webstomp over websocket": (url, heard) => older(url, "websocket", heard),
  "webstomp over xhr-streaming": (url, heard) => older(url, "xhr-streaming", heard),
  "webstomp over eventsource": (url, heard) => older(url, "eventsource", heard),
  "webstomp over xhr-polling": (url, heard) => older(url, "xhr-polling", heard),
  "JSON": json,
  "events": events,
};

async function modern(url, heard) {
  const client = new Client({ webSocketFactory: () => new WebSocket(url, ["v12.stomp"]), reconnectDelay: 0 });
  await once((done) => { client.onConnect = done; client.activate(); });
  await once((done) => {
    client.watchForReceipt("joined", done);
    client.subscribe(room, (m) => heard(m.body), { receipt: "joined" });
  });
  return { say: (body) => client.publish({ destination: room, body }), leave: () => client.deactivate() };
}

async function older(url, transports, heard) {
  const socket = new SockJS(`${url}/portfolio`, null, { transports });
  const client = webstomp.over(socket);
  const s = await session(client, socket, (...args) => client.send(...args));
  const joined = s.receipt("joined");
  s.subscribe(room, "joined", (m) => heard(m.body));
  await joined;
  return { say: (body) => s.send(room, body), leave: () => s.disconnect() };
}

async function json(url, heard) {
  const socket = new WebSocket(`${ws(url)}/json`);
  const send = (object) => socket.send(JSON.stringify(object));
  await once((done) => { socket.onopen = done; });
  send({ type: "connect" });
  send({ type: "subscribe", id: "1", destination: room, receipt: "joined" });
  await once((done) => {
    socket.onmessage = ({ data }) => {
      const o = JSON.parse(data);
      if (o.type === "receipt") done();
      if (o.type === "message") heard(o.payload);
    };
  });
  const text = { "content-type": "text/plain" };
  return { say: (payload) => send({ type: "send", destination: room, header: text, payload }), leave: () => send({ type: "disconnect" }) };
}

async function events(url, heard) {
  const source = new EventSource(`${url}/events?destination=${room}`);
  source.onmessage = ({ data }) => heard(JSON.parse(data).payload);
  const { data } = await once((done) => source.addEventListener("connected", done));
  const { token } = JSON.parse(data);
  const post = async (query, body) => {
    const { status } = await fetch(`${url}/events?session=${token}&${query}`, { method: "POST", headers: { "Content-Type": "text/plain" }, body });
    equal(status, 202, "the status");
  };
  const joined = once((done) => source.addEventListener("receipt", done));
  await post("subscribe=2&destination=/topic/nothing&receipt=joined");
  await joined;
  return { say: (text) => post(`destination=${room}`, text), leave: () => source.close() };
}

for (const [mount, url] of process.argv.slice(2).map((arg) => arg.split("="))) {
  const check = checker(mount);
  const names = Object.keys(clients);
  const heard = Object.fromEntries(names.map((name) => [name, []]));
  const joined = {};
  for (const name of names) {
    await check(`${name} joins`, async () => {
      joined[name] = await soon(clients[name](url, (text) => heard[name].push(text)), name);
    });
  }
  for (const name of names) await joined[name].say(name);
  for (const name of names) {
    await check(`${name} hears all`, async () => {
      await until(() => heard[name].length >= names.length);
      equal(heard[name].toSorted().join(), names.toSorted().join(), "what it heard");
    });
  }
  for (const name of names) await check(`${name} leaves`, () => joined[name].leave());
}
