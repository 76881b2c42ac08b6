// One client of each kind. Each calls receive(line) for every line of the room
// and state("connected" | "away"), and has say(line).
import { Stomp, socketURL } from "/shared/stomp.js";
import { SockJS } from "./sockjs.js";

const stompClient = (open) => ({ receive, state }) => {
  const stomp = new Stomp({ open, onState: state });
  stomp.subscribe("/topic/chat", receive);
  stomp.connect();
  return { say: (line) => stomp.publish("/app/chat", line) };
};

export const overWebSocket = stompClient(() => new WebSocket(socketURL("/ws"), ["v12.stomp"]));
export const overSockJS = stompClient(() => new SockJS("/sockjs"));

export function plainJSON({ receive, state }) {
  let socket;
  const send = (object) => socket?.readyState === WebSocket.OPEN && (socket.send(JSON.stringify(object)), true);
  (function connect() {
    socket = new WebSocket(socketURL("/json"));
    socket.onopen = () => {
      send({ type: "connect" });
      send({ type: "subscribe", id: "room", destination: "/topic/chat" });
    };
    socket.onmessage = ({ data }) => {
      const object = JSON.parse(data);
      if (object.type === "connected") state("connected");
      if (object.type === "message") receive(object.payload);
    };
    socket.onclose = () => {
      state("away");
      setTimeout(connect, 1000);
    };
  })();
  return { say: (line) => send({ type: "send", destination: "/app/chat", payload: line }) };
}

export function serverSentEvents({ receive, state }) {
  let token;
  const events = new EventSource("/events?destination=/topic/chat");
  events.addEventListener("connected", ({ data }) => {
    token = JSON.parse(data).token;
    state("connected");
  });
  events.onmessage = ({ data }) => receive(JSON.parse(data).payload);
  events.onopen = () => token && state("connected"); // the browser came back by itself, to the same session
  events.onerror = () => state("away");
  return {
    say: (line) => token && (fetch(`/events?session=${token}&destination=/app/chat`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(line),
    }).catch(() => state("away")), true),
  };
}
