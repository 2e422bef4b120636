// The page of the game of tag against the real host: two people in two pages, one of whom is caught.
import assert from "node:assert/strict";
import { close, open, PHONE, shoot, test, until } from "./harness.mjs";
import { startHost } from "./host.mjs";

const TAG = { rulebook: "rules/tag.lua", listen: ["pygase", "neteria", "joint"].map((s) => `${s}://127.0.0.1:0`) };
const DESK = { viewport: { width: 1280, height: 800 } };

async function join(page, name) {
  await page.getByLabel("What shall we call you?").fill(name);
  await page.getByRole("button", { name: "Play" }).click();
}

async function play(url, name, options = DESK) {
  const page = await open(url, options);
  await join(page, name);
  await page.locator(`#who li[data-name="${name}"]`).waitFor();
  await until(`${name} is in`, () => page.evaluate(async () => (await import("/tag.js")).myId() !== null));
  return page;
}

// The replicated state as a page has it, and the place of a player by name.
const stateOf = (page) => page.evaluate(async () => structuredClone((await import("/tag.js")).copy.state));
const placeOf = async (page, name) => Object.values((await stateOf(page)).players).find((p) => p.name === name)?.position;
const banner = (page) => page.locator("#banner");

// Where a place of the field is on the page.
async function pixels(page, [x, y]) {
  const box = await page.locator("#field").boundingBox();
  return [box.x + x * box.width / 640, box.y + y * box.height / 420];
}

// Runs to where somebody stands, the mouse button held, until done() is true.
async function runTo(page, name, done) {
  await page.mouse.move(...await pixels(page, await placeOf(page, name)));
  await page.mouse.down();
  await until(`${name} is reached`, done);
  await page.mouse.up();
}

await test("the page asks for a name, and shows the field meanwhile", TAG, async ({ web }) => {
  const page = await open(web, DESK);
  await page.getByText("connected", { exact: true }).waitFor();
  await banner(page).getByText("Nobody is here yet").waitFor();
  assert.ok(await page.getByLabel("What shall we call you?").isVisible());
  await shoot(page, "tag-1-door");
  await close(page);
});

await test("the copy of the state follows notifies in any order, and removes what is removed", TAG, async ({ web }) => {
  const page = await open(web, DESK);
  const seen = await page.evaluate(async () => {
    const { StateCopy } = await import("/umpire/state.js");
    const copy = new StateCopy(), out = [];
    const take = (notify) => out.push([copy.take(notify), copy.time, JSON.stringify(copy.state)]);
    take({ time: 7, since: 5, patch: { late: 1 }, removed: [] }); // before anything
    take({ time: 5, full: true, state: { a: { b: 1, c: [1, 2] }, d: 2 } });
    take({ time: 9, since: 8, patch: { a: { e: 3 } }, removed: [["late"], ["no", "such", "path"]] });
    take({ time: 8, since: 7, patch: { a: { c: [3] }, d: { x: 1 } }, removed: [["a", "b"]] });
    take({ time: 8, since: 7, patch: { a: "twice" }, removed: [] });
    take({ time: 4, full: true, state: {} }); // older
    take({ time: 20, full: true, state: { z: 1 } });
    return out;
  });
  assert.deepEqual(seen, [
    [false, null, "{}"],
    [true, 7, '{"a":{"b":1,"c":[1,2]},"d":2,"late":1}'],
    [false, 7, '{"a":{"b":1,"c":[1,2]},"d":2,"late":1}'],
    [true, 9, '{"a":{"c":[3],"e":3},"d":{"x":1}}'],
    [false, 9, '{"a":{"c":[3],"e":3},"d":{"x":1}}'],
    [false, 9, '{"a":{"c":[3],"e":3},"d":{"x":1}}'],
    [true, 20, '{"z":1}'],
  ]);
  await close(page);
});

await test("two pages see each other run, by keys and over the edge", TAG, async ({ web }) => {
  const ann = await play(web, "ann");
  await banner(ann).getByText("Wait for somebody to chase").waitFor();
  const bob = await play(web, "bob");
  await banner(bob).getByText("ann chases. Run!").waitFor();
  await banner(ann).getByText("Catch somebody").waitFor();
  const [x, y] = await placeOf(ann, "bob");
  await bob.keyboard.down("ArrowUp");
  await until("bob has run up", async () => (await placeOf(ann, "bob"))[1] !== y);
  await bob.keyboard.down("ArrowLeft");
  await until("and to the left", async () => (await placeOf(ann, "bob"))[0] !== x);
  await bob.keyboard.up("ArrowLeft");
  let last = y;
  await until("he has come in again below", async () => { // up, over the edge
    const [, now] = await placeOf(ann, "bob");
    const came = now > last + 200;
    last = now;
    return came;
  });
  await bob.keyboard.up("ArrowUp");
  let before = "";
  await until("he stands, for both in the same place", async () => {
    const [a, b] = [String(await placeOf(ann, "bob")), String(await placeOf(bob, "bob"))];
    const stands = a === b && a === before;
    before = a;
    return stands;
  });
  await close(ann, bob);
});

await test("who is caught chases, after a count-down, and all see it", TAG, async ({ web }) => {
  const ann = await play(web, "ann"), bob = await play(web, "bob");
  const eve = await open(web, DESK); // who only watches: nobody stands in the way
  const chases = (page, name) => page.locator(`#who li.chaser[data-name="${name}"]`);
  await runTo(ann, "bob", async () => (await chases(ann, "bob").count()) === 1);
  await banner(bob).getByText(/You are it! You may catch in \d/).waitFor();
  await banner(ann).getByText(/bob will chase in \d/).waitFor();
  assert.match(await eve.locator("#countdown").innerText(), /^[1-5]$/);
  await shoot(bob, "tag-2-caught");
  await bob.locator("#news").getByText("ann has caught you").waitFor();
  await ann.locator("#news").getByText("You have caught bob").waitFor();
  await eve.locator("#news").getByText("ann has caught bob").waitFor();
  for (const page of [ann, bob, eve]) {
    await chases(page, "bob").waitFor();
    assert.equal(await page.locator("#who li.chaser").count(), 1);
  }
  assert.match(await ann.locator("#who li").first().innerText(), /ann \(you\)\s+1/);
  for (const key of ["ArrowUp", "ArrowRight"]) await ann.keyboard.down(key); // away, or she is caught as soon as that is allowed
  await banner(bob).getByText("Catch somebody").waitFor();
  assert.equal(await eve.locator("#countdown").innerText(), "");
  await shoot(eve, "tag-3-chased");
  for (const key of ["ArrowUp", "ArrowRight"]) await ann.keyboard.up(key);
  await close(bob); // the chaser leaves: another is drawn
  await chases(eve, "ann").waitFor();
  await ann.locator("#news").getByText("bob has left").waitFor();
  assert.equal(await ann.locator("#who li").count(), 1);
  await close(ann, eve);
});

await test("a name that is taken is refused at the door", TAG, async ({ web }) => {
  const ann = await play(web, "ann"), other = await open(web, DESK);
  await join(other, "Ann");
  await other.getByText("ann is playing already").waitFor();
  await join(other, "anna");
  await ann.locator('#who li[data-name="anna"]').waitFor();
  await close(ann, other);
});

await test("it fits a phone, and a finger that pulls runs", TAG, async ({ web }) => {
  const ann = await play(web, "ann"), bob = await play(web, "bob", PHONE);
  const [, y] = await placeOf(ann, "bob");
  const touch = await bob.context().newCDPSession(bob);
  const [fx, fy] = await pixels(bob, [320, 210]);
  await touch.send("Input.dispatchTouchEvent", { type: "touchStart", touchPoints: [{ x: fx, y: fy }] });
  await touch.send("Input.dispatchTouchEvent", { type: "touchMove", touchPoints: [{ x: fx, y: fy + 30 }] });
  await until("bob has run down", async () => (await placeOf(ann, "bob"))[1] !== y);
  await shoot(bob, "tag-4-phone");
  await touch.send("Input.dispatchTouchEvent", { type: "touchEnd", touchPoints: [] });
  const wide = await bob.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  assert.equal(wide, 0);
  await close(ann, bob);
});

await test("when the host is started anew the pages come back by themselves, under their names", TAG, async ({ web, ports, kill }) => {
  const ann = await play(web, "ann");
  await kill();
  await ann.getByText("connection lost").waitFor();
  const again = await startHost(TAG.rulebook, { listen: [`joint://127.0.0.1:${ports.joint}`], web: new URL(web).host });
  await ann.getByText("connected", { exact: true }).waitFor();
  const bob = await play(again.web, "bob");
  await bob.locator('#who li.chaser[data-name="ann"]').waitFor();
  await banner(ann).getByText("Catch somebody").waitFor();
  ann.complaints = ann.complaints.filter((text) => !/WebSocket connection/.test(text)); // the browser's own, while nobody was there
  await close(ann, bob);
  await again.stop();
});
