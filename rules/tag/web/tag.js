// The page of the game of tag: the replicated state, drawn; where a person wants to run, told to rules/tag.lua. Nothing is judged
// here: one runs where the rulebook says.
import { Joint, findJoint } from "/umpire/joint.js";
import { StateCopy } from "/umpire/state.js";
import { Field, colourOf, way } from "./field.js";

// As rules/tag.lua declares it.
const CHANNEL = "tag";
const REMOTES = { 0: [["join", "String"], ["go", "Float", "Float"], ["leave"]] };
const CLIENT_REMOTES = { 0: [["state", "String"], ["welcome", "String"], ["caught", "String", "String"], ["refused", "String", "String"]] };
const GO_MS = 60; // between two changes of direction, at least: well below what the rulebook allows

const $ = (id) => document.getElementById(id);
const copy = new StateCopy();
const field = new Field($("canvas"));
let me = null;     // our id, once we are in
let wanted = null; // the name to come in under, again after a reconnection
let channel = null;
let joint = null;

export { copy, field };
export const myId = () => me;

// ---- small things ----

function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  Object.assign(element, attributes);
  element.append(...children);
  return element;
}

const players = () => copy.state.players ?? {};
const nameOf = (id) => players()[id]?.name ?? "somebody";

function news(text, mine = false) {
  const list = $("news");
  list.prepend(make("li", { textContent: text, className: mine ? "mine" : "" }));
  while (list.children.length > 30) list.lastChild.remove();
}

function setStatus(state, text) {
  $("status").dataset.state = state;
  $("status").textContent = text;
}

function showDoor(why = "") {
  me = null;
  run.stop();
  $("door").hidden = false;
  $("door-error").textContent = why;
  show();
  $("name").focus();
}

// ---- what is shown beside the field ----

function banner() {
  const { chaser_id: chaser, protection, countdown } = copy.state;
  if (!chaser) return ["nobody", "Nobody is here yet"];
  const safe = protection ? ` in ${countdown}` : "";
  if (chaser === me) {
    if (Object.keys(players()).length === 1) return ["wait", "You are it. Wait for somebody to chase!"];
    return ["it", protection ? `You are it! You may catch${safe}` : "You are it! Catch somebody"];
  }
  return [protection ? "safe" : "run", protection ? `${nameOf(chaser)} will chase${safe}` : `${nameOf(chaser)} chases${me ? ". Run!" : ""}`];
}

function show() {
  const [mood, text] = banner();
  if ($("banner").textContent !== text) $("banner").textContent = text;
  $("banner").dataset.mood = mood;
  $("field").dataset.mood = mood;
  const count = copy.state.protection ? String(copy.state.countdown) : "";
  if ($("countdown").textContent !== count) $("countdown").textContent = count;

  const rows = Object.entries(players()).sort(([a, p], [b, q]) => q.score - p.score || Number(a) - Number(b));
  $("count").textContent = rows.length;
  const key = JSON.stringify([rows.map(([id, p]) => [id, p.name, p.score]), copy.state.chaser_id, me]);
  if (key === show.key) return;
  show.key = key;
  $("who").replaceChildren(...rows.map(([id, player]) => {
    const dot = make("span", { className: "dot" });
    dot.style.background = id === copy.state.chaser_id ? "" : colourOf(id);
    const item = make("li", { className: id === copy.state.chaser_id ? "chaser" : "" }, dot,
      make("span", { className: "name", textContent: id === me ? `${player.name} (you)` : player.name }),
      make("span", { className: "score", textContent: player.score }));
    item.dataset.name = player.name;
    return item;
  }));
}

// ---- what the game tells us ----

const calls = {
  state(text) {
    const before = { ...players() }, first = copy.time === null;
    copy.take(JSON.parse(text));
    if (!first) {
      for (const [id, { name }] of Object.entries(players())) if (!before[id]) news(`${name} has come`);
      for (const [id, { name }] of Object.entries(before)) if (!players()[id]) news(`${name} has left`);
    }
    if (me && !players()[me] && before[me]) showDoor();
    show();
  },
  welcome(id) {
    me = id;
    $("door").hidden = true;
    show();
    $("field").focus();
  },
  caught(id, by) {
    field.flash(id);
    news(id === me ? `${nameOf(by)} has caught you` : by === me ? `You have caught ${nameOf(id)}` : `${nameOf(by)} has caught ${nameOf(id)}`,
      id === me || by === me);
    if (id === me) navigator.vibrate?.(120);
  },
  refused(event, reason) {
    if (event === "join") showDoor(reason);
  },
};

// ---- running: keys, a mouse that is held, a finger that pulls ----

const KEYS = { ArrowUp: [0, -1], ArrowRight: [1, 0], ArrowDown: [0, 1], ArrowLeft: [-1, 0], KeyW: [0, -1], KeyD: [1, 0], KeyS: [0, 1], KeyA: [-1, 0] };

const run = {
  held: new Map(),  // code -> direction
  pointer: null,    // { id, touch, x0, y0, x, y } in CSS pixels of the field
  sent: [0, 0],
  at: 0,

  wish() {
    let [x, y] = [0, 0];
    for (const [dx, dy] of this.held.values()) { x += dx; y += dy; }
    if (x || y) return [x, y];
    if (!this.pointer) return [0, 0];
    if (this.pointer.touch) {
      [x, y] = [this.pointer.x - this.pointer.x0, this.pointer.y - this.pointer.y0];
      return Math.hypot(x, y) < 8 ? [0, 0] : [x, y];
    }
    const mine = field.placeOf(me), { clientWidth, clientHeight } = $("canvas");
    if (!mine) return [0, 0];
    x = way(mine.x, this.pointer.x / clientWidth * field.size[0], field.size[0]);
    y = way(mine.y, this.pointer.y / clientHeight * field.size[1], field.size[1]);
    return Math.hypot(x, y) < 5 ? [0, 0] : [x, y];
  },

  // In eighths of a right angle: a hand that trembles is no news.
  direction() {
    const [x, y] = this.wish();
    if (!x && !y) return [0, 0];
    const angle = Math.round(Math.atan2(y, x) / (Math.PI / 16)) * (Math.PI / 16);
    return [Math.cos(angle), Math.sin(angle)];
  },

  tell(now) {
    if (!me || now - this.at < GO_MS) return;
    const [x, y] = this.direction();
    if (Math.abs(x - this.sent[0]) + Math.abs(y - this.sent[1]) < 1e-6) return;
    if (channel.call("go", x, y)) { this.sent = [x, y]; this.at = now; }
  },

  stop() {
    this.held.clear();
    this.pointer = null;
    this.sent = [0, 0];
  },
};

document.addEventListener("keydown", (event) => {
  if (event.target.tagName === "INPUT" || event.ctrlKey || event.metaKey || event.altKey || !me) return;
  const direction = KEYS[event.code] ?? KEYS[event.key];
  if (!direction) return;
  event.preventDefault();
  run.held.set(event.code, direction);
});
document.addEventListener("keyup", (event) => run.held.delete(event.code));
window.addEventListener("blur", () => { run.held.clear(); run.pointer = null; });

const place = (event) => {
  const { left, top } = $("field").getBoundingClientRect();
  return { x: event.clientX - left, y: event.clientY - top };
};
$("field").addEventListener("pointerdown", (event) => {
  if (!me || run.pointer) return;
  const { x, y } = place(event);
  run.pointer = { id: event.pointerId, touch: event.pointerType !== "mouse", x0: x, y0: y, x, y };
  $("field").setPointerCapture?.(event.pointerId);
});
$("field").addEventListener("pointermove", (event) => {
  const p = run.pointer;
  if (p?.id !== event.pointerId) return;
  Object.assign(p, place(event));
  const far = Math.hypot(p.x - p.x0, p.y - p.y0);
  if (p.touch && far > 44) { p.x0 += (p.x - p.x0) * (far - 44) / far; p.y0 += (p.y - p.y0) * (far - 44) / far; } // the stick follows
});
for (const end of ["pointerup", "pointercancel"]) {
  $("field").addEventListener(end, (event) => { if (run.pointer?.id === event.pointerId) run.pointer = null; });
}

function frame(now) {
  run.tell(now);
  field.draw(copy.state, me, run.pointer?.touch ? run.pointer : null, now);
  requestAnimationFrame(frame);
}

// ---- coming in ----

const remembered = { get: () => { try { return sessionStorage.getItem("name"); } catch { return null; } },
  set: (name) => { try { sessionStorage.setItem("name", name); } catch { /* a browser that keeps nothing */ } } };

$("door").addEventListener("submit", (event) => {
  event.preventDefault();
  const name = $("name").value.trim();
  if (!name) return;
  wanted = name;
  remembered.set(name);
  $("door-error").textContent = channel?.call("join", name) ? "" : "not connected yet: as soon as we are";
});

// ---- the connection ----

function status(state, why) {
  if (state === "open") setStatus("open", "connected");
  else if (state === "connecting") setStatus("connecting", "connecting …");
  else if (state === "lost") setStatus("lost", why ? `connection lost (${why}), trying again …` : "connection lost, trying again …");
}

function begin() {
  channel = joint.enter(CHANNEL, {
    remotes: REMOTES,
    clientRemotes: CLIENT_REMOTES,
    calls,
    entered() { copy.reset(); me = null; run.sent = [0, 0]; if (wanted) channel.call("join", wanted); },
    refused(why) { fail(`The host does not let us in: ${why}. Does it run rules/tag.lua?`); },
    gone(why) {
      run.stop();
      if (why === "disconnect") return; // it comes back by itself
      wanted = null;
      showDoor(why === "kick" ? "You were sent off the field." : "The game is over.");
      begin(); // to watch, and perhaps come in again
    },
  });
}

function fail(text) {
  setStatus("failed", "no game");
  $("door-error").textContent = text;
}

async function start() {
  $("name").value = remembered.get() ?? "";
  $("name").focus();
  requestAnimationFrame(frame);
  show();
  try {
    joint = new Joint(await findJoint(), { status });
    begin();
  } catch (error) {
    fail(error.message);
  }
}

window.addEventListener("online", () => joint?.retry());
document.addEventListener("visibilitychange", () => { if (!document.hidden) joint?.retry(); });
start();
