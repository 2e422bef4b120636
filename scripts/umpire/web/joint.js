// A client of the joint protocol for browsers: channels over one WebSocket, and calls of the procedures that a channel's
// owner offers. Every host that serves pages serves it; it has no dependencies.
//
//   import { Joint } from "/umpire/joint.js";
//
//   const joint = new Joint("ws://127.0.0.1:7680", { status: (state) => console.log(state) });
//   const room = joint.enter("tavern", {
//     remotes: { 0: [["say", "String"]] },                      // what the owner offers, as in the rulebook
//     clientRemotes: { 0: [["said", "String", "String"]] },     // what we offer
//     calls: { said: (name, text) => console.log(name, text) }, // called by the owner
//     entered: () => room.call("say", "hello"),                 // after every (re)connection
//     refused: (why) => console.log("cannot enter:", why),      // there is no such channel, it is full, ...
//     gone: (why) => console.log("the channel is gone:", why),  // "disconnect", "close" or "kick"
//   });
//
// A lost connection is made again, after 0.5 s at first and 8 s at most, and its channels are entered again; what was sent
// meanwhile is lost. joint.close() is for good. Besides "rpc" a channel's mode may be "chunk" (whole pieces of bytes, as
// Uint8Array: chunk(bytes) is called, room.send(bytes) sends) or "data" (bytes, cut anywhere: data(bytes)).
//
// Types of parameters: Bool, Byte, UInt16, Int16, Int32, Int, Float, Double, String, Bytes, Array<...>, List<...>,
// Vector<...>, Map<..., ...>, IntMap<...>, StringMap<...>.

const ENTER = 1, LEAVE = 2;
const MOST_DATA = 32765; // bytes in one frame
const ENTER_ERRORS = { 1: "there is no such channel", 2: "the channel is one's own", 3: "entered already", 4: "the channel is full",
  5: "too many channels" };
const REASONS = ["disconnect", "close", "kick"];

// ---- bytes ----

class Writer {
  #bytes = new Uint8Array(64);
  #n = 0;

  #room(n) {
    if (this.#n + n > this.#bytes.length) {
      const more = new Uint8Array(Math.max(2 * this.#bytes.length, this.#n + n));
      more.set(this.#bytes);
      this.#bytes = more;
    }
    this.#n += n;
    return this.#n - n;
  }

  byte(value) {
    const at = this.#room(1); // first: it may be another array afterwards
    this.#bytes[at] = value;
    return this;
  }

  bytes(more) {
    const at = this.#room(more.length);
    this.#bytes.set(more, at);
    return this;
  }

  // method: of DataView. All numbers of calls are little-endian.
  number(method, size, value) {
    const at = this.#room(size);
    new DataView(this.#bytes.buffer)[method](at, value, true);
    return this;
  }

  // The size of a String, of Bytes or of a container: three bytes of 7 bits, then one of 8.
  size(n) {
    for (let i = 0; i < 3; i++) {
      if (n < 128) return this.byte(n);
      this.byte(0x80 | n & 0x7f);
      n >>>= 7;
    }
    return this.byte(n);
  }

  done() { return this.#bytes.subarray(0, this.#n); }
}

class Reader {
  #bytes; #view; #at = 0;

  constructor(bytes) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  }

  get left() { return this.#bytes.length - this.#at; }

  byte() { return this.number("getUint8", 1); }

  bytes(n) {
    if (n > this.left) throw new RangeError("cut short");
    this.#at += n;
    return this.#bytes.slice(this.#at - n, this.#at);
  }

  number(method, size) {
    const value = this.#view[method](this.#at, true); // raises a RangeError of its own
    this.#at += size;
    return value;
  }

  size() {
    let value = 0;
    for (let i = 0; ; i++) {
      const byte = this.byte();
      const last = i === 3 || byte < 128;
      value |= (last ? byte : byte & 0x7f) << 7 * i;
      if (last) return value;
    }
  }
}

// ---- calls ----

const text = { out: new TextEncoder(), in: new TextDecoder("utf-8", { fatal: true }) };

const number = (method, size) => ({
  write: (w, v) => w.number("set" + method, size, v),
  read: (r) => r.number("get" + method, size),
});

const simple = {
  Bool: { write: (w, v) => w.byte(v ? 1 : 0), read: (r) => r.byte() !== 0 },
  Byte: number("Uint8", 1), UInt16: number("Uint16", 2), Int16: number("Int16", 2), Int32: number("Int32", 4),
  Int: number("Int32", 4), Float: number("Float32", 4), Double: number("Float64", 8),
  Bytes: { write: (w, v) => w.size(v.length).bytes(v), read: (r) => r.bytes(r.size()) },
  String: {
    write: (w, v) => { const bytes = text.out.encode(v); w.size(bytes.length).bytes(bytes); },
    read: (r) => text.in.decode(r.bytes(r.size())),
  },
};

const list = (inner) => ({
  write: (w, v) => { w.size(v.length); for (const item of v) inner.write(w, item); },
  read: (r) => { // a size is believed only as far as there are bytes
    const out = [];
    for (let n = r.size(); n > 0; n--) out.push(inner.read(r));
    return out;
  },
});

const map = (key, value) => ({
  write: (w, v) => { w.size(v.size); for (const [k, item] of v) { key.write(w, k); value.write(w, item); } },
  read: (r) => {
    const out = new Map();
    for (let n = r.size(); n > 0; n--) { const k = key.read(r); out.set(k, value.read(r)); }
    return out;
  },
});

// "Map<String, Array<Int32>>" -> { read, write }
function parseType(name) {
  const [, outer, inner] = /^\s*(\w+)\s*(?:<(.*)>)?\s*$/s.exec(name) ?? [];
  if (outer in simple && inner === undefined) return simple[outer];
  if (inner !== undefined && ["Array", "List", "Vector"].includes(outer)) return list(parseType(inner));
  if (inner !== undefined && outer === "IntMap") return map(simple.Int32, parseType(inner));
  if (inner !== undefined && outer === "StringMap") return map(simple.String, parseType(inner));
  const comma = inner?.indexOf(",") ?? -1; // a key is never a container
  if (outer === "Map" && comma > 0) return map(parseType(inner.slice(0, comma)), parseType(inner.slice(comma + 1)));
  throw new TypeError(`no such type: ${name}`);
}

// { 0: [["say", "String"]] } -> by name: { object, number, types }; by numbers: objects[0][0]
function parseRemotes(remotes = {}) {
  const names = new Map(), objects = new Map();
  for (const [object, procedures] of Object.entries(remotes)) {
    objects.set(Number(object), procedures.map(([name, ...types], number) => {
      const procedure = { name, object: Number(object), number, types: types.map(parseType) };
      names.set(name, procedure);
      return procedure;
    }));
  }
  return { names, objects };
}

// ---- channels ----

class Channel {
  constructor(joint, id, options) {
    this.id = id;
    this.number = null; // while we are in it
    this.joint = joint;
    this.options = { mode: "rpc", maxChunk: 32768, ...options };
    this.theirs = parseRemotes(options.remotes);
    this.ours = parseRemotes(options.clientRemotes);
    this.width = 1; // bytes of a chunk's size, at most
    for (let most = 256; this.width < 5 && this.options.maxChunk > most; this.width++) most <<= 7;
    this.reset();
  }

  reset() {
    this.number = null;
    this.waiting = new Uint8Array(0);
  }

  /** Calls a procedure of the owner's. False: we are not in the channel now. */
  call(name, ...parameters) {
    const procedure = this.theirs.names.get(name);
    if (!procedure) throw new TypeError(`${this.id} has no procedure ${name}`);
    const w = new Writer().byte(procedure.object).byte(procedure.number);
    procedure.types.forEach((type, i) => type.write(w, parameters[i]));
    return this.send(w.done());
  }

  /** Sends bytes: a chunk, or in data mode the bytes as they are. False: we are not in the channel now. */
  send(bytes) {
    if (this.number === null) return false;
    const w = new Writer();
    if (this.options.mode !== "data") {
      let n = bytes.length - 1, left = this.width;
      while (--left > 0 && n > 127) { w.byte(0x80 | n & 0x7f); n >>>= 7; }
      w.byte(n);
    }
    const all = w.bytes(bytes).done();
    for (let at = 0; at < all.length; at += MOST_DATA) this.joint.sendData(this.number, all.subarray(at, at + MOST_DATA));
    return true;
  }

  /** Leaves for good: it is not entered again after a reconnection. */
  leave() { this.joint.leave(this); }

  tell(what, ...parameters) { this.options[what]?.(...parameters); }

  entered(number) {
    this.number = number;
    if (this.options.mode === "rpc") for (const object of this.ours.objects.keys()) this.send(Uint8Array.of(object));
    this.tell("entered");
  }

  hear(data) {
    if (this.options.mode === "data") return this.tell("data", data);
    const all = new Uint8Array(this.waiting.length + data.length);
    all.set(this.waiting);
    all.set(data, this.waiting.length);
    let at = 0;
    for (;;) {
      let n = 0, i = 0, last = false;
      for (; !last && i < this.width && at + i < all.length; i++) {
        const byte = all[at + i];
        last = i + 1 === this.width || byte < 128;
        n |= (last ? byte : byte & 0x7f) << 7 * i;
      }
      if (!last || all.length - at - i < n + 1) break; // a size is one less than what it counts
      const chunk = all.subarray(at + i, at + i + n + 1);
      at += i + n + 1;
      if (this.options.mode === "rpc") this.called(chunk);
      else this.tell("chunk", chunk.slice());
      if (this.number === null) return undefined; // it was left meanwhile
    }
    this.waiting = all.slice(at);
    return undefined;
  }

  called(chunk) {
    if (chunk.length === 1) return; // the owner offers an object: we know that
    const procedure = this.ours.objects.get(chunk[0])?.[chunk[1]];
    const r = new Reader(chunk.subarray(2));
    try {
      if (!procedure) throw new TypeError("no such procedure");
      const parameters = procedure.types.map((type) => type.read(r));
      if (r.left) throw new RangeError("bytes remain");
      this.options.calls?.[procedure.name]?.(...parameters);
    } catch (error) {
      console.error(`joint: a call in ${this.id} was dropped:`, error);
    }
  }
}

// ---- the connection ----

export class Joint {
  #socket = null;
  #channels = new Set();
  #asked = new Map();    // nr -> channel
  #byNumber = new Map(); // number -> channel
  #in = new Uint8Array(0);
  #nr = 0;
  #closed = false;
  #tries = 0;
  #timer;
  #status;

  /** status(state, why): "connecting", "open", "lost" (it will be tried again), "closed". */
  constructor(url, { status = () => {} } = {}) {
    this.url = url;
    this.#status = status;
    this.#connect();
  }

  /** Enters a channel, now and after every reconnection. options: see the head of this file. */
  enter(id, options = {}) {
    const channel = new Channel(this, id, options);
    this.#channels.add(channel);
    if (this.#socket?.readyState === WebSocket.OPEN) this.#ask(channel);
    return channel;
  }

  leave(channel) {
    this.#channels.delete(channel);
    for (const [nr, asked] of this.#asked) if (asked === channel) this.#asked.set(nr, null); // left as soon as it is entered
    if (channel.number !== null) this.#out(0, LEAVE, 0, 1, channel.number);
    this.#byNumber.delete(channel.number);
    channel.reset();
  }

  /** Tries again now, instead of when the time has come. */
  retry() {
    if (this.#closed || this.#socket) return;
    clearTimeout(this.#timer);
    this.#connect();
  }

  close() {
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#socket?.close(1000);
    if (!this.#socket) this.#status("closed");
  }

  sendData(number, data) {
    const n = data.length + 1;
    const w = new Writer();
    if (n < 128 && n > 1) w.byte(n);
    else w.byte(0x80 | n >> 8).byte(n & 0xff);
    this.#send(w.byte(number).bytes(data).done());
  }

  #send(bytes) { if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(bytes); }
  #out(...bytes) { this.#send(Uint8Array.from(bytes)); }

  #connect() {
    this.#status("connecting");
    let socket;
    try {
      socket = new WebSocket(this.url);
    } catch (error) {
      this.#lost(null, error.message);
      return;
    }
    this.#socket = socket;
    socket.binaryType = "arraybuffer";
    socket.onopen = () => {
      this.#tries = 0;
      this.#in = new Uint8Array(0);
      this.#status("open");
      for (const channel of this.#channels) this.#ask(channel);
    };
    socket.onmessage = (event) => {
      if (this.#socket === socket && event.data instanceof ArrayBuffer) this.#hear(new Uint8Array(event.data));
    };
    socket.onclose = (event) => this.#lost(socket, event.reason || (event.code === 1006 ? "" : `code ${event.code}`));
  }

  #lost(socket, why) {
    if (this.#socket !== socket) return;
    this.#socket = null;
    this.#asked.clear();
    this.#byNumber.clear();
    for (const channel of this.#channels) {
      const was = channel.number !== null;
      channel.reset();
      if (was) channel.tell("gone", "disconnect");
    }
    if (this.#closed) return this.#status("closed", why);
    this.#status("lost", why);
    const wait = Math.min(8000, 500 * 2 ** this.#tries++) * (0.75 + Math.random() / 2); // not everybody at once
    this.#timer = setTimeout(() => this.#connect(), wait);
    return undefined;
  }

  #ask(channel) {
    const id = text.out.encode(channel.id);
    if (id.length < 1 || id.length > 255) throw new RangeError("a channel's name has 1 to 255 bytes");
    this.#nr = this.#nr % 255 + 1;
    this.#asked.set(this.#nr, channel);
    this.#out(0, ENTER, this.#nr, id.length, ...id);
  }

  // Frames, whatever pieces they come in.
  #hear(bytes) {
    const all = new Uint8Array(this.#in.length + bytes.length);
    all.set(this.#in);
    all.set(bytes, this.#in.length);
    let at = 0;
    for (;;) {
      const left = all.length - at;
      if (left < 2) break;
      const command = all[at] === 0, long = all[at] >= 128;
      const head = command || long ? 2 : 1;
      const n = command ? all[at + 1] : long ? (all[at] & 0x7f) << 8 | all[at + 1] : all[at];
      if (left < head + n) break;
      const body = all.subarray(at + head, at + head + n);
      at += head + n;
      if (command) this.#command(body);
      else if (n > 1) this.#byNumber.get(body[0])?.hear(body.subarray(1));
    }
    this.#in = all.slice(at);
  }

  #command([nr, what, value, reason]) {
    if (nr !== 0) return this.#answer(nr, what, value);
    const channel = what === 2 ? this.#byNumber.get(value) : undefined; // 255 is a keep-alive
    if (!channel) return undefined;
    this.#byNumber.delete(value);
    channel.reset();
    this.#channels.delete(channel); // who was sent away does not come back by himself
    channel.tell("gone", REASONS[reason] ?? "close");
    return undefined;
  }

  #answer(nr, failed, value) {
    const channel = this.#asked.get(nr);
    if (channel === undefined) return;
    this.#asked.delete(nr);
    if (failed) {
      if (channel) this.#channels.delete(channel);
      channel?.tell("refused", ENTER_ERRORS[value] ?? `code ${value}`);
    } else if (channel) {
      this.#byNumber.set(value, channel);
      channel.entered(value);
    } else {
      this.#out(0, LEAVE, 0, 1, value);
    }
  }
}

/** Where the host that has served this page speaks the joint protocol: "ws://host:7680". Raises an Error with words for people. */
export async function findJoint() {
  const answer = await fetch("/umpire.json").catch(() => null);
  if (!answer?.ok) throw new Error("The host that served this page does not answer.");
  const { joint: [first] = [] } = await answer.json();
  if (!first) throw new Error("This host does not speak the joint protocol: start it with --listen joint://0.0.0.0:7680");
  return `${first.scheme}://${location.hostname}:${first.port}`;
}
