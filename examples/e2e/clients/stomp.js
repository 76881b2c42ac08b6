// stompjs, which @stomp/stompjs comes from, talks as it is with the broker given
// as the argument.
import Stomp from "stompjs";
import { WebSocket } from "ws";
import { conversation } from "./conversation.js";
import { note, session } from "./older.js";
import { version } from "./versions.js";

const [url] = process.argv.slice(2);

await conversation(version("stompjs"), () => {
  const socket = new WebSocket(`${url.replace("http", "ws")}/ws`);
  const client = Stomp.over(socket);
  return session(client, socket, (destination, body, headers) => client.send(destination, headers, body));
}, { version: "1.1", note });
