// sockjs-client, as it is, uses the services given as the argument over each
// transport that there is outside browsers.
import { subscribe } from "node:diagnostics_channel";
import SockJS from "sockjs-client";
import { fallback, transport } from "./echo.js";
import { checker, equal } from "./kit.js";
import { version } from "./versions.js";

const [url] = process.argv.slice(2);
const client = version("sockjs-client");

// What node's HTTP client sees that the program does not.
let asked = [];
const cookies = new Set();
subscribe("http.client.response.finish", ({ request, response }) => {
  asked.push(request.path);
  for (const cookie of response.headers["set-cookie"] ?? []) cookies.add(`${request.path.split("/")[1]}: ${cookie}`);
});
const requests = (end) => () => asked.filter((path) => path.endsWith(end)).length;

await transport(SockJS, url, client, "websocket");
await transport(SockJS, url, client, "xhr-streaming", { requests: requests("/xhr_streaming") });
await transport(SockJS, url, client, "eventsource", { requests: requests("/eventsource") });
await transport(SockJS, url, client, "xhr-polling");
await fallback(SockJS, url, client);
await checker(`${client} cookies`)("come from one service alone", () =>
  equal([...cookies].join(), "cookie_needed_echo: JSESSIONID=dummy; Path=/; HttpOnly", "the cookies"));
