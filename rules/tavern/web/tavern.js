// The page of the tavern: what rules/tavern.lua tells browsers, shown; what a person does, told to it. Nothing is judged here:
// a step appears when the rulebook has allowed it, and what it refuses is shown with its reason.
import { Joint, findJoint } from "/umpire/joint.js";
import { drawRoom, firstStep } from "./room.js";

// As rules/tavern.lua declares it.
const CHANNEL = "tavern";
const REMOTES = { 0: [["enter", "String"], ["step", "Int32", "Int32"], ["say", "String"], ["leave"]] };
const CLIENT_REMOTES = { 0: [["room", "Array<String>"], ["welcome", "String"], ["entered", "String", "String", "Int32", "Int32"],
  ["moved", "String", "Int32", "Int32"], ["said", "String", "String"], ["left", "String"], ["refused", "String", "String"]] };
const STEP_MS = 150; // between two steps while a key is held: a little slower than the rulebook allows

const $ = (id) => document.getElementById(id);
const guests = new Map(); // name -> { x, y, speaks, element, item }
let map = [];             // rows of the room
let me = null;            // our name, once we are in
let wanted = null;        // the name to come in under, again after a reconnection
let channel = null;
let joint = null;

// ---- small things ----

function hue(name) {
  let h = 7;
  for (const c of name) h = (h * 31 + c.codePointAt(0)) % 360;
  return h;
}

function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  Object.assign(element, attributes);
  element.append(...children);
  return element;
}

function svg(tag, attributes, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

function figure(name) {
  const h = hue(name);
  return svg("svg", { viewBox: "0 0 40 44", "aria-hidden": "true" },
    svg("ellipse", { cx: 20, cy: 42, rx: 13, ry: 3, fill: "rgb(0 0 0 / 35%)" }),
    svg("path", { d: "M7 42c0-13 4-20 13-20s13 7 13 20z", fill: `hsl(${h} 62% 54%)` }),
    svg("path", { d: "M20 22c9 0 13 7 13 20h-7c0-9-1-16-6-20z", fill: "rgb(0 0 0 / 16%)" }),
    svg("circle", { cx: 20, cy: 14, r: 11, fill: "#f3cfa6" }),
    svg("path", { d: "M8.6 13C8 5 14 1.6 20 1.6S32 5 31.4 13C28 8.5 13 8 8.6 13z", fill: `hsl(${h} 45% 28%)` }),
    svg("circle", { cx: 16, cy: 15, r: 1.5, fill: "#3a2418" }),
    svg("circle", { cx: 24, cy: 15, r: 1.5, fill: "#3a2418" }),
    svg("path", { d: "M16.5 19.5q3.5 2.6 7 0", fill: "none", stroke: "#3a2418", "stroke-width": 1.4, "stroke-linecap": "round" }));
}

// ---- what is shown ----

function place(guest) {
  for (const { style, classList } of [guest.element, guest.tag]) {
    style.left = `${100 * guest.x / map[0].length}%`;
    style.top = `${100 * guest.y / map.length}%`;
    style.zIndex = guest.y + 1;
    classList.toggle("left-edge", guest.x < 2);
    classList.toggle("right-edge", guest.x > map[0].length - 3);
    classList.toggle("top-edge", guest.y < 2);
    classList.toggle("bottom-edge", guest.y === map.length - 1);
  }
}

function showGuest(name, speaks, x, y) {
  forget(name);
  const element = make("div", { className: "guest" }, figure(name));
  const tag = make("div", { className: "tag" }, make("span", { className: "label", textContent: name }));
  element.dataset.name = tag.dataset.name = name;
  const dot = make("span", { className: "dot" });
  dot.style.background = `hsl(${hue(name)} 62% 54%)`;
  const item = make("li", {}, dot, make("span", { className: "name", textContent: name }), make("span", { className: "speaks", textContent: speaks }));
  const guest = { x, y, speaks, element, tag, item };
  guests.set(name, guest);
  $("guests").append(element);
  $("tags").append(tag);
  $("who").append(item);
  place(guest);
  count();
}

function forget(name) {
  const guest = guests.get(name);
  if (!guest) return;
  for (const element of [guest.element, guest.tag, guest.item]) element.remove();
  guests.delete(name);
  count();
}

function count() { $("count").textContent = guests.size; }

function mark() { // which of them is us
  for (const [name, guest] of guests) {
    for (const { classList } of [guest.element, guest.tag]) classList.toggle("me", name === me);
    guest.item.querySelector(".name").textContent = name === me ? `${name} (you)` : name;
  }
}

function bubble(name, text) {
  const guest = guests.get(name);
  if (!guest) return;
  guest.tag.querySelector(".bubble")?.remove();
  const said = make("span", { className: "bubble", textContent: text });
  guest.tag.append(said);
  guest.tag.style.zIndex = 100; // the latest word is in front
  setTimeout(() => { said.remove(); if (guests.get(name) === guest) place(guest); }, 3000 + 60 * text.length);
}

function log(...content) {
  const list = $("log");
  const atEnd = list.scrollHeight - list.scrollTop - list.clientHeight < 30; // do not pull away who reads further up
  list.append(...content);
  while (list.children.length > 200) list.firstChild.remove();
  if (atEnd) list.scrollTop = list.scrollHeight;
}

function logEvent(text) { log(make("li", { className: "event", textContent: text })); }

let noticeTimer;
function notice(text) {
  $("notice").textContent = text;
  clearTimeout(noticeTimer);
  noticeTimer = setTimeout(() => { $("notice").textContent = ""; }, 3500);
}

function showDoor(why = "") {
  const door = $("door");
  me = null;
  walk.stop();
  door.hidden = false;
  $("door-error").textContent = why;
  setTalking(false);
  mark();
  $("name").focus();
}

function setTalking(on) { for (const element of $("say").elements) element.disabled = !on; }

function setStatus(state, text) {
  $("status").dataset.state = state;
  $("status").textContent = text;
}

// ---- what the tavern tells us ----

let settled = false; // everybody who was there has been shown: who comes now is news

const calls = {
  room(rows) {
    map = rows;
    for (const name of [...guests.keys()]) forget(name);
    const { style } = $("room");
    style.setProperty("--columns", map[0].length);
    style.setProperty("--rows", map.length);
    style.aspectRatio = `${map[0].length} / ${map.length}`;
    drawRoom($("floor"), map);
    settled = false;
    setTimeout(() => { settled = true; }, 250); // they follow at once
  },
  entered(name, speaks, x, y) {
    const known = guests.has(name);
    showGuest(name, speaks, x, y);
    mark();
    if (settled && !known && name !== wanted) logEvent(`${name} has come in`);
  },
  welcome(name) {
    me = name;
    $("door").hidden = true;
    setTalking(true);
    mark();
    logEvent("you have come in");
    $("room").focus();
  },
  moved(name, x, y) {
    const guest = guests.get(name);
    if (!guest) return;
    Object.assign(guest, { x, y });
    place(guest);
    if (name === me) walk.arrived();
  },
  said(name, text) {
    const who = make("b", { textContent: name });
    who.style.color = `hsl(${hue(name)} 70% 72%)`;
    log(make("li", {}, who, text));
    bubble(name, text);
  },
  left(name) {
    forget(name);
    if (name === me) return showDoor();
    logEvent(`${name} has left`);
    return undefined;
  },
  refused(event, reason) {
    if (event === "enter") return showDoor(reason);
    walk.stop();
    notice(reason);
    const figure = guests.get(me)?.element;
    if (event !== "step" || !figure) return undefined;
    figure.classList.remove("bump");
    figure.getBoundingClientRect(); // so that the animation begins anew
    figure.classList.add("bump");
    return undefined;
  },
};

// ---- walking: one step at a time, the next when the last has been judged ----

const walk = {
  held: [],       // keys that are down, the latest last
  tapped: null,   // the step of a key that was pressed, and may be up again before its turn comes
  goal: null,     // a cell that was clicked
  waiting: false, // a step is being judged
  last: 0,
  timer: 0,

  next() {
    clearTimeout(this.timer);
    if (!me || this.waiting) return;
    const wait = this.last + STEP_MS - performance.now();
    if (wait > 0) { this.timer = setTimeout(() => this.next(), wait); return; }
    const step = this.tapped ?? this.held.at(-1)?.step ?? this.towards();
    this.tapped = null;
    if (!step || !channel.call("step", ...step)) return;
    this.last = performance.now();
    this.waiting = true;
    this.timer = setTimeout(() => { this.waiting = false; this.goal = null; }, 2000); // no answer: it was lost with the connection
  },
  towards() {
    const guest = guests.get(me);
    if (!this.goal || !guest || (guest.x === this.goal[0] && guest.y === this.goal[1])) { this.goal = null; return null; }
    const taken = (x, y) => [...guests.values()].some((g) => g !== guest && g.x === x && g.y === y);
    const step = firstStep(map, taken, [guest.x, guest.y], this.goal);
    if (!step) { this.goal = null; notice("there is no way to there"); }
    return step;
  },
  arrived() { this.waiting = false; this.next(); },
  stop() { // refused: what is held down waits for another press
    this.waiting = false;
    this.goal = this.tapped = null;
    this.held = [];
    clearTimeout(this.timer);
  },
};

const KEYS = { ArrowUp: [0, -1], ArrowRight: [1, 0], ArrowDown: [0, 1], ArrowLeft: [-1, 0], KeyW: [0, -1], KeyD: [1, 0], KeyS: [0, 1], KeyA: [-1, 0] };

document.addEventListener("keydown", (event) => {
  if (event.target.tagName === "INPUT") {
    if (event.key === "Escape") $("room").focus();
    return;
  }
  if (event.ctrlKey || event.metaKey || event.altKey || !me) return;
  const step = KEYS[event.code] ?? KEYS[event.key];
  if (event.key === "Enter" && event.target.tagName !== "BUTTON") {
    event.preventDefault();
    $("text").focus();
  } else if (step && event.target !== $("log")) {
    event.preventDefault();
    if (event.repeat) return;
    walk.held.push({ code: event.code, step });
    walk.tapped = step;
    walk.goal = null;
    walk.next();
  }
});
document.addEventListener("keyup", (event) => { walk.held = walk.held.filter(({ code }) => code !== event.code); });
window.addEventListener("blur", () => { walk.held = []; });

$("room").addEventListener("click", (event) => {
  if (!me) return;
  const { left, top, width, height } = $("room").getBoundingClientRect();
  walk.goal = [Math.floor((event.clientX - left) / width * map[0].length), Math.floor((event.clientY - top) / height * map.length)];
  walk.next();
});

// ---- coming in and talking ----

const remembered = { get: () => { try { return sessionStorage.getItem("name"); } catch { return null; } },
  set: (name) => { try { sessionStorage.setItem("name", name); } catch { /* a browser that keeps nothing */ } } };

$("door").addEventListener("submit", (event) => {
  event.preventDefault();
  const name = $("name").value.trim();
  if (!name) return;
  wanted = name;
  remembered.set(name);
  $("door-error").textContent = channel?.call("enter", name) ? "" : "not connected yet: as soon as we are";
});

$("say").addEventListener("submit", (event) => {
  event.preventDefault();
  const text = $("text").value.trim();
  if (!text) return $("room").focus();
  if (channel.call("say", text)) $("text").value = "";
  else notice("not connected: it was not said");
  return undefined;
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
    entered() { if (wanted) channel.call("enter", wanted); },
    refused(why) { fail(`The host does not let us in: ${why}. Does it run rules/tavern.lua?`); },
    gone(why) {
      walk.stop();
      setTalking(false);
      if (why === "disconnect") return; // it comes back by itself
      wanted = null;
      showDoor(why === "kick" ? "You were shown the door." : "The tavern has closed.");
      begin(); // to look in through the door, and perhaps come in again
    },
  });
}

function fail(text) {
  setStatus("failed", "no tavern");
  $("door-error").textContent = text;
}

async function start() {
  $("name").value = remembered.get() ?? "";
  try {
    const url = await findJoint();
    joint = new Joint(url, { status });
    begin();
  } catch (error) {
    fail(error.message);
  }
}

window.addEventListener("online", () => joint?.retry());
document.addEventListener("visibilitychange", () => { if (!document.hidden) joint?.retry(); });
start();
