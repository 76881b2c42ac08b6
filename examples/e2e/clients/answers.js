// One who answers what is asked in /topic/questions, over each transport, until
// somebody says goodbye there.
import SockJS from "sockjs-client";
import webstomp from "webstomp-client";
import { checker, soon } from "./kit.js";
import { session } from "./older.js";

const [url] = process.argv.slice(2);

const leaving = ["websocket", "xhr-streaming", "eventsource", "xhr-polling"].map(async (transports) => {
  const check = checker(transports);
  const socket = new SockJS(`${url}/sockjs`, null, { transports });
  const client = webstomp.over(socket);
  const s = await session(client, socket, (...args) => client.send(...args));
  const joined = s.receipt("joined");
  const asked = soon(new Promise((done) => {
    s.subscribe("/topic/questions", "joined", (m) => {
      if (m.body === "goodbye") done();
      else s.send("/topic/answers", `${transports}: ${m.body}`, { "content-type": "text/plain" });
    });
  }), "goodbye");
  await joined;
  return async () => {
    await check("was asked", () => asked);
    await check("leaves", () => s.disconnect());
  };
});
const leave = await Promise.all(leaving);
console.log("ready");
await Promise.all(leave.map((f) => f()));
