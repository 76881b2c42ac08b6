// Uses the broker given as the argument with @stomp/stompjs as it is. It ends
// with an error when anything is not as its documentation says.
import assert from "node:assert/strict";
import { Client } from "@stomp/stompjs";
import { WebSocket } from "ws";

const [url] = process.argv.slice(2);
const body = `{"text": "Grüße, 水車"}`;
const note = "a:b\\ d\ne"; // needs escapes; @stomp/stompjs reads a backslash before c, n or r wrong

const newClient = (more = {}) =>
  new Client({
    webSocketFactory: () => new WebSocket(url, ["v12.stomp", "v11.stomp", "v10.stomp"]),
    heartbeatIncoming: 4000, // slower sides win: the server offers 10 s and asks for 10 s
    heartbeatOutgoing: 15000,
    reconnectDelay: 0,
    ...more,
  });

// once returns the value with which a callback is called for the first time.
const once = (register) => new Promise((resolve, reject) => {
  setTimeout(() => reject(new Error("nothing came: " + register)), 10000).unref();
  register(resolve);
});
const receipt = (client, id) => once((done) => client.watchForReceipt(id, done));
const connect = (client) => once((done) => { client.onConnect = done; client.activate(); });

const client = newClient();
const connected = await connect(client);
assert.equal(connected.headers.version, "1.2");
assert.equal(connected.headers["heart-beat"], "10000,10000");
assert.equal(client.connectedVersion, "1.2");

const subscribed = receipt(client, "subscribed");
let subscription;
const message = once((done) => { subscription = client.subscribe("/topic/words", done, { receipt: "subscribed" }); });
await subscribed;

const sent = receipt(client, "sent");
client.publish({ destination: "/topic/words", body, headers: { "content-type": "application/json", note, receipt: "sent" } });
const got = await message;
assert.equal(got.body, body);
assert.equal(got.headers.destination, "/topic/words");
assert.equal(got.headers.subscription, subscription.id);
assert.equal(got.headers["content-type"], "application/json");
assert.equal(got.headers.note, note);
assert.ok(got.headers["message-id"]);
await sent;

const unsubscribed = receipt(client, "unsubscribed");
subscription.unsubscribe({ receipt: "unsubscribed" });
await unsubscribed;

const disconnected = once((done) => { client.onDisconnect = done; }); // on the receipt of DISCONNECT
const closed = once((done) => { client.onWebSocketClose = done; });
await client.deactivate();
assert.equal((await disconnected).command, "RECEIPT");
assert.equal((await closed).code, 1000);

// What nobody handles is answered with an ERROR frame.
const lost = newClient();
await connect(lost);
const refused = once((done) => { lost.onStompError = done; });
lost.publish({ destination: "/nowhere", headers: { receipt: "lost" } });
const error = await refused;
assert.match(error.headers.message, /no handler for \/nowhere/);
assert.equal(error.headers["receipt-id"], "lost");
await lost.deactivate();
console.log("fine");
