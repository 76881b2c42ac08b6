// The conversation that each STOMP client has with the broker. A client is a
// function that connects and returns a session:
//
//   headers                                  of CONNECTED
//   beats()                                  whether beats were sent and received
//   subscribe(destination, receipt, onMessage, headers)  returns a function that unsubscribes
//   send(destination, body, headers)
//   begin()                                  an object with id, commit() and abort(), where the client has it
//   receipt(id), error()                     promises of frames
//   disconnect()                             a promise of the RECEIPT
import { big, checker, equal, hard, matches, until } from "./kit.js";

let rooms = 0;

export async function conversation(client, connect, { version, note, body = hard }) {
  const check = checker(client);
  const room = `/topic/room.${++rooms}`;
  const jobs = `/queue/jobs.${rooms}`;
  const messages = [];
  let idle, session, unsubscribe;

  await check("connects", async () => {
    idle = await connect();
    session = await connect();
    equal(session.headers.version, version, "the version");
  });
  await check("agrees on heart-beats", () => equal(session.headers["heart-beat"], "10000,10000", "heart-beat"));
  await check("subscribes with a receipt", async () => {
    const receipt = session.receipt("subscribed");
    unsubscribe = session.subscribe(room, "subscribed", (m) => messages.push(m));
    await receipt;
  });
  const echo = async (text, headers) => {
    messages.length = 0;
    session.send(room, text, headers);
    await until(() => messages.length > 0);
    return messages[0];
  };
  await check("receives what it sent", async () => {
    const m = await echo(`{"text": "Grüße, 水車"}`, { "content-type": "application/json" });
    equal(m.body, `{"text": "Grüße, 水車"}`, "the body");
    equal(m.headers.destination, room, "destination");
    equal(m.headers["content-type"], "application/json", "content-type");
    matches(m.headers["message-id"], /./, "message-id");
    matches(m.headers.subscription, /./, "subscription");
  });
  await check("headers with escapes", async () => equal((await echo("", { note })).headers.note, note, "note"));
  await check("any character", async () => equal((await echo(body)).body, body, "the body"));
  await check("30 KiB", async () => equal((await echo(big)).body, big, "the body"));
  await check("a receipt of SEND", async () => {
    const receipt = session.receipt("sent");
    session.send(room, "", { receipt: "sent" });
    await receipt;
  });
  await check("100 messages in order", async () => {
    await until(() => messages.length === 2);
    messages.length = 0;
    for (let i = 0; i < 100; i++) session.send(room, `${i}`);
    await until(() => messages.length === 100);
    messages.forEach((m, i) => equal(m.body, `${i}`, `body ${i}`));
  });
  await check("hears others", async () => {
    messages.length = 0;
    idle.send(room, "it is me");
    await until(() => messages.length > 0);
    equal(messages[0].body, "it is me", "the body");
  });
  const left = [];
  await check("acknowledges one message of two", async () => {
    const worker = await connect();
    const working = worker.receipt("working");
    const taken = [];
    worker.subscribe(jobs, "working", (m) => taken.push(m), { ack: "client-individual" });
    await working;
    for (const job of ["one", "two"]) session.send(jobs, job);
    await until(() => taken.length === 2);
    taken[1].ack();
    await worker.disconnect();
    const waiting = session.receipt("waiting");
    session.subscribe(jobs, "waiting", (m) => left.push(m), { ack: "client-individual" });
    await waiting;
    await until(() => left.length > 0);
    equal(left[0].body, "one", "the body");
    equal(left[0].headers["hr-deliveries"], "2", "hr-deliveries");
  });
  const settled = async (id, headers = {}) => {
    const receipt = session.receipt(id);
    left.at(-1).ack({ receipt: id, ...headers });
    await receipt;
  };
  await check("refuses a message, which comes again", async () => {
    left[0].nack();
    await until(() => left.length === 2);
    equal(left[1].body, "one", "the body");
    equal(left[1].headers["hr-deliveries"], "3", "hr-deliveries");
    await settled("settled");
  });
  if (session.begin) {
    await check("commits", async () => {
      messages.length = 0;
      const transaction = session.begin();
      session.send(room, "inside", { transaction: transaction.id });
      equal((await echo("outside")).body, "outside", "the body");
      transaction.commit();
      await until(() => messages.length === 2);
      equal(messages[1].body, "inside", "the body");
    });
    await check("aborts", async () => {
      session.send(jobs, "three");
      await until(() => left.length === 3);
      const transaction = session.begin();
      session.send(room, "never", { transaction: transaction.id });
      await settled("in vain", { transaction: transaction.id });
      transaction.abort();
      await settled("for good");
      equal((await echo("after")).body, "after", "the body");
    });
  }
  await check("hears nothing after it unsubscribed", async () => {
    messages.length = 0;
    unsubscribe();
    const receipt = session.receipt("unheard");
    session.send(room, "", { receipt: "unheard" });
    await receipt;
    equal(messages.length, 0, "the number of messages");
  });
  await check("disconnects with a receipt", () => session.disconnect());
  await check("is told by ERROR what was wrong", async () => {
    const lost = await connect();
    const error = lost.error();
    lost.send("/nowhere", "", { receipt: "lost" });
    const { headers } = await error;
    matches(headers.message, /no handler for \/nowhere/, "message");
    equal(headers["receipt-id"], "lost", "receipt-id");
  });
  await check("beats both ways", async () => {
    await until(() => idle.beats());
    await idle.disconnect();
  });
}

// listenForBeats returns a debug function of a client and whether it was told
// of beats in both directions; all clients here use the same words.
export function listenForBeats() {
  const heard = new Set();
  return { debug: (text) => heard.add(text), beats: () => heard.has(">>> PING") && heard.has("<<< PONG") };
}
