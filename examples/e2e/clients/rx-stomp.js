// @stomp/rx-stomp, as it is, talks with the broker given as the argument.
import { RxStomp } from "@stomp/rx-stomp";
import { firstValueFrom } from "rxjs";
import { WebSocket } from "ws";
import { conversation, listenForBeats } from "./conversation.js";
import { checker, equal, once, soon, until } from "./kit.js";
import { version } from "./versions.js";

const [url] = process.argv.slice(2);

const newClient = (more = {}) => {
  const client = new RxStomp();
  client.configure({
    webSocketFactory: () => new WebSocket(`${url.replace("http", "ws")}/ws`, ["v12.stomp"]),
    reconnectDelay: 0,
    ...more,
  });
  return client;
};

async function connect() {
  const { debug, beats } = listenForBeats();
  const client = newClient({ debug });
  client.activate();
  const headers = await soon(firstValueFrom(client.serverHeaders$), "serverHeaders$");
  return {
    headers,
    beats,
    subscribe(destination, id, onMessage, headers) {
      const watching = client.watch({ destination, subHeaders: { receipt: id, ...headers } }).subscribe(onMessage);
      return () => watching.unsubscribe();
    },
    send: (destination, body, headers) => client.publish({ destination, body, headers }),
    receipt: (id) => soon(client.asyncReceipt(id), id),
    error: () => soon(firstValueFrom(client.stompErrors$), "stompErrors$"),
    async disconnect() {
      const disconnected = once((done) => { client.stompClient.onDisconnect = done; }); // on its RECEIPT
      await client.deactivate();
      equal((await disconnected).command, "RECEIPT", "the answer to DISCONNECT");
    },
  };
}

const name = version("@stomp/rx-stomp");
await conversation(name, connect, { version: "1.2", note: "a:b\\ d\ne" });
await checker(name)("connects again and sends what waited", async () => {
  const client = newClient({ reconnectDelay: 50 });
  const messages = [];
  client.watch("/topic/again").subscribe((m) => messages.push(m.body));
  client.activate();
  await until(() => client.connected());
  console.log("restart the server");
  await until(() => !client.connected());
  client.publish({ destination: "/topic/again", body: "it waited" });
  await until(() => messages.includes("it waited"));
  await client.deactivate();
});
