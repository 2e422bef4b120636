// What tests of pages share: a browser, the real host for each test, TAP. With UMPIRE_SHOTS=FOLDER pages are pictured there.
import assert from "node:assert/strict";
import { chromium } from "playwright-core";
import { startHost } from "./host.mjs";

const shots = process.env.UMPIRE_SHOTS;
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ["--no-sandbox"] });
let tests = 0, failed = 0;

// ---- pages ----

export const DESK = { viewport: { width: 1180, height: 800 } };
export const PHONE = { viewport: { width: 390, height: 800 }, deviceScaleFactor: 2, hasTouch: true, isMobile: true };

// A page of one person; what its console says of errors is kept, and must be nothing in the end.
export async function open(url, options = DESK) {
  const context = await browser.newContext(options);
  const page = await context.newPage();
  page.setDefaultTimeout(10000);
  page.complaints = [];
  page.on("console", (message) => { if (message.type() === "error") page.complaints.push(message.text()); });
  page.on("pageerror", (error) => page.complaints.push(String(error)));
  await page.goto(url);
  return page;
}

export async function until(what, condition) {
  const end = Date.now() + 10000;
  for (;;) {
    const value = await condition();
    if (value) return value;
    if (Date.now() > end) throw new Error(`never came true: ${what}`);
    await new Promise((resolve) => { setTimeout(resolve, 25); });
  }
}

export async function shoot(page, name) {
  if (!shots) return;
  await page.waitForTimeout(250); // for steps and bubbles to have moved to where they go
  await page.screenshot({ path: `${shots}/${name}.png` });
}

export async function close(...pages) {
  for (const page of pages) {
    assert.deepEqual(page.complaints, []);
    await page.context().close();
  }
}

// What pages show when a test has failed.
async function describePages() {
  let text = "";
  for (const page of browser.contexts().flatMap((context) => context.pages())) {
    const shown = await page.evaluate(() => `${document.activeElement?.outerHTML.slice(0, 80)}\n${document.body.innerText}`).catch(String);
    text += `-- ${page.url()} complaints: ${page.complaints?.join("; ")}; focus: ${shown}\n`;
  }
  return text;
}

// ---- tests ----

/** Runs body with a host of its own, which must have nothing to complain of in the end: body({ web, ports, log, kill }). */
export async function test(name, { rulebook, listen }, body) {
  tests++;
  let host;
  try {
    host = await startHost(rulebook, { listen });
    await body(host);
    assert.equal(await host.stop(), 0);
    console.log(`ok ${tests} - ${name}`);
  } catch (error) {
    failed++;
    console.log(`not ok ${tests} - ${name}`);
    for (const line of `${error.stack}\n${host?.log ?? ""}${await describePages()}`.split("\n")) console.log(`# ${line}`);
    await host?.kill();
    for (const context of browser.contexts()) await context.close();
  }
}

/** The end: the exit code says whether all passed. */
export async function finish() {
  console.log(`1..${tests}`);
  await browser.close();
  process.exit(failed ? 1 : 0);
}
