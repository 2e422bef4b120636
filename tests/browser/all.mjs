// Every test of pages, one after the other.
import { finish } from "./harness.mjs";

await import("./joint.mjs");
await import("./tavern.mjs");
await import("./tag.mjs");
await finish();
