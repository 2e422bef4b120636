// A copy of the host's replicated state, kept by its "state" notifies (host.subscribe). Every host that serves pages serves
// it; it has no dependencies.
//
//   import { StateCopy } from "/umpire/state.js";
//
//   const copy = new StateCopy();
//   copy.take(notify);          // each notify's data, in whatever order they come. True: something has changed
//   copy.state.players
//
// A notify is { time, full: true, state } or { time, since, patch, removed }: the patch leads from `since` to `time`. Those of
// which the one before is still under way wait for it. Maps are merged key by key, anything else replaces (lists, too), and
// what is listed in `removed`, as paths, goes first.

const isMap = (value) => typeof value === "object" && value !== null && !Array.isArray(value);

function merge(into, patch) {
  for (const [key, value] of Object.entries(patch)) {
    if (key === "__proto__") continue;
    if (isMap(value) && isMap(into[key])) merge(into[key], value);
    else into[key] = value;
  }
}

function remove(from, path) {
  let map = from;
  for (const key of path.slice(0, -1)) {
    map = isMap(map) && Object.hasOwn(map, key) ? map[key] : undefined;
  }
  if (isMap(map)) delete map[path.at(-1)];
}

export class StateCopy {
  state = {};
  time = null;      // which version it is; null: none yet
  #waiting = [];

  /** Forgets everything, as after a reconnection. */
  reset() {
    this.state = {};
    this.time = null;
    this.#waiting = [];
  }

  take(notify) {
    if (notify.full) {
      if (this.time !== null && notify.time < this.time) return false;
      this.state = isMap(notify.state) ? notify.state : {};
      this.time = notify.time;
      this.#catchUp();
      return true;
    }
    this.#waiting.push(notify);
    return this.#catchUp();
  }

  #catchUp() {
    let changed = false;
    for (;;) {
      this.#waiting = this.#waiting.filter((n) => this.time === null || n.time > this.time);
      const next = this.#waiting.find((n) => n.since === this.time);
      if (!next) return changed;
      for (const path of Array.isArray(next.removed) ? next.removed : []) remove(this.state, path);
      merge(this.state, next.patch ?? {});
      this.time = next.time;
      changed = true;
    }
  }
}
