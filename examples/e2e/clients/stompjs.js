// @stomp/stompjs, as it is, talks with the broker given as the argument.
import { Client } from "@stomp/stompjs";
import { WebSocket } from "ws";
import { conversation, listenForBeats } from "./conversation.js";
import { big, checker, equal, hard, once, until } from "./kit.js";
import { version } from "./versions.js";

const [url] = process.argv.slice(2);

const newClient = (more = {}) =>
  new Client({
    webSocketFactory: () => new WebSocket(`${url.replace("http", "ws")}/ws`, ["v12.stomp", "v11.stomp", "v10.stomp"]),
    reconnectDelay: 0,
    ...more,
  });
const connected = (client) => once((done) => { client.onConnect = done; client.activate(); });
const receipt = (client, id) => once((done) => client.watchForReceipt(id, done));

async function connect(more) {
  const { debug, beats } = listenForBeats();
  const client = newClient({ debug, ...more });
  const { headers } = await connected(client);
  return {
    headers,
    beats,
    subscribe: (destination, id, onMessage, headers) => client.subscribe(destination, onMessage, { receipt: id, ...headers }).unsubscribe,
    send: (destination, body, headers) => client.publish({ destination, body, headers }),
    begin: () => client.begin(),
    receipt: (id) => receipt(client, id),
    error: () => once((done) => { client.onStompError = done; }),
    async disconnect() {
      const disconnected = once((done) => { client.onDisconnect = done; }); // on its RECEIPT
      const closed = once((done) => { client.onWebSocketClose = done; });
      await client.deactivate();
      equal((await disconnected).command, "RECEIPT", "the answer to DISCONNECT");
      equal((await closed).code, 1000, "the close code");
    },
  };
}

const name = version("@stomp/stompjs");
const check = checker(name);
const note = "a:b\\ d\ne"; // the client reads an escaped backslash before c, n or r wrong
await conversation(name, connect, { version: "1.2", note, body: `${hard}\0${hard}` });

for (const [what, more] of [
  ["binary frames", { forceBinaryWSFrames: true }],
  ["frames in pieces", { splitLargeFrames: true, maxWebSocketChunkSize: 4096 }],
]) {
  await check(what, async () => {
    const session = await connect(more);
    const messages = [];
    session.subscribe("/topic/pieces", "subscribed", (m) => messages.push(m));
    session.send("/topic/pieces", big);
    await until(() => messages.length > 0);
    equal(messages[0].body, big, "the body");
    await session.disconnect();
  });
}
await check("octets", async () => {
  const client = newClient();
  await connected(client);
  const octets = Uint8Array.from({ length: 256 }, (_, i) => i);
  const message = once((done) => client.subscribe("/topic/octets", done));
  client.publish({ destination: "/topic/octets", binaryBody: octets, headers: { "content-type": "application/octet-stream" } });
  equal(`${(await message).binaryBody}`, `${octets}`, "the body");
  await client.deactivate();
});
for (const older of ["1.1", "1.0"]) {
  await check(`version ${older}`, async () => {
    const client = newClient({ webSocketFactory: () => new WebSocket(`${url.replace("http", "ws")}/ws`, [`v${older.replace(".", "")}.stomp`]) });
    equal((await connected(client)).headers.version, older, "the version");
    const message = once((done) => client.subscribe(`/topic/older.${older}`, done));
    client.publish({ destination: `/topic/older.${older}`, body: hard });
    equal((await message).body, hard, "the body");
    await client.deactivate();
  });
}
await check("connects again", async () => {
  const client = newClient({ reconnectDelay: 50 });
  const messages = [];
  let connections = 0;
  client.onConnect = () => {
    connections++;
    client.subscribe("/topic/again", (m) => messages.push(m.body));
  };
  client.activate();
  await until(() => connections === 1);
  console.log("restart the server");
  await until(() => connections === 2);
  client.publish({ destination: "/topic/again", body: "back" });
  await until(() => messages.includes("back"));
  await client.deactivate();
});
