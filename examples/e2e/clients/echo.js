// What sockjs-client asks of the services of the echo example, in node and in
// browsers.
import { big, checker, equal, hard, once, until } from "./kit.js";

// transport checks one transport. The count of requests that receive is known
// in node alone.
export async function transport(SockJS, url, client, name, { say, requests } = {}) {
  const check = checker(`${client} ${name}`, say);
  const open = async (service) => {
    const socket = new SockJS(`${url}${service}`, null, { transports: name });
    const messages = [];
    socket.onmessage = ({ data }) => messages.push(data);
    const closed = new Promise((done) => { socket.onclose = done; });
    const opened = once((done) => { socket.onopen = () => done(socket.transport); });
    equal(await opened, name, "the transport");
    return { socket, messages, closed };
  };
  const echo = async ({ socket, messages }, ...texts) => {
    messages.length = 0;
    for (const text of texts) socket.send(text);
    await until(() => messages.length >= texts.length);
    equal(messages.length, texts.length, "the number of messages");
    messages.forEach((m, i) => equal(m, texts[i], `message ${i}`));
  };

  let session;
  await check("opens", async () => { session = await open("/echo"); });
  await check("any character", () => echo(session, `${hard}\0${hard}`, ""));
  await check("30 KiB", () => echo(session, big));
  await check("100 messages in order", () => echo(session, ...Array.from({ length: 100 }, (_, i) => `${i}`)));
  if (requests) {
    await check("a response ends after 4,096 octets", async () => {
      await echo(session, ""); // by a response that has begun
      const before = requests();
      for (let i = 0; i < 12; i++) await echo(session, "x".repeat(1020)); // four fill a response
      await until(() => requests() > before + 2);
      equal(requests() - before, 3, "the number of responses");
    });
  }
  await check("closes", async () => {
    session.socket.close(3001, "enough");
    const { code, reason, wasClean } = await session.closed;
    equal(`${code} ${reason} ${wasClean}`, "3001 enough true", "the close");
  });
  await check("is sent away", async () => {
    const { closed } = await open("/close");
    const { code, reason, wasClean } = await closed;
    equal(`${code} ${reason} ${wasClean}`, "3000 Go away! true", "the close");
  });
  await check("echo with cookies", async () => {
    const session = await open("/cookie_needed_echo");
    await echo(session, hard);
    session.socket.close();
  });
}

// fallback checks what a client does where WebSocket is turned off.
export async function fallback(SockJS, url, client, say) {
  const check = checker(`${client} without WebSocket`, say);
  const service = `${url}/disabled_websocket_echo`;
  await check("does without", async () => {
    const { code, reason } = await once((done) => { new SockJS(service, null, { transports: "websocket" }).onclose = done; });
    equal(`${code} ${reason}`, "2000 All transports failed", "the close");
  });
  await check("finds another transport", async () => {
    const socket = new SockJS(service);
    await once((done) => { socket.onopen = done; });
    equal(socket.transport, "xhr-streaming", "the transport");
    const message = once((done) => { socket.onmessage = done; });
    socket.send(hard);
    equal((await message).data, hard, "the message");
    socket.close();
  });
}
