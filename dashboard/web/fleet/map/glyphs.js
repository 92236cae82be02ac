// The marks of unicorns: a shape and a colour for each condition, turned by heading. Drawn once, copied often.

import { sprite } from "./pixels.js";

/** How many headings are told apart. */
export const TURNS = 48;
export const CONDITIONS = ["well", "low", "critical", "unknown"];

/** Draws one mark around the origin, pointing to the right. @param {CanvasRenderingContext2D} canvas */
function shape(canvas, condition, size) {
  canvas.beginPath();
  if (condition === "well") {
    // An arrowhead.
    canvas.moveTo(size, 0);
    canvas.lineTo(-size * 0.75, size * 0.72);
    canvas.lineTo(-size * 0.36, 0);
    canvas.lineTo(-size * 0.75, -size * 0.72);
  } else if (condition === "low") {
    // A kite.
    canvas.moveTo(size, 0);
    canvas.lineTo(0, size * 0.72);
    canvas.lineTo(-size, 0);
    canvas.lineTo(0, -size * 0.72);
  } else if (condition === "critical") {
    // A house with its roof ahead.
    canvas.moveTo(size, 0);
    canvas.lineTo(size * 0.1, size * 0.85);
    canvas.lineTo(-size * 0.8, size * 0.85);
    canvas.lineTo(-size * 0.8, -size * 0.85);
    canvas.lineTo(size * 0.1, -size * 0.85);
  } else {
    canvas.arc(0, 0, size * 0.7, 0, 2 * Math.PI);
  }
  canvas.closePath();
}

/** All marks at one size. */
export class Glyphs {
  /** @param {number} size radius in pixels @param {number} ratio device pixels a pixel @param {Record<string, string>} colours */
  constructor(size, ratio, colours) {
    const box = Math.ceil((size + 2.5) * 2 * ratio);
    /** By condition and turn. */
    this.sprites = CONDITIONS.map((condition) => Array.from({ length: TURNS }, (_, turn) => sprite(box, box, (canvas) => {
      canvas.setTransform(ratio, 0, 0, ratio, box / 2, box / 2);
      canvas.rotate((-turn * 2 * Math.PI) / TURNS);
      shape(canvas, condition, size);
      canvas.lineJoin = "round";
      canvas.lineWidth = size > 5 ? 2.5 : 1.2;
      canvas.strokeStyle = colours.halo;
      canvas.stroke();
      canvas.fillStyle = colours[condition];
      canvas.fill();
    })));
  }

  /** The mark of a condition's number and a heading in radians. */
  of(row, heading) {
    return this.sprites[row][((Math.round((heading * TURNS) / (2 * Math.PI)) % TURNS) + TURNS) % TURNS];
  }
}
