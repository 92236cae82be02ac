// Paints the map: the ground when the view moves, the fleet when it moves.

import { chosen, condition, glide, place, unicorns } from "../parts/fleet.js";
import { colour } from "../parts/theme.js";
import { CONDITIONS, Glyphs } from "./glyphs.js";
import { drawGround } from "./ground.js";

/** More than so many, and marks are small and without trails, apart from the chosen one. */
const CROWD = 1000;
/** Names are written beside the marks of so many at most. */
const NAMED_MAX = 40;
/** Frames whose times are kept. */
const TIMES_MAX = 600;

export class Painter {
  /** What the last frames took, in milliseconds: for whoever measures. @type {number[]} */
  times = [];
  /** Those that are painted: for whoever measures. */
  unicorns = unicorns;

  /** @param {HTMLCanvasElement} ground @param {HTMLCanvasElement} fleet @param {import("./view.js").View} view */
  constructor(ground, fleet, view) {
    this.ground = ground;
    this.fleet = fleet;
    this.view = view;
    this.groundIsStale = this.fleetIsStale = true;
    this.ratio = 1;
  }

  /** Takes the size of the page, and its colours. */
  resize(width, height) {
    this.ratio = Math.min(devicePixelRatio || 1, 2);
    Object.assign(this.view, { width, height });
    for (const canvas of [this.ground, this.fleet]) {
      canvas.width = Math.round(width * this.ratio);
      canvas.height = Math.round(height * this.ratio);
    }
    this.recolour();
  }

  recolour() {
    const colours = {};
    for (const name of ["water", "land", "island", "shore", "park", "bridge", "street", "graticule"]) colours[name] = colour(`--map-${name}`);
    for (const name of ["waterText", "landText", "parkText"]) colours[name] = colour(`--map-${name.replace("Text", "-text")}`);
    for (const name of CONDITIONS) colours[name] = colour(`--${name}`);
    this.colours = { ...colours, halo: colour("--map-halo"), text: colour("--text"), choose: colour("--accent"), font: getComputedStyle(document.body).fontFamily };
    this.large = new Glyphs(8, this.ratio, this.colours);
    this.small = new Glyphs(4, this.ratio, this.colours);
    this.moved();
  }

  /** The view is another. */
  moved() {
    this.groundIsStale = this.fleetIsStale = true;
  }

  /** Paints what is stale. @param {number} at */
  frame(at) {
    const begin = performance.now();
    if (this.groundIsStale) {
      const canvas = this.ground.getContext("2d", { alpha: false });
      canvas.setTransform(this.ratio, 0, 0, this.ratio, 0, 0);
      drawGround(canvas, this.view, this.colours);
      this.groundIsStale = false;
    }
    if (this.fleetIsStale) {
      const canvas = this.fleet.getContext("2d");
      canvas.setTransform(this.ratio, 0, 0, this.ratio, 0, 0);
      canvas.clearRect(0, 0, this.view.width, this.view.height);
      this.drawFleet(canvas, at);
      this.times.push(performance.now() - begin);
      if (this.times.length > TIMES_MAX) this.times.shift();
    }
  }

  drawFleet(canvas, at) {
    const { view } = this, few = unicorns.size <= CROWD;
    const glyphs = few ? this.large : this.small;
    const picked = unicorns.get(chosen.peek());
    if (few) this.drawTrails(canvas, at, unicorns.values(), 0.4, 1.5);
    if (picked) this.drawTrails(canvas, at, [picked], 0.9, 2.5);
    const shown = this.stampAll(canvas, at, glyphs);
    canvas.setTransform(this.ratio, 0, 0, this.ratio, 0, 0);
    if (shown.length <= NAMED_MAX) this.drawNames(canvas, shown);
    if (picked) this.drawChosen(canvas, at, picked);
  }

  /** Stamps everybody that can be seen; gives some with their places. Nothing is made for each of ten thousand here. */
  stampAll(canvas, at, glyphs) {
    const { width, height, scale, longitude, y: middle } = this.view, shown = [], moving = glide();
    canvas.setTransform(1, 0, 0, 1, 0, 0);
    canvas.imageSmoothingEnabled = false;
    for (const unicorn of unicorns.values()) {
      const part = moving ? Math.min((at - unicorn.heardAt) / moving, 1) : 1;
      const x = width / 2 + (unicorn.fromLongitude + (unicorn.longitude - unicorn.fromLongitude) * part - longitude) * scale;
      if (x < -10 || x > width + 10) continue;
      const y = height / 2 - (unicorn.fromY + (unicorn.y - unicorn.fromY) * part - middle) * scale;
      if (y < -10 || y > height + 10) continue;
      glyphs.stamp(canvas, unicorn.row, unicorn.heading, x, y);
      if (shown.length <= NAMED_MAX) shown.push([unicorn, x, y]);
    }
    return shown;
  }

  drawTrails(canvas, at, all, alpha, width) {
    canvas.lineWidth = width;
    canvas.lineJoin = canvas.lineCap = "round";
    canvas.globalAlpha = alpha;
    const byCondition = new Map(CONDITIONS.map((name) => [name, new Path2D()]));
    for (const unicorn of all) {
      const path = byCondition.get(condition(unicorn)), { trail } = unicorn;
      for (let i = 0; i < trail.length - 2; i += 2) {
        const [x, y] = this.view.toScreen(trail[i + 1], trail[i]);
        if (i === 0) path.moveTo(x, y); else path.lineTo(x, y);
      }
      const [latitude, longitude] = place(unicorn, at);
      const [x, y] = this.view.toScreen(longitude, latitude);
      path.lineTo(x, y);
    }
    for (const [name, path] of byCondition) {
      canvas.strokeStyle = this.colours[name];
      canvas.stroke(path);
    }
    canvas.globalAlpha = 1;
  }

  drawNames(canvas, shown) {
    canvas.font = `11.5px ${this.colours.font}`;
    canvas.textAlign = "left";
    canvas.textBaseline = "middle";
    canvas.lineWidth = 3;
    canvas.lineJoin = "round";
    const taken = [];
    for (const [unicorn, x, y] of shown) {
      const text = unicorn.name.length > 24 ? `${unicorn.name.slice(0, 23)}…` : unicorn.name;
      const box = [x + 12, y - 8, x + 16 + text.length * 6.2, y + 8];
      // Where two would overlap, one stays.
      if (unicorn.name !== chosen.peek() && taken.some((b) => b[0] < box[2] && box[0] < b[2] && b[1] < box[3] && box[1] < b[3])) continue;
      taken.push(box);
      canvas.strokeStyle = this.colours.halo;
      canvas.strokeText(text, x + 13, y);
      canvas.fillStyle = this.colours.text;
      canvas.fillText(text, x + 13, y);
    }
  }

  drawChosen(canvas, at, unicorn) {
    const [latitude, longitude] = place(unicorn, at);
    const [x, y] = this.view.toScreen(longitude, latitude);
    canvas.beginPath();
    canvas.arc(x, y, 15, 0, 2 * Math.PI);
    canvas.strokeStyle = this.colours.choose;
    canvas.lineWidth = 2.5;
    canvas.stroke();
  }

  /** The unicorn at a pixel, or near it. @returns {string} */
  at(x, y) {
    let [best, least] = ["", 18 * 18];
    const at = performance.now();
    for (const unicorn of unicorns.values()) {
      const [latitude, longitude] = place(unicorn, at);
      const [ux, uy] = this.view.toScreen(longitude, latitude);
      const far = (ux - x) ** 2 + (uy - y) ** 2;
      if (far < least) [best, least] = [unicorn.name, far];
    }
    return best;
  }
}
