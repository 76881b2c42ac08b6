// A small STOMP 1.2 client over WebSocket, enough for the example pages. It
// reconnects by itself and subscribes again. Real programs use @stomp/stompjs,
// which talks to headrace as it is.

const escapes = { "\\": "\\\\", "\r": "\\r", "\n": "\\n", ":": "\\c" };
const unescapes = { "\\\\": "\\", "\\r": "\r", "\\n": "\n", "\\c": ":" };
const escape = (s) => String(s).replace(/[\\\r\n:]/g, (c) => escapes[c]);
const unescape = (s) => s.replace(/\\[\\rnc]/g, (e) => unescapes[e]);

export class Stomp {
  // options: url, or open, which returns what looks like a WebSocket; headers
  // (of CONNECT); onState("connected" | "away", error)
  constructor({ url, open = () => new WebSocket(url, ["v12.stomp"]), headers = {}, onState = () => {} }) {
    Object.assign(this, { open, headers, onState });
    this.subscriptions = new Map();
    this.lastId = 0;
    this.retry = 250;
  }

  connect() {
    const socket = this.open();
    socket.binaryType = "arraybuffer"; // what is not UTF-8 comes in binary messages
    socket.onopen = () => {
      if (this.ended) return socket.close();
      this.socket = socket;
      this.#send("CONNECT", { "accept-version": "1.2", host: location.host, "heart-beat": "10000,10000", ...this.headers });
    };
    socket.onmessage = ({ data }) => this.#receive(data);
    socket.onclose = () => {
      clearInterval(this.beat);
      clearInterval(this.watch);
      this.connected = false;
      this.socket = undefined;
      if (this.ended) return;
      this.onState("away", this.error);
      this.again = setTimeout(() => this.connect(), this.retry);
      this.retry = Math.min(this.retry * 1.5, 3000);
    };
  }

  // disconnect ends it for good.
  disconnect() {
    this.ended = true;
    clearTimeout(this.again);
    this.socket?.close();
  }

  // subscribe calls receive(payload, headers) for every message; it returns a
  // function that ends the subscription. With { ack: "client-individual" } among the
  // headers each message is settled by ack or nack, with its header ack.
  subscribe(destination, receive, headers = {}) {
    const id = `sub-${++this.lastId}`;
    this.subscriptions.set(id, { destination, receive, headers });
    if (this.connected) this.#send("SUBSCRIBE", { id, destination, ...headers });
    return () => {
      this.subscriptions.delete(id);
      if (this.connected) this.#send("UNSUBSCRIBE", { id });
    };
  }

  ack(id) { this.#send("ACK", { id }); }
  nack(id) { this.#send("NACK", { id }); }

  // publish sends a string as text and anything else as JSON. It returns false
  // while the connection is away.
  publish(destination, payload, headers = {}) {
    if (!this.connected) return false;
    const text = typeof payload === "string";
    const type = text ? "text/plain;charset=utf-8" : "application/json";
    const body = text ? payload : JSON.stringify(payload);
    const length = new TextEncoder().encode(body).length;
    this.#send("SEND", { destination, "content-type": type, "content-length": length, ...headers }, body);
    return true;
  }

  #send(command, headers, body = "") {
    if (this.socket?.readyState !== WebSocket.OPEN) return;
    const plain = command === "CONNECT";
    const lines = Object.entries(headers).map(([k, v]) => (plain ? `${k}:${v}` : `${escape(k)}:${escape(v)}`));
    this.socket.send([command, ...lines, "", body].join("\n") + "\0");
  }

  // A message of the server is one frame, or line ends that only show that it is
  // there. The body may hold NUL octets: it is the last one that ends the frame.
  #receive(data) {
    this.heard = Date.now();
    const text = typeof data === "string" ? data : new TextDecoder().decode(data);
    const frame = text.replace(/^[\r\n]+/, "").replace(/\0[\r\n]*$/, "");
    if (!frame) return;
    const end = frame.indexOf("\n\n");
    const [command, ...lines] = frame.slice(0, end).split("\n");
    const read = command === "CONNECTED" ? (s) => s : unescape; // which has no escapes
    const headers = {};
    for (const line of lines) {
      const colon = line.indexOf(":");
      const name = read(line.slice(0, colon));
      if (!(name in headers)) headers[name] = read(line.slice(colon + 1));
    }
    this.#handle(command, headers, frame.slice(end + 2));
  }

  #handle(command, headers, body) {
    switch (command) {
      case "CONNECTED":
        this.connected = true;
        this.error = undefined;
        this.retry = 250;
        for (const [id, { destination, headers }] of this.subscriptions) this.#send("SUBSCRIBE", { id, destination, ...headers });
        this.#keepAlive(headers["heart-beat"] ?? "0,0");
        this.onState("connected");
        break;
      case "MESSAGE": {
        const json = (headers["content-type"] ?? "").startsWith("application/json");
        this.subscriptions.get(headers.subscription)?.receive(json ? JSON.parse(body) : body, headers);
        break;
      }
      case "ERROR":
        this.error = headers.message || body;
    }
  }

  // The header says how often the server sends something and wants to hear
  // something. One that was silent three times as long is given up.
  #keepAlive(heartBeat) {
    const [sends, wants] = heartBeat.split(",").map((ms) => (Number(ms) ? Math.max(Number(ms), 10000) : 0));
    const socket = this.socket;
    if (wants) this.beat = setInterval(() => socket.readyState === WebSocket.OPEN && socket.send("\n"), wants * 0.9);
    if (sends) this.watch = setInterval(() => Date.now() - this.heard > 3 * sends && socket.close(), sends);
  }
}

// showState shows in a banner that the server is away, until it is back.
export function showState(banner, state, error) {
  if (state === "connected") banner.hidden = true;
  if (state !== "away") return;
  banner.hidden = false;
  banner.textContent = `The server is away${error ? ` (${error})` : ""}. Trying again …`;
}

// socketURL returns the WebSocket address of a path of this page's server.
export const socketURL = (path) => `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}${path}`;
