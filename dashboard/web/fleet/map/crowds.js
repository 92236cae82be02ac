// Where many stand on top of each other: one badge with their number instead of marks that hide one another.
//
// The map is cut into cells of the world, so that moving it moves the badges and makes no others.

import { CONDITIONS } from "./glyphs.js";
import { sprite } from "./pixels.js";

/** The side of a cell, in pixels. */
const CELL = 40;
/** So many in a cell keep their own marks, large ones or small ones; more become a badge. */
export const LARGE_MAX = 8;
export const SMALL_MAX = 24;
const KINDS = CONDITIONS.length;

/** Who stands in which cell, counted anew for each picture. */
export class Cells {
  resize(width, height) {
    // A border, for those who are just outside.
    this.columns = Math.ceil(width / CELL) + 3;
    this.rows = Math.ceil(height / CELL) + 3;
    const cells = this.columns * this.rows;
    this.counts = new Uint32Array(cells);
    this.kinds = new Uint32Array(cells * KINDS);
    this.sums = new Float64Array(cells * 2);
  }

  /** Begins a picture in which `marksMax` in a cell keep their marks. @param {import("./view.js").View} view @param {number} marksMax */
  begin(view, marksMax) {
    this.marksMax = marksMax;
    this.counts.fill(0);
    this.kinds.fill(0);
    this.sums.fill(0);
    const part = (value) => ((value % CELL) + CELL) % CELL;
    this.left = part(view.longitude * view.scale - view.width / 2) + CELL;
    this.top = part(-view.y * view.scale - view.height / 2) + CELL;
  }

  /** The number of the cell of a pixel. */
  at(x, y) {
    return Math.floor((y + this.top) / CELL) * this.columns + Math.floor((x + this.left) / CELL);
  }

  add(cell, kind, x, y) {
    this.counts[cell]++;
    this.kinds[cell * KINDS + kind]++;
    this.sums[2 * cell] += x;
    this.sums[2 * cell + 1] += y;
  }

  isCrowded(cell) {
    return this.counts[cell] > this.marksMax;
  }

  /** Hands over every crowded cell: how many, the condition of most, whether any is critical, and their middle. */
  each(take) {
    for (let cell = 0; cell < this.counts.length; cell++) {
      const count = this.counts[cell];
      if (count <= this.marksMax) continue;
      let most = 0;
      for (let kind = 1; kind < KINDS; kind++) if (this.kinds[cell * KINDS + kind] > this.kinds[cell * KINDS + most]) most = kind;
      const critical = this.kinds[cell * KINDS + CONDITIONS.indexOf("critical")] > 0;
      take(count, most, critical, this.sums[2 * cell] / count, this.sums[2 * cell + 1] / count);
    }
  }
}

/** A number in at most four signs: beyond a hundred, two digits of it count. */
export function short(count) {
  if (count < 100) return String(count);
  if (count < 1000) return `${Math.floor(count / 10)}0`;
  const thousands = count / 1000;
  return thousands < 10 ? `${(Math.floor(thousands * 10) / 10).toFixed(1)}k` : `${Math.floor(thousands)}k`;
}

/** Badges, each drawn when it is needed first. */
export class Badges {
  /** @param {number} ratio device pixels a pixel @param {Record<string, string>} colours */
  constructor(ratio, colours) {
    this.ratio = ratio;
    this.colours = colours;
    /** As many as there are short numbers and conditions: below a thousand. @type {Map<string, import("./pixels.js").Sprite>} */
    this.made = new Map();
  }

  of(count, kind, critical) {
    const text = short(count), key = `${text} ${kind} ${critical}`;
    let made = this.made.get(key);
    if (!made) this.made.set(key, (made = this.draw(text, CONDITIONS[kind], critical)));
    return made;
  }

  draw(text, condition, critical) {
    const radius = 9 + text.length * 2.2, box = Math.ceil((radius + 4) * 2 * this.ratio), { colours, ratio } = this;
    return sprite(box, box, (canvas) => {
      canvas.setTransform(ratio, 0, 0, ratio, box / 2, box / 2);
      const disc = (x, y, size, fill) => {
        canvas.beginPath();
        canvas.arc(x, y, size, 0, 2 * Math.PI);
        canvas.fillStyle = fill;
        canvas.fill();
      };
      disc(0, 0, radius + 1.5, colours.halo);
      disc(0, 0, radius, colours[condition]);
      disc(0, 0, radius - 3, colours.halo);
      canvas.font = `600 11.5px ${colours.font}`;
      canvas.textAlign = "center";
      canvas.textBaseline = "middle";
      canvas.fillStyle = colours.text;
      canvas.fillText(text, 0, 0.5);
      if (!critical || condition === "critical") return;
      // Somebody in there is in trouble: the square of their mark.
      const at = radius * 0.68;
      canvas.fillStyle = colours.halo;
      canvas.fillRect(at - 4.5, -at - 4.5, 9, 9);
      canvas.fillStyle = colours.critical;
      canvas.fillRect(at - 3, -at - 3, 6, 6);
    });
  }
}
