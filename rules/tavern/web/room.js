// Draws the room's floor and furniture from the map that the rulebook sends: rows of characters, a cell each.
//   # wall   . floor   D door   c bar   t table   h fire   p plant

const CELL = 48; // pixels of the picture; the page scales it

// A number from 0 to 1 that is always the same for a cell: grain that does not flicker.
const grain = (x, y) => { const v = Math.sin(x * 127.1 + y * 311.7) * 43758.5453; return v - Math.floor(v); };

const isFloor = (tile) => tile === "." || tile === "D";

function box(g, x, y, w, h, radius, fill) {
  g.fillStyle = fill;
  g.beginPath();
  g.roundRect(x, y, w, h, radius);
  g.fill();
}

const draw = {
  floor(g, x, y, column, row) {
    for (let i = 0; i < 3; i++) { // three boards to a cell, and a joint now and then
      g.fillStyle = `hsl(28 ${30 + 6 * grain(column, row * 3 + i)}% ${28 + 5 * grain(column * 3 + i, row)}%)`;
      g.fillRect(x, y + i * CELL / 3, CELL, CELL / 3 - 1);
      if (grain(column + i * 7, row) > 0.6) g.fillRect(x, y + i * CELL / 3, 1, CELL / 3);
    }
    g.fillStyle = "rgb(0 0 0 / 12%)";
    for (let i = 1; i <= 3; i++) g.fillRect(x, y + i * CELL / 3 - 1, CELL, 1);
  },
  "#"(g, x, y, column, row) {
    g.fillStyle = "#3b2b26";
    g.fillRect(x, y, CELL, CELL);
    for (let i = 0; i < 4; i++) {
      for (let j = -1; j < 2; j++) {
        g.fillStyle = `hsl(16 14% ${21 + 5 * grain(column * 5 + j, row * 4 + i)}%)`;
        g.fillRect(x + Math.max(0, j * 24 + (i % 2) * 12), y + i * 12, j < 0 ? (i % 2) * 12 - 1 : Math.min(23, CELL - j * 24 - (i % 2) * 12), 11);
      }
    }
  },
  D(g, x, y) {
    draw.floor(g, x, y, 3, 3);
    box(g, x + 2, y + 6, CELL - 4, CELL - 12, 4, "#7b4630");
    box(g, x + 6, y + 10, CELL - 12, CELL - 20, 2, "#955a3c");
  },
  c(g, x, y, column, row, same) {
    g.fillStyle = "#4a2c18";
    g.fillRect(x, y, CELL, CELL);
    g.fillStyle = "#7a4a27";
    g.fillRect(x, y, CELL, CELL - (same(0, 1) ? 0 : 10));
    g.fillStyle = "#8d5930";
    g.fillRect(x, y + 3, CELL, 4);
    if ((column + row) % 2) { // a mug
      box(g, x + 15, y + 11, 14, 17, 3, "#e2a24a");
      box(g, x + 14, y + 9, 16, 6, 3, "#fff1da");
      g.strokeStyle = "#e2a24a";
      g.lineWidth = 3;
      g.strokeRect(x + 30, y + 16, 5, 8);
    }
  },
  t(g, x, y, column, row, same) {
    const left = same(-1, 0) ? 0 : 5, right = same(1, 0) ? 0 : 5, top = same(0, -1) ? 0 : 5, bottom = same(0, 1) ? 0 : 9;
    const corner = (a, b) => (a && b ? 14 : 0);
    g.fillStyle = "#4b2d19";
    g.beginPath();
    g.roundRect(x + left, y + top + 4, CELL - left - right, CELL - top - bottom, [corner(left, top), corner(right, top), corner(right, bottom), corner(left, bottom)]);
    g.fill();
    g.fillStyle = "#8a5a33";
    g.beginPath();
    g.roundRect(x + left, y + top, CELL - left - right, CELL - top - bottom, [corner(left, top), corner(right, top), corner(right, bottom), corner(left, bottom)]);
    g.fill();
    if (!same(-1, 0) && !same(0, -1)) { // a candle in the middle of the four
      const glow = g.createRadialGradient(x + CELL, y + CELL, 2, x + CELL, y + CELL, 30);
      glow.addColorStop(0, "rgb(255 205 110 / 75%)");
      glow.addColorStop(1, "rgb(255 205 110 / 0%)");
      draw.later.push(() => {
        g.fillStyle = glow;
        g.fillRect(x + CELL - 30, y + CELL - 30, 60, 60);
        box(g, x + CELL - 3, y + CELL - 8, 6, 12, 2, "#fff4dd");
        box(g, x + CELL - 2, y + CELL - 14, 4, 7, 2, "#ffc04d");
      });
    }
  },
  h(g, x, y, column, row, same) {
    g.fillStyle = "#2a1d1a";
    g.fillRect(x, y, CELL, CELL);
    box(g, x + (same(-1, 0) ? 0 : 5), y + 4, CELL - 5, CELL - 10, 4, "#140c0a");
    box(g, x + 8, y + CELL - 17, CELL - 16, 7, 3, "#5b3a22");
    for (const [dx, w, h, colour] of [[12, 10, 18, "#e2571e"], [20, 12, 24, "#f0872a"], [27, 8, 15, "#e2571e"], [22, 6, 12, "#ffd36b"]]) {
      g.fillStyle = colour;
      g.beginPath();
      g.moveTo(x + dx + w / 2, y + CELL - 13 - h);
      g.quadraticCurveTo(x + dx + w + 2, y + CELL - 14, x + dx + w / 2, y + CELL - 13);
      g.quadraticCurveTo(x + dx - 2, y + CELL - 14, x + dx + w / 2, y + CELL - 13 - h);
      g.fill();
    }
    if (!same(-1, 0)) {
      const glow = g.createRadialGradient(x + CELL, y + CELL / 2, 20, x + CELL, y + CELL / 2, 5 * CELL);
      glow.addColorStop(0, "rgb(255 150 60 / 34%)");
      glow.addColorStop(1, "rgb(255 150 60 / 0%)");
      draw.later.push(() => { g.fillStyle = glow; g.fillRect(x - 4 * CELL, y - CELL, 10 * CELL, 6 * CELL); });
    }
  },
  p(g, x, y) {
    box(g, x + 14, y + 28, 20, 15, 4, "#a4562f");
    for (let i = 0; i < 7; i++) {
      g.fillStyle = i % 2 ? "#4f8a4a" : "#3e7440";
      g.save();
      g.translate(x + 24, y + 28);
      g.rotate((i - 3) * 0.42);
      g.beginPath();
      g.ellipse(0, -12, 4.5, 13, 0, 0, 2 * Math.PI);
      g.fill();
      g.restore();
    }
  },
  later: [],
};

/** Draws the map into the canvas, and sizes the canvas for it. */
export function drawRoom(canvas, map) {
  const g = canvas.getContext("2d");
  canvas.width = map[0].length * CELL;
  canvas.height = map.length * CELL;
  draw.later = [];
  map.forEach((line, row) => [...line].forEach((tile, column) => {
    const same = (dx, dy) => map[row + dy]?.[column + dx] === tile;
    if (tile !== "#") draw.floor(g, column * CELL, row * CELL, column, row);
    if (tile !== ".") (draw[tile] ?? draw["#"])(g, column * CELL, row * CELL, column, row, same);
    if (isFloor(tile) && map[row - 1]?.[column] === "#") { // the wall above throws a shadow
      g.fillStyle = "rgb(0 0 0 / 28%)";
      g.fillRect(column * CELL, row * CELL, CELL, 9);
    }
  }));
  for (const light of draw.later) light();
}

/** The first step of a shortest way from one cell to another around furniture and guests: [dx, dy], or null. */
export function firstStep(map, taken, from, to) {
  const key = (x, y) => y * 1000 + x;
  const steps = [[0, -1], [1, 0], [0, 1], [-1, 0]];
  const seen = new Set([key(...to)]);
  let edge = [to]; // backwards, so that what is found first is the way from here
  while (edge.length) {
    const next = [];
    for (const [x, y] of edge) {
      for (const [dx, dy] of steps) {
        const at = [x - dx, y - dy];
        if (at[0] === from[0] && at[1] === from[1]) return [dx, dy];
        if (seen.has(key(...at)) || !isFloor(map[at[1]]?.[at[0]]) || taken(...at)) continue;
        seen.add(key(...at));
        next.push(at);
      }
    }
    edge = next;
  }
  return null;
}
