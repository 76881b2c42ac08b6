// The blocks of JavaScript on the pages of docs/, as they stand there, but for
// the address of the server.
import * as StompJs from "@stomp/stompjs";
import EventSource from "eventsource";
import { readdirSync, readFileSync } from "node:fs";
import SockJS from "sockjs-client";
import WebSocket from "ws";
import { checker, once, until } from "./kit.js";

Object.assign(globalThis, { WebSocket }); // which stompjs looks for
const [docs, host] = process.argv.slice(2);
const check = checker("pages");

const blocks = readdirSync(docs).filter((name) => name.endsWith(".md")).sort().flatMap((name) =>
  [...readFileSync(`${docs}/${name}`, "utf8").matchAll(/^```js\n(.*?)^```$/gms)].map(([, code]) => ({ name, code })));

// run runs a block and returns the client that it makes, what it logs, and the
// jobs that it works on.
function run(code) {
  const logged = [], jobs = [];
  const given = {
    StompJs, SockJS, EventSource, WebSocket, token: "good",
    console: { log: (...args) => logged.push(args.map((a) => (typeof a === "string" ? a : JSON.stringify(a))).join(" ")) },
    work: (job) => jobs.push(job),
  };
  const names = Object.keys(given).filter((name) => !new RegExp(`^(let|const) ${name}\\b`, "m").test(code));
  const body = `${code.replaceAll("localhost:8080", host)}\nreturn typeof client === "undefined" ? undefined : client`;
  const client = new Function(...names, body)(...names.map((name) => given[name]));
  return { client, logged, jobs };
}

const seen = {
  "adapters.md 1": async ({ logged }) => until(() => logged.includes('/topic/trade {"shares":3}')),
  "adapters.md 2": async ({ logged }) => until(() => logged.includes('{"shares":3}')),
  "operations.md 1": async ({ client }) => {
    await once((done) => {
      client.onConnect = done;
      client.activate();
    });
    client.onWebSocketClose({ reason: "server is shutting down; retry-after=300ms" });
    const asked = Date.now();
    await client.beforeConnect();
    if (Date.now() - asked < 250) throw new Error("it comes back before it is asked to");
    await client.deactivate();
  },
  "stomp.md 1": async ({ client, logged, jobs }) => {
    await until(() => logged.includes("handled") && jobs[0]?.shares === 3);
    await client.deactivate();
  },
  "stomp.md 2": async ({ client }) => {
    await once((done) => {
      client.onConnect = done;
      client.activate();
    });
    await client.deactivate();
  },
  "tracing.md 1": async ({ client, logged }) => {
    await until(() => logged.includes("true"));
    await client.deactivate();
  },
};
const count = {};
for (const { name, code } of blocks) {
  count[name] = (count[name] ?? 0) + 1;
  const block = `${name} ${count[name]}`;
  await check(block, () => seen[block](run(code)));
}
process.exit();
