// Draws the field: who is where, who chases, who is safe. It knows nothing of the game but what it is shown.

const COLOURS = { ground: "#12283f", far: "#0d1d30", line: "rgb(255 255 255 / 5%)", chaser: "#ff5a4f", text: "#eaf2fb" };
const RADIUS = 10;     // of a player, in units of the field
const LEAST = [7.5, 11]; // CSS pixels that a player's radius and the letters of his name have, however small the field is

/** A colour for a player; red is the chaser's. */
export function colourOf(id) { return `hsl(${60 + (Number(id) * 137.5) % 250} 70% 66%)`; }

/** From a to b the short way round. */
export function way(a, b, size) {
  const d = (((b - a) % size) + size) % size;
  return d > size / 2 ? d - size : d;
}

export class Field {
  #canvas; #context; #shown = new Map(); // id -> { x, y, dx, dy }: where they are drawn, on their way to where they are
  #last = 0;
  #radius = RADIUS;
  #letters = 11;
  #flash = new Map();                    // id -> when he was caught
  size = [640, 420];

  constructor(canvas) {
    this.#canvas = canvas;
    this.#context = canvas.getContext("2d");
  }

  flash(id) { this.#flash.set(id, performance.now()); }

  /** Where a player is drawn, in units of the field. */
  placeOf(id) { return this.#shown.get(id); }

  #fit() {
    const { clientWidth: width, clientHeight: height } = this.#canvas;
    const ratio = Math.min(3, window.devicePixelRatio || 1);
    const [w, h] = [Math.round(width * ratio), Math.round(height * ratio)];
    this.#radius = Math.max(RADIUS, LEAST[0] * this.size[0] / width);
    this.#letters = Math.max(11, LEAST[1] * this.size[0] / width);
    if (this.#canvas.width !== w || this.#canvas.height !== h) Object.assign(this.#canvas, { width: w, height: h });
    return w / this.size[0];
  }

  // Players glide to the place that the state tells, so that 20 places a second look like running.
  #glide(players, dt) {
    const [w, h] = this.size;
    const part = 1 - Math.exp(-dt * 16);
    for (const id of this.#shown.keys()) if (!players[id]) this.#shown.delete(id);
    for (const [id, { position: [x, y] }] of Object.entries(players)) {
      const shown = this.#shown.get(id);
      if (!shown) { this.#shown.set(id, { x, y, dx: 0, dy: 1 }); continue; }
      const dx = way(shown.x, x, w), dy = way(shown.y, y, h);
      shown.x = (shown.x + dx * part + w) % w;
      shown.y = (shown.y + dy * part + h) % h;
      const far = Math.hypot(dx, dy);
      if (far > 0.7) { shown.dx += (dx / far - shown.dx) * 0.25; shown.dy += (dy / far - shown.dy) * 0.25; }
    }
  }

  #ground(scale) {
    const c = this.#context, [w, h] = this.size;
    const light = c.createRadialGradient(w / 2, h / 2, 40, w / 2, h / 2, w * 0.62);
    light.addColorStop(0, COLOURS.ground);
    light.addColorStop(1, COLOURS.far);
    c.fillStyle = light;
    c.fillRect(0, 0, w, h);
    c.strokeStyle = COLOURS.line;
    c.lineWidth = 1 / scale;
    c.beginPath();
    for (let x = 40; x < w; x += 40) { c.moveTo(x, 0); c.lineTo(x, h); }
    for (let y = 35; y < h; y += 35) { c.moveTo(0, y); c.lineTo(w, y); }
    c.stroke();
  }

  #ring(x, y, radius, colour, width, dash) {
    const c = this.#context;
    c.strokeStyle = colour;
    c.lineWidth = width;
    c.setLineDash(dash ?? []);
    c.beginPath();
    c.arc(x, y, radius, 0, 2 * Math.PI);
    c.stroke();
    c.setLineDash([]);
  }

  #figure(x, y, { dx, dy }, { colour, chaser, safe, me, name, now, caught }) {
    const c = this.#context, r = this.#radius;
    c.fillStyle = "rgb(0 0 0 / 30%)";
    c.beginPath();
    c.ellipse(x, y + r * 0.9, r * 0.9, r * 0.35, 0, 0, 2 * Math.PI);
    c.fill();
    if (caught < 1) this.#ring(x, y, r + 34 * caught, `rgb(255 90 79 / ${80 * (1 - caught)}%)`, 3);
    if (chaser) {
      const pulse = safe ? 0 : Math.sin(now / 140);
      this.#ring(x, y, r + 5 + pulse, `rgb(255 90 79 / ${safe ? 40 : 75}%)`, 2, safe ? [4, 4] : null);
    } else if (safe) {
      this.#ring(x, y, r + 4, "rgb(150 220 255 / 55%)", 1.5, [3, 3]);
    }
    c.fillStyle = colour;
    c.beginPath();
    c.arc(x, y, r, 0, 2 * Math.PI);
    c.fill();
    if (me) this.#ring(x, y, r - 1, "#ffffff", 2);
    const far = Math.hypot(dx, dy) || 1, ux = dx / far, uy = dy / far;
    for (const side of [-1, 1]) { // eyes, where he runs
      const ex = x + r * (0.4 * ux - 0.36 * uy * side), ey = y + r * (0.4 * uy + 0.36 * ux * side);
      c.fillStyle = "#ffffff";
      c.beginPath();
      c.arc(ex, ey, 0.27 * r, 0, 2 * Math.PI);
      c.fill();
      c.fillStyle = "#14202c";
      c.beginPath();
      c.arc(ex + 0.1 * r * ux, ey + 0.1 * r * uy, 0.14 * r, 0, 2 * Math.PI);
      c.fill();
    }
    c.font = `${me ? "600 " : ""}${this.#letters}px system-ui, "DejaVu Sans", sans-serif`;
    c.textAlign = "center";
    c.lineWidth = 3;
    c.strokeStyle = "rgb(6 14 24 / 75%)";
    c.strokeText(name, x, y - r - 0.7 * this.#letters);
    c.fillStyle = chaser ? "#ffb3ad" : COLOURS.text;
    c.fillText(name, x, y - r - 0.7 * this.#letters);
  }

  // The stick of a finger that pulls.
  #stick(stick, scale) {
    const ratio = this.#canvas.width / this.#canvas.clientWidth;
    const at = (v) => v * ratio / scale;
    this.#ring(at(stick.x0), at(stick.y0), at(44), "rgb(255 255 255 / 22%)", 2);
    const c = this.#context;
    c.fillStyle = "rgb(255 255 255 / 35%)";
    c.beginPath();
    c.arc(at(stick.x), at(stick.y), at(18), 0, 2 * Math.PI);
    c.fill();
  }

  /** Draws one frame. state: the copy; me: our id or null; stick: { x0, y0, x, y } in CSS pixels, or null. */
  draw(state, me, stick, now) {
    const scale = this.#fit();
    const c = this.#context, players = state.players ?? {};
    this.size = state.field ?? this.size;
    const [w, h] = this.size;
    this.#glide(players, Math.min(0.2, (now - this.#last) / 1000));
    this.#last = now;
    c.setTransform(scale, 0, 0, scale, 0, 0);
    this.#ground(scale);
    const ids = Object.keys(players).sort((a, b) => (a === me) - (b === me) || (a === state.chaser_id) - (b === state.chaser_id));
    for (const id of ids) {
      const shown = this.#shown.get(id), chaser = id === state.chaser_id;
      const look = { colour: chaser ? COLOURS.chaser : colourOf(id), chaser, safe: state.protection === true, me: id === me,
        name: players[id].name, now, caught: (now - (this.#flash.get(id) ?? -1e9)) / 700 };
      for (const ox of [0, shown.x < 60 ? w : shown.x > w - 60 ? -w : null]) { // the other half of who stands on an edge
        for (const oy of [0, shown.y < 40 ? h : shown.y > h - 40 ? -h : null]) {
          if (ox !== null && oy !== null) this.#figure(shown.x + ox, shown.y + oy, shown, look);
        }
      }
    }
    if (stick) this.#stick(stick, scale);
  }
}
