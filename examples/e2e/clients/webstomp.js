// webstomp-client over sockjs-client, as they are, talk with the broker given
// as the argument, over each transport that there is outside browsers.
import SockJS from "sockjs-client";
import webstomp from "webstomp-client";
import { conversation } from "./conversation.js";
import { note, session } from "./older.js";
import { version } from "./versions.js";

const [url] = process.argv.slice(2);

await Promise.all(["websocket", "xhr-streaming", "eventsource", "xhr-polling"].map((transport) => {
  const connect = () => {
    const socket = new SockJS(`${url}/sockjs`, null, { transports: transport });
    const client = webstomp.over(socket);
    return session(client, socket, (destination, body, headers) => client.send(destination, body, headers));
  };
  const name = `${version("webstomp-client")} over ${version("sockjs-client")} ${transport}`;
  return conversation(name, connect, { version: "1.2", note });
}));
