// The tavern's page against the real host: two people in two pages.
import assert from "node:assert/strict";
import { close, open, PHONE, shoot, test, until } from "./harness.mjs";
import { startHost } from "./host.mjs";

const TAVERN = { rulebook: "rules/tavern.lua", listen: ["neteria", "laneya", "joint", "pymmorpg"].map((s) => `${s}://127.0.0.1:0`) };

async function enter(page, name) {
  await page.getByLabel("What shall we call you?").fill(name);
  await page.getByRole("button", { name: "Enter" }).click();
}

async function comeIn(url, name, options) {
  const page = await open(url, options);
  await enter(page, name);
  await page.locator(`.guest.me[data-name="${name}"]`).waitFor();
  return page;
}

const guest = (page, name) => page.locator(`.guest[data-name="${name}"]`);
const bubble = (page, name) => page.locator(`.tag[data-name="${name}"] .bubble`);

// The cell in which a page shows somebody.
async function cell(page, name) {
  return guest(page, name).evaluate((element) => {
    const columns = Number(document.getElementById("room").style.getPropertyValue("--columns"));
    const rows = Number(document.getElementById("room").style.getPropertyValue("--rows"));
    return [Math.round(parseFloat(element.style.left) * columns / 100), Math.round(parseFloat(element.style.top) * rows / 100)];
  });
}

const standsAt = (page, name, x, y) => until(`${name} stands at ${x},${y}`, async () => {
  const at = await cell(page, name);
  return at[0] === x && at[1] === y;
});

async function clickCell(page, x, y) {
  const box = await page.locator("#room").boundingBox();
  const at = [box.x + (x + 0.5) * box.width / 16, box.y + (y + 0.5) * box.height / 12];
  if (page.viewportSize().width < 500) await page.touchscreen.tap(...at);
  else await page.mouse.click(...at);
}

await test("the page asks for a name, and shows the room meanwhile", TAVERN, async ({ web }) => {
  const page = await open(web);
  await page.getByText("connected", { exact: true }).waitFor();
  assert.ok(await page.getByLabel("What shall we call you?").isVisible());
  assert.ok(await page.getByPlaceholder("Say something").isDisabled());
  assert.equal(await page.locator("#floor").evaluate((canvas) => `${canvas.width}x${canvas.height}`), "768x576");
  await shoot(page, "1-door");
  await close(page);
});

await test("two pages see each other come, walk by keys and by a click, and leave", TAVERN, async ({ web }) => {
  const ann = await comeIn(web, "ann"), bob = await comeIn(web, "bob");
  await guest(ann, "bob").waitFor();
  await guest(bob, "ann").waitFor();
  assert.equal(await ann.locator("#count").innerText(), "2");
  assert.match(await bob.locator("#who").innerText(), /ann\s+joint\s+bob \(you\)\s+joint/);

  const [x, y] = await cell(bob, "ann");
  await ann.keyboard.press("ArrowLeft");
  await standsAt(bob, "ann", x - 1, y);
  await standsAt(ann, "ann", x - 1, y);
  await ann.keyboard.press("ArrowUp");
  await standsAt(bob, "ann", x - 1, y - 1);

  await clickCell(bob, 12, 3); // around the tables
  await standsAt(bob, "bob", 12, 3);
  await standsAt(ann, "bob", 12, 3);

  await ann.keyboard.down("ArrowUp"); // held: it walks on, as far as it gets
  await until("ann has walked a good way", async () => (await cell(bob, "ann"))[1] < y - 4);
  await ann.keyboard.up("ArrowUp");
  await shoot(ann, "2-two");

  await close(bob);
  await ann.getByText("bob has left").waitFor();
  assert.equal(await guest(ann, "bob").count(), 0);
  await close(ann);
});

await test("what one says is seen by both, in a bubble and in the talk", TAVERN, async ({ web }) => {
  const ann = await comeIn(web, "ann"), bob = await comeIn(web, "bob");
  await ann.keyboard.press("Enter"); // to the text
  await ann.keyboard.type("Good evening! <b>Is this seat taken?</b>");
  await ann.keyboard.press("Enter");
  for (const page of [ann, bob]) {
    await bubble(page, "ann").getByText("Good evening! <b>Is this seat taken?</b>").waitFor();
    await page.getByRole("log").getByText("Is this seat taken?").waitFor();
  }
  assert.equal(await bob.locator("#log li b").count(), 1); // text is text
  await bob.getByLabel("Say something").fill("Please do sit down, the fire is just the right size tonight");
  await bob.getByRole("button", { name: "Say" }).click();
  await bubble(ann, "bob").waitFor();
  await shoot(ann, "3-talk");
  await close(ann, bob);
});

await test("a wrong step and too much talk are refused where one can see it", TAVERN, async ({ web }) => {
  const ann = await comeIn(web, "ann"), bob = await comeIn(web, "bob");
  const [x, y] = await cell(ann, "ann");
  for (let i = 0; i < 3; i++) { // down, into the door, and against the threshold
    await ann.keyboard.press("ArrowDown");
    await ann.waitForTimeout(200);
  }
  await ann.locator("#notice").getByText("there is no way through").waitFor();
  await shoot(ann, "4-refused");
  await standsAt(bob, "ann", x, y + 1);
  let said = 0; // a busy machine may give time to draw breath between two
  for (; !await ann.locator("#notice").getByText("let the others speak, too").isVisible(); said++) {
    assert.ok(said < 30);
    await ann.getByLabel("Say something").fill(`me ${said}`);
    await ann.keyboard.press("Enter");
  }
  await bob.locator("#log").getByText("me 3").waitFor();
  assert.ok(await bob.locator("#log b").count() < said);
  await close(ann, bob);
});

await test("a name that is taken is refused at the door", TAVERN, async ({ web }) => {
  const ann = await comeIn(web, "ann"), other = await open(web);
  await enter(other, "Ann");
  await other.getByText("Ann is here already").waitFor();
  await shoot(other, "5-taken");
  await enter(other, "anna");
  await guest(ann, "anna").waitFor();
  await close(ann, other);
});

await test("it fits a phone, and a tap walks", TAVERN, async ({ web }) => {
  const ann = await comeIn(web, "ann"), bob = await comeIn(web, "bob", PHONE);
  await clickCell(bob, 4, 8);
  await standsAt(ann, "bob", 4, 8);
  const wide = await bob.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  assert.equal(wide, 0);
  await bob.getByLabel("Say something").fill("from my phone");
  await bob.keyboard.press("Enter");
  await bubble(ann, "bob").waitFor();
  await shoot(bob, "6-phone");
  await close(ann, bob);
});

await test("when the host is started anew the pages come back by themselves, under their names", TAVERN, async ({ web, ports, kill }) => {
  const ann = await comeIn(web, "ann");
  await kill();
  await ann.getByText("connection lost").waitFor();
  await shoot(ann, "7-lost");
  const again = await startHost("rules/tavern.lua", { listen: [`joint://127.0.0.1:${ports.joint}`], web: new URL(web).host });
  await ann.getByText("connected", { exact: true }).waitFor();
  const bob = await comeIn(again.web, "bob");
  await guest(bob, "ann").waitFor();
  await until("ann is in", async () => (await guest(ann, "ann").getAttribute("class")).includes("me"));
  ann.complaints = ann.complaints.filter((text) => !/WebSocket connection/.test(text)); // the browser's own, while nobody was there
  await close(ann, bob);
  await again.stop();
});

await test("a host that does not speak the joint protocol is named as the reason", { ...TAVERN, listen: ["neteria://127.0.0.1:0"] }, async ({ web }) => {
  const page = await open(web);
  await page.getByText("start it with --listen joint://0.0.0.0:7680").waitFor();
  await close(page);
});
