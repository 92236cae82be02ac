// The marks of unicorns: a shape and a colour for each condition, turned by heading. Drawn once, stamped often.

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

/** A sheet of all marks at one size. */
export class Glyphs {
  /** @param {number} size radius in pixels @param {number} ratio device pixels a pixel @param {Record<string, string>} colours */
  constructor(size, ratio, colours) {
    this.ratio = ratio;
    this.box = Math.ceil((size + 2.5) * 2 * ratio);
    this.sheet = document.createElement("canvas");
    this.sheet.width = this.box * TURNS;
    this.sheet.height = this.box * CONDITIONS.length;
    const canvas = this.sheet.getContext("2d");
    CONDITIONS.forEach((condition, row) => {
      for (let turn = 0; turn < TURNS; turn++) {
        canvas.setTransform(ratio, 0, 0, ratio, (turn + 0.5) * this.box, (row + 0.5) * this.box);
        canvas.rotate((-turn * 2 * Math.PI) / TURNS);
        shape(canvas, condition, size);
        canvas.lineJoin = "round";
        canvas.lineWidth = size > 5 ? 2.5 : 1.2;
        canvas.strokeStyle = colours.halo;
        canvas.stroke();
        canvas.fillStyle = colours[condition];
        canvas.fill();
      }
    });
  }

  /** Stamps a mark at device pixels, unscaled: copying is cheap, filtering is not. */
  stamp(canvas, row, heading, x, y) {
    const turn = ((Math.round((heading * TURNS) / (2 * Math.PI)) % TURNS) + TURNS) % TURNS, { box } = this;
    canvas.drawImage(this.sheet, turn * box, row * box, box, box, Math.round(x * this.ratio - box / 2), Math.round(y * this.ratio - box / 2), box, box);
  }
}
