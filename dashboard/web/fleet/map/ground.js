// Draws what lies under the fleet, once for every view.

import { bridges, lakes, land, names, parks, streets } from "./outline.js";
import { stretch } from "./view.js";

/** Rings as Mercator has them, computed once. @param {number[]} ring */
function flat(ring) {
  const points = new Float64Array(ring.length);
  for (let i = 0; i < ring.length; i += 2) {
    points[i] = ring[i];
    points[i + 1] = stretch(ring[i + 1]);
  }
  return points;
}
const shapes = {
  land: land.filter(({ name }) => name !== "Manhattan").map(({ ring }) => flat(ring)),
  manhattan: land.filter(({ name }) => name === "Manhattan").map(({ ring }) => flat(ring)),
  parks: parks.map(flat),
  lakes: lakes.map(flat),
  streets: streets.map(flat),
  bridges: bridges.map(flat),
};

/**
 * @param {CanvasRenderingContext2D} canvas @param {import("./view.js").View} view
 * @param {Record<string, string>} colours
 */
export function drawGround(canvas, view, colours) {
  canvas.fillStyle = colours.water;
  canvas.fillRect(0, 0, view.width, view.height);
  drawGraticule(canvas, view, colours);
  canvas.lineJoin = canvas.lineCap = "round";
  fill(canvas, view, shapes.land, colours.land, colours.shore);
  fill(canvas, view, shapes.manhattan, colours.island, colours.shore);
  fill(canvas, view, shapes.parks, colours.park);
  fill(canvas, view, shapes.lakes, colours.water);
  if (view.scale > 2500) {
    lines(canvas, view, shapes.bridges, colours.bridge, 2);
    const faint = Math.min(1, (view.scale - 2500) / 6000);
    canvas.globalAlpha = faint;
    lines(canvas, view, shapes.streets, colours.street, view.scale > 12000 ? 2.5 : 1.25);
    canvas.globalAlpha = 1;
  }
  drawNames(canvas, view, colours);
}

function trace(canvas, view, points) {
  const left = view.width / 2 - view.longitude * view.scale, top = view.height / 2 + view.y * view.scale;
  canvas.moveTo(left + points[0] * view.scale, top - points[1] * view.scale);
  for (let i = 2; i < points.length; i += 2) canvas.lineTo(left + points[i] * view.scale, top - points[i + 1] * view.scale);
}

function fill(canvas, view, rings, colour, edge) {
  canvas.beginPath();
  for (const ring of rings) {
    trace(canvas, view, ring);
    canvas.closePath();
  }
  canvas.fillStyle = colour;
  canvas.fill();
  if (edge) {
    canvas.strokeStyle = edge;
    canvas.lineWidth = 1.25;
    canvas.stroke();
  }
}

function lines(canvas, view, all, colour, width) {
  canvas.beginPath();
  for (const line of all) trace(canvas, view, line);
  canvas.strokeStyle = colour;
  canvas.lineWidth = width;
  canvas.stroke();
}

/** Lines of longitude and latitude at round degrees, for those who are far from here. */
function drawGraticule(canvas, view, colours) {
  const step = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10].find((degrees) => degrees * view.scale > 110) ?? 20;
  const [west, north] = view.toWorld(0, 0), [east, south] = view.toWorld(view.width, view.height);
  canvas.beginPath();
  for (let longitude = Math.ceil(west / step) * step; longitude < east; longitude += step) {
    const [x] = view.toScreen(longitude, 0);
    canvas.moveTo(Math.round(x) + 0.5, 0);
    canvas.lineTo(Math.round(x) + 0.5, view.height);
  }
  for (let latitude = Math.ceil(south / step) * step; latitude < north; latitude += step) {
    const [, y] = view.toScreen(0, latitude);
    canvas.moveTo(0, Math.round(y) + 0.5);
    canvas.lineTo(view.width, Math.round(y) + 0.5);
  }
  canvas.strokeStyle = colours.graticule;
  canvas.lineWidth = 1;
  canvas.stroke();
}

function drawNames(canvas, view, colours) {
  canvas.textAlign = "center";
  canvas.textBaseline = "middle";
  for (const { text, at, kind, from, to = Infinity, turn } of names) {
    if (view.scale < from || view.scale > to) continue;
    const [x, y] = view.toScreen(at[0], at[1]);
    if (x < -80 || y < -40 || x > view.width + 80 || y > view.height + 40) continue;
    canvas.save();
    canvas.translate(x, y);
    canvas.rotate(turn);
    canvas.font = kind === "land" ? `600 ${text === text.toUpperCase() ? 12 : 11.5}px ${colours.font}` : `italic 12px ${colours.font}`;
    if ("letterSpacing" in canvas) canvas.letterSpacing = text === text.toUpperCase() ? "2px" : "0.5px";
    canvas.fillStyle = kind === "water" ? colours.waterText : kind === "park" ? colours.parkText : colours.landText;
    canvas.fillText(text, 0, 0);
    canvas.restore();
  }
}
