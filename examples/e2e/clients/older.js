// A session with one of the older clients, which differ in little but the order
// of what send is given. They close the socket as soon as they have sent
// DISCONNECT; here they have to wait for its RECEIPT.
import { listenForBeats } from "./conversation.js";
import { equal, once } from "./kit.js";

export async function session(client, socket, send) {
  const { debug, beats } = listenForBeats();
  const waiting = new Map();
  const receipt = (id) => once((done) => waiting.set(id, done));
  let failed;
  client.debug = debug;
  client.onreceipt = (frame) => waiting.get(frame.headers["receipt-id"])(frame);
  const { headers } = await once((done) => client.connect({}, done, (frame) => failed?.(frame)));
  return {
    headers,
    beats,
    receipt,
    subscribe: (destination, id, onMessage, headers) => client.subscribe(destination, onMessage, { receipt: id, ...headers }).unsubscribe,
    send,
    begin: () => client.begin(),
    error: () => once((done) => { failed = done; }),
    async disconnect() {
      const disconnected = receipt("disconnected");
      socket.close = () => {};
      client.disconnect(() => {}, { receipt: "disconnected" });
      const closed = once((done) => { socket.onclose = done; });
      await disconnected;
      equal((await closed).code, 1000, "the close code");
    },
  };
}

// note has escapes, which these clients leave to their users.
export const note = "a\\cb\\\\ d\\ne";
