// A picture that is put together pixel by pixel: ten thousand small marks are copied in a few milliseconds where a canvas
// that draws in software takes ten times as long.

/**
 * A mark to copy: its pixels as the bytes red, green, blue and alpha, a number each.
 * @typedef {{width: number, height: number, pixels: Uint32Array}} Sprite
 */

/** Alpha, among the bytes of a pixel. */
const OPAQUE = 0xff000000;

/** Draws on a small canvas, and keeps what came of it. @param {(canvas: CanvasRenderingContext2D) => void} draw @returns {Sprite} */
export function sprite(width, height, draw) {
  const made = document.createElement("canvas");
  made.width = width;
  made.height = height;
  const canvas = made.getContext("2d", { willReadFrequently: true });
  draw(canvas);
  return { width, height, pixels: new Uint32Array(canvas.getImageData(0, 0, width, height).data.buffer) };
}

export class Pixels {
  /** @param {number} width @param {number} height in device pixels */
  constructor(width, height) {
    this.width = Math.max(1, width);
    this.height = Math.max(1, height);
    this.image = new ImageData(this.width, this.height);
    this.pixels = new Uint32Array(this.image.data.buffer);
  }

  clear() {
    this.pixels.fill(0);
  }

  /** Copies a mark around a pixel; what would stand outside is left out. @param {Sprite} mark */
  stamp(mark, x, y) {
    const left = Math.round(x - mark.width / 2), top = Math.round(y - mark.height / 2);
    const fromX = Math.max(0, -left), toX = Math.min(mark.width, this.width - left);
    const fromY = Math.max(0, -top), toY = Math.min(mark.height, this.height - top);
    const { pixels } = this, from = mark.pixels;
    for (let row = fromY; row < toY; row++) {
      let at = row * mark.width + fromX, to = (top + row) * this.width + left + fromX;
      for (const end = row * mark.width + toX; at < end; at++, to++) {
        const pixel = from[at];
        if (pixel === 0) continue;
        const below = pixels[to];
        if (pixel >>> 24 === 255 || below === 0) pixels[to] = pixel;
        else pixels[to] = over(pixel, below);
      }
    }
  }

  /** Puts the picture on a canvas, in place of all that was there. @param {CanvasRenderingContext2D} canvas */
  show(canvas) {
    canvas.putImageData(this.image, 0, 0);
  }
}

/** One pixel that shines through, over another. */
function over(pixel, below) {
  const alpha = pixel >>> 24, least = below >>> 24;
  if (least < 255) return alpha > least ? pixel : below;
  const mix = (shift) => ((((pixel >>> shift) & 255) * alpha + ((below >>> shift) & 255) * (255 - alpha)) / 255) << shift;
  return (OPAQUE | (mix(16) & 0xff0000) | (mix(8) & 0xff00) | (mix(0) & 0xff)) >>> 0;
}
