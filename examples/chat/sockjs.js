// A SockJS client of one transport, eventsource, with the face of a WebSocket.
// It is enough for this page. Real programs use sockjs-client, which talks to
// headrace as it is and finds the best transport.
export class SockJS {
  readyState = WebSocket.CONNECTING;
  sending = Promise.resolve();

  constructor(base) {
    const id = crypto.getRandomValues(new Uint32Array(2)).join("");
    this.session = `${base}/000/${id}`;
    this.events = new EventSource(`${this.session}/eventsource`);
    this.events.onmessage = ({ data }) => this.#frame(data[0], data.slice(1));
    this.events.onerror = () => {
      // After 128 KiB the server ends the response, and the browser asks for the next.
      if (this.events.readyState === EventSource.CLOSED || this.readyState === WebSocket.CONNECTING) this.close();
    };
  }

  // The messages of a client go one after the other.
  send(text) {
    this.sending = this.sending.then(async () => {
      const answer = await fetch(`${this.session}/xhr_send`, { method: "POST", body: JSON.stringify([text]) });
      if (!answer.ok) this.close();
    }).catch(() => this.close());
  }

  close() {
    if (this.readyState === WebSocket.CLOSED) return;
    this.readyState = WebSocket.CLOSED;
    this.events.close();
    this.onclose?.();
  }

  #frame(kind, rest) {
    switch (kind) {
      case "o":
        this.readyState = WebSocket.OPEN;
        this.onopen?.();
        break;
      case "a":
        for (const data of JSON.parse(rest)) this.onmessage?.({ data });
        break;
      case "c":
        this.close();
    }
  }
}
