// The joint client for pages (/umpire/joint.js) against the real host: every type of parameter, long calls, chunks and
// bytes, refusals, and a rulebook that closes its channels.
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, writeFileSync } from "node:fs";
import { close, open, test, until } from "./harness.mjs";

const ALL = `"Bool", "Byte", "UInt16", "Int16", "Int32", "Float", "Double", "String", "Bytes", "Array<Int32>", "List<String>",
  "Map<String, Array<Int16>>", "IntMap<Bool>"`;

const BOOK = `local host = require "umpire"
local book = { api = 1, channels = {
  echo = { mode = "rpc", max_chunk = 200000,
    remotes = { [7] = { { "all", ${ALL} }, { "text", "String" }, { "nothing" } } },
    client_remotes = { [9] = { { "text", "String" }, { "all", ${ALL} }, { "nothing" }, { "refused", "String", "String" } } } },
  lobby = { mode = "chunk" }, raw = { mode = "data" }, small = { mode = "chunk", max_chunk = 200, max_users = 1 },
} }
function book.legal(_, event) return event.data[1] ~= "no", "that is no word" end
function book.execute(client, event)
  if event.name == "text" and event.data[1] == "out" then return host.kick(client, "asked for it") end
  if event.name == "chunk" or event.name == "data" then host.notify(client, nil, event.data) else host.notify(client, event.name, event.data) end
end
return book
`;

// A rulebook whose page is nothing but the client.
function place() {
  const folder = mkdtempSync("/tmp/umpire-joint-");
  mkdirSync(`${folder}/echo/web`, { recursive: true });
  writeFileSync(`${folder}/echo.lua`, BOOK);
  writeFileSync(`${folder}/echo/web/index.html`, "<!doctype html><title>echo</title><link rel=icon href=/umpire/joint.js>");
  return { rulebook: `${folder}/echo.lua`, listen: ["joint://127.0.0.1:0"] };
}

// In the page: a client in `window.joint`, whose channels write down what they are told in `window.heard`.
async function begin(web) {
  const page = await open(web);
  await page.evaluate(async () => {
    const { Joint, findJoint } = await import("/umpire/joint.js");
    const states = [];
    const joint = new Joint(await findJoint(), { status: (state) => states.push(state) });
    const heard = [];
    const enter = (id, options) => {
      const calls = Object.fromEntries(["all", "text", "nothing", "refused"].map((name) => [name, (...p) => heard.push([name, ...p])]));
      return joint.enter(id, { ...options, calls, entered: () => heard.push(["entered", id]), refused: (why) => heard.push(["cannot", id, why]),
        gone: (why) => heard.push(["gone", id, why]), chunk: (bytes) => heard.push(["chunk", ...bytes]),
        data: (bytes) => heard.push(["data", ...bytes]) });
    };
    Object.assign(window, { joint, heard, states, enter });
  });
  return page;
}

const heard = (page, test_) => until(String(test_), () => page.evaluate(`window.heard.find(${test_})`));

const ECHO = `{ maxChunk: 200000,
  remotes: { 7: [["all", ${ALL}], ["text", "String"], ["nothing"]] },
  clientRemotes: { 9: [["text", "String"], ["all", ${ALL}], ["nothing"], ["refused", "String", "String"]] } }`;

await test("joint.js: every type of parameter comes back as it went", place(), async ({ web }) => {
  const page = await begin(web);
  await page.evaluate(`window.room = enter("echo", ${ECHO})`);
  await heard(page, `(h) => h[0] === "entered"`);
  await page.evaluate(() => window.room.call("all", true, 255, 65535, -32768, -2147483648, 0.5, Math.PI, "Grüße, 🍺", Uint8Array.of(0, 128, 255),
    [1, -1, 2147483647], ["", "a", "b".repeat(200)], new Map([["x", [1, -2]], ["", []]]), new Map([[-5, true], [70000, false]])));
  const back = await until("all came back", () => page.evaluate(() => {
    const all = window.heard.find(([name]) => name === "all");
    return all && JSON.stringify(all, (_, v) => (v instanceof Map ? { map: [...v].sort() } : v instanceof Uint8Array ? { bytes: [...v] } : v));
  }));
  assert.deepEqual(JSON.parse(back), ["all", true, 255, 65535, -32768, -2147483648, 0.5, Math.PI, "Grüße, 🍺", { bytes: [0, 128, 255] },
    [1, -1, 2147483647], ["", "a", "b".repeat(200)], { map: [["", []], ["x", [1, -2]]] }, { map: [[-5, true], [70000, false]] }]);
  await page.evaluate(() => window.room.call("nothing"));
  await heard(page, `(h) => h[0] === "nothing" && h.length === 1`);
  for (const n of [0, 1, 125, 127, 128, 16383, 16384, 32763, 32764, 32765, 32766, 65530, 190000]) {
    await page.evaluate((size) => window.room.call("text", "z".repeat(size)), n);
    await heard(page, `(h) => h[0] === "text" && h[1] === "z".repeat(${n})`);
  }
  await close(page);
});

await test("joint.js: what is refused, who is kicked, what cannot be entered", place(), async ({ web }) => {
  const page = await begin(web), other = await begin(web);
  await page.evaluate(`window.room = enter("echo", ${ECHO}); enter("nowhere"); enter("echo", ${ECHO}); enter("small", { mode: "chunk", maxChunk: 200 })`);
  await heard(page, `(h) => h.join() === "cannot,nowhere,there is no such channel"`);
  await heard(page, `(h) => h.join() === "cannot,echo,entered already"`);
  await heard(page, `(h) => h.join() === "entered,small"`);
  await other.evaluate(() => window.enter("small", { mode: "chunk", maxChunk: 200 }));
  await heard(other, `(h) => h.join() === "cannot,small,the channel is full"`);
  await page.evaluate(() => window.room.call("text", "no"));
  await heard(page, `(h) => h.join() === "refused,text,that is no word"`);
  await page.evaluate(() => window.room.call("text", "out"));
  await heard(page, `(h) => h.join() === "gone,echo,kick"`);
  assert.equal(await page.evaluate(() => window.room.call("text", "anybody there?")), false);
  await close(page, other);
});

await test("joint.js: chunks are whole and bytes are in order, however long", place(), async ({ web }) => {
  const page = await begin(web);
  await page.evaluate(() => {
    window.lobby = window.enter("lobby", { mode: "chunk" });
    window.raw = window.enter("raw", { mode: "data" });
  });
  await heard(page, `(h) => h.join() === "entered,raw"`);
  for (const n of [1, 128, 129, 32764, 32765, 32768]) {
    await page.evaluate((size) => window.lobby.send(new Uint8Array(size).map((_, i) => i)), n);
    await heard(page, `(h) => h[0] === "chunk" && h.length === ${n} + 1 && h.every((b, i) => i === 0 || b === (i - 1) % 256)`);
  }
  await page.evaluate(() => window.raw.send(new Uint8Array(100000).map((_, i) => i % 251)));
  await until("all bytes came", () => page.evaluate(() => window.heard.filter(([name]) => name === "data").reduce((n, h) => n + h.length - 1, 0) === 100000));
  assert.ok(await page.evaluate(() => window.heard.filter(([name]) => name === "data").flatMap((h) => h.slice(1)).every((b, i) => b === i % 251)));
  await page.evaluate(() => { window.lobby.leave(); window.raw.leave(); window.enter("raw", { mode: "data" }); });
  await until("it was entered again", () => page.evaluate(() => window.heard.filter((h) => h.join() === "entered,raw").length === 2));
  await page.evaluate(() => window.joint.close());
  await until("it is closed", () => page.evaluate(() => window.states.at(-1) === "closed"));
  await close(page);
});
