// A Neteria server as one writes it on Node's dgram, for comparison: the same rules, a registry, judged once and executed
// once within 300 s, verdicts and notifies repeated after 2 s, five times in all, until they are confirmed.
//
//   node node_server.mjs PORT
//
// Written for speed where the platform allows it: no name look-ups, answers put together from strings, queues for the
// repeats (every wait is the same 2 s) and one timer of 200 ms.
import dgram from "node:dgram";
import { randomUUID } from "node:crypto";

const REPEAT = 2000, TIMES = 5, LIFE = 300_000; // ms, transmissions, ms
const IN_FLIGHT = 256; // notifies to one client
const socket = dgram.createSocket({
  type: "udp4",
  recvBufferSize: 4 << 20,
  lookup: (host, _options, done) => done(null, host, 4), // addresses are numbers already
});
const clients = new Map(), everyone = [];
let now = Date.now();

const send = (text, port, ip) => socket.send(text, port, ip);
const quoted = (s) => (/^[\w-]+$/.test(s) ? `"${s}"` : JSON.stringify(s));

// ---- what was sent and waits to be confirmed: client.waiting holds its text by id ----
class Queue { // of what was sent n times: parallel rings, no object for each datagram
  #size = 1024;
  #first = 0;
  #last = 0;
  #clients = new Array(this.#size);
  #ids = new Array(this.#size);
  #dues = new Float64Array(this.#size);
  push(client, id, due) {
    if (this.#last - this.#first === this.#size) this.#grow();
    const at = this.#last++ & (this.#size - 1);
    this.#clients[at] = client;
    this.#ids[at] = id;
    this.#dues[at] = due;
  }
  isDue(time) { return this.#first < this.#last && this.#dues[this.#first & (this.#size - 1)] <= time; }
  shift() {
    const at = this.#first++ & (this.#size - 1), out = [this.#clients[at], this.#ids[at]];
    this.#clients[at] = this.#ids[at] = undefined;
    return out;
  }
  #grow() {
    const clients = new Array(this.#size * 2), ids = new Array(this.#size * 2), dues = new Float64Array(this.#size * 2);
    for (let i = this.#first; i < this.#last; i++) {
      const from = i & (this.#size - 1), to = i & (this.#size * 2 - 1);
      clients[to] = this.#clients[from];
      ids[to] = this.#ids[from];
      dues[to] = this.#dues[from];
    }
    [this.#clients, this.#ids, this.#dues, this.#size] = [clients, ids, dues, this.#size * 2];
  }
}
const queues = Array.from({ length: TIMES + 1 }, () => new Queue());

function forget(client, id) {
  client.waiting.delete(id);
  if (client.notified.delete(id)) client.inFlight--;
}

function repeatDue() {
  now = Date.now();
  for (let sent = TIMES; sent >= 1; sent--) {
    while (queues[sent].isDue(now)) {
      const [client, id] = queues[sent].shift(), text = client.waiting.get(id);
      if (text === undefined) continue;
      if (sent === TIMES) forget(client, id);
      else {
        send(text, client.port, client.ip);
        queues[sent + 1].push(client, id, now + REPEAT);
      }
    }
  }
}

function sendReliably(client, id, text) {
  send(text, client.port, client.ip);
  client.waiting.set(id, text);
  queues[1].push(client, id, now + REPEAT);
}

// ---- what the rules may ask for; sent when the handler has returned ----
let outbox = [];
const host = {
  notify(client, name, data) { outbox.push(client, JSON.stringify({ [name]: data })); },
  broadcast(name, data) {
    const text = JSON.stringify({ [name]: data });
    for (const client of everyone) outbox.push(client, text);
  },
};

function commit() {
  const asked = outbox;
  outbox = [];
  for (let i = 0; i < asked.length; i += 2) {
    const client = asked[i];
    if (client.inFlight >= IN_FLIGHT) continue;
    client.inFlight++;
    const id = randomUUID(); // pooled by Node
    client.notified.add(id);
    sendReliably(client, id, `{"method": "NOTIFY", "event_data": ${asked[i + 1]}, "euuid": "${id}"}`);
  }
}

// ---- the rules: rulebook.lua's, line by line ----
const SIZE = 1000;
const game = {
  connect(client) {
    client.data.x = SIZE / 2;
    client.data.y = SIZE / 2;
    client.data.steps = 0;
    host.notify(client, "welcome", client.data.x);
  },
  legal(client, event) { // a reason, or nothing when it is legal
    if (event.name === "shout") return Array.isArray(event.data) && event.data.length === 2 ? undefined : "illegal";
    if (event.name !== "move") return "unknown event";
    const step = event.data;
    if (!Array.isArray(step) || step.length !== 2) return "a move is [dx, dy]";
    const [dx, dy] = step;
    if (typeof dx !== "number" || typeof dy !== "number") return "a move is two numbers";
    if (dx < -1 || dx > 1 || dy < -1 || dy > 1) return "one cell at a time";
    const x = client.data.x + dx, y = client.data.y + dy;
    if (x < 0 || y < 0 || x >= SIZE || y >= SIZE) return "there is a wall";
  },
  execute(client, event) {
    if (event.name === "shout") return host.broadcast("said", event.data);
    const me = client.data, step = event.data;
    me.x += step[0];
    me.y += step[1];
    me.steps++;
  },
};

function judge(client, event) {
  try {
    const reason = game.legal(client, event);
    if (reason !== undefined) return reason;
    game.execute(client, event);
  } catch {
    outbox = [];
    return "internal";
  }
}

// ---- judged once, executed once: the answers of the last 300 to 600 s, in two generations for each client ----
// What is kept is the answer, and true for the commonest one: a normal LEGAL.
let epoch = 0;
setInterval(() => epoch++, LIFE);

function remembered(client, id) {
  if (client.epoch !== epoch) {
    client.old = client.epoch === epoch - 1 ? client.young : new Map();
    client.young = new Map();
    client.epoch = epoch;
  }
  let answer = client.young.get(id);
  if (answer === undefined && (answer = client.old.get(id)) !== undefined) client.young.set(id, answer);
  return answer;
}

const legalText = (id, priority) => `{"method": "LEGAL", "euuid": ${quoted(id)}, "priority": "${priority}"}`;

// ---- what may come in ----
const isId = (s) => typeof s === "string" && s.length >= 1 && s.length <= 64 && !/[\x00-\x1f]/.test(s);
const owns = (client, from) => client !== undefined && client.port === from.port && client.ip === from.address;

function event(m, from) {
  const client = clients.get(m.cuuid), id = m.euuid, priority = m.priority ?? "normal";
  if (!isId(id) || m.event_data === undefined || (priority !== "normal" && priority !== "high")) return;
  if (!owns(client, from)) return send('{"method": "BYE EVENT", "data": "Not registered"}', from.port, from.address);
  let answer = remembered(client, id);
  if (answer !== undefined) return send(answer === true ? legalText(id, "normal") : answer, from.port, from.address);
  let name, data = m.event_data;
  if (typeof data === "string") [name, data] = [data, undefined];
  else if (data !== null && typeof data === "object" && !Array.isArray(data)) {
    const keys = Object.keys(data);
    if (keys.length === 1) [name, data] = [keys[0], data[keys[0]]];
  }
  const reason = judge(client, { id, name, data, priority, time: now / 1000 });
  answer = reason === undefined
    ? legalText(id, priority)
    : `{"method": "ILLEGAL", "euuid": ${quoted(id)}, "priority": "${priority}", "reason": ${JSON.stringify(reason)}}`;
  client.young.set(id, reason === undefined && priority === "normal" ? true : answer);
  sendReliably(client, id, answer);
  if (outbox.length) commit();
}

function register(m, from) {
  let client = clients.get(m.cuuid);
  if (client === undefined) {
    client = { ip: from.address, port: from.port, waiting: new Map(), notified: new Set(), inFlight: 0, young: new Map(),
      old: new Map(), epoch, data: {} };
    clients.set(m.cuuid, client);
    everyone.push(client);
    send('{"method": "OK REGISTER"}', from.port, from.address);
    game.connect(client);
    commit();
  } else if (owns(client, from)) send('{"method": "OK REGISTER"}', from.port, from.address);
}

function confirm(m, from) {
  const client = clients.get(m.cuuid);
  if (!owns(client, from) || typeof m.euuid !== "string") return;
  if (client.waiting.has(m.euuid)) forget(client, m.euuid);
}

socket.on("message", (bytes, from) => {
  let m;
  try {
    m = JSON.parse(bytes.toString());
  } catch {
    return;
  }
  if (m === null || typeof m !== "object" || !isId(m.cuuid)) return;
  switch (m.method) {
    case "EVENT": return event(m, from);
    case "OK EVENT":
    case "OK NOTIFY": return confirm(m, from);
    case "REGISTER": return register(m, from);
  }
});

setInterval(repeatDue, 200);
socket.bind(Number(process.argv[2]), "127.0.0.1", () => process.stderr.write("ready\n"));
