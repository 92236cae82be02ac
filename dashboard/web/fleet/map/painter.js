// Paints the map: the ground when the view moves, the fleet when it moves.

import { chosen, condition, glide, place, shown, unicorns } from "../parts/fleet.js";
import { colour } from "../../parts/theme.js";
import { Badges, Cells, LARGE_MAX, SMALL_MAX } from "./crowds.js";
import { CONDITIONS, Glyphs } from "./glyphs.js";
import { drawGround } from "./ground.js";
import { Pixels } from "./pixels.js";

/** More than so many, and marks are small. */
const CROWD = 1000;
/** More than so many, and only the chosen one has a trail. */
const TRAILS_MAX = 300;
/** Marks reach so many pixels beyond their middle. */
const REACH = 10;
/** Names are written beside the marks of so many at most. */
const NAMED_MAX = 40;
/** Frames whose times are kept. */
const TIMES_MAX = 600;

export class Painter {
  /** What the last frames took, in milliseconds: for whoever measures. @type {number[]} */
  times = [];
  /** How many marks and badges the last frame had: for whoever measures. */
  drawn = { marks: 0, badges: 0 };
  /** Those who are there now: for whoever measures. */
  unicorns = unicorns;
  /** And those who are shown. */
  fleetShown = () => shown.peek();

  /** @param {HTMLCanvasElement} ground @param {HTMLCanvasElement} fleet @param {import("./view.js").View} view */
  constructor(ground, fleet, view) {
    this.ground = ground;
    this.fleet = fleet;
    this.view = view;
    this.groundIsStale = this.fleetIsStale = true;
    this.ratio = 1;
    this.cells = new Cells();
    /** Everybody's pixel in the picture at hand, x and y in turn. */
    this.places = new Float32Array(0);
  }

  /** Takes the size of the page, and its colours. */
  resize(width, height) {
    this.ratio = Math.min(devicePixelRatio || 1, 2);
    Object.assign(this.view, { width, height });
    for (const canvas of [this.ground, this.fleet]) {
      canvas.width = Math.round(width * this.ratio);
      canvas.height = Math.round(height * this.ratio);
    }
    this.pixels = new Pixels(this.fleet.width, this.fleet.height);
    this.cells.resize(width, height);
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
    this.badges = new Badges(this.ratio, this.colours);
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
      this.drawFleet(this.fleet.getContext("2d"), at);
      this.times.push(performance.now() - begin);
      if (this.times.length > TIMES_MAX) this.times.shift();
    }
  }

  drawFleet(canvas, at) {
    const fleet = shown.peek();
    const picked = fleet.get(chosen.peek());
    const named = this.copyMarks(canvas, at, fleet);
    canvas.setTransform(this.ratio, 0, 0, this.ratio, 0, 0);
    // Below what is there already.
    canvas.globalCompositeOperation = "destination-over";
    if (picked) this.drawTrails(canvas, at, [picked], 0.9, 2.5);
    if (fleet.size <= TRAILS_MAX) this.drawTrails(canvas, at, fleet.values(), 0.4, 1.5);
    canvas.globalCompositeOperation = "source-over";
    if (named.length <= NAMED_MAX) this.drawNames(canvas, named);
    if (picked) this.drawChosen(canvas, at, picked);
  }

  /** Copies the marks of all who can be seen, or badges where there are too many; gives some with their places. */
  copyMarks(canvas, at, fleet) {
    const { pixels, cells, badges, ratio } = this, glyphs = fleet.size <= CROWD ? this.large : this.small;
    this.locate(at, fleet);
    pixels.clear();
    this.drawn = { marks: 0, badges: 0 };
    const named = [];
    let next = 0;
    for (const unicorn of fleet.values()) {
      const x = this.places[next++], y = this.places[next++];
      if (Number.isNaN(x) || cells.isCrowded(cells.at(x, y))) continue;
      pixels.stamp(glyphs.of(unicorn.row, unicorn.heading), x * ratio, y * ratio);
      this.drawn.marks++;
      if (named.length <= NAMED_MAX) named.push([unicorn, x, y]);
    }
    cells.each((count, kind, critical, x, y) => {
      pixels.stamp(badges.of(count, kind, critical), x * ratio, y * ratio);
      this.drawn.badges++;
    });
    pixels.show(canvas);
    return named;
  }

  /** Finds everybody's pixel and cell. Nothing is made for each of ten thousand here. */
  locate(at, fleet) {
    const { cells } = this, { width, height, scale, longitude, y: middle } = this.view, moving = glide();
    if (this.places.length < 2 * fleet.size) this.places = new Float32Array(4 * fleet.size);
    cells.begin(this.view, fleet.size <= NAMED_MAX ? Infinity : fleet.size <= CROWD ? LARGE_MAX : SMALL_MAX);
    let next = 0;
    for (const unicorn of fleet.values()) {
      const part = moving ? Math.min((at - unicorn.heardAt) / moving, 1) : 1;
      const x = width / 2 + (unicorn.fromLongitude + (unicorn.longitude - unicorn.fromLongitude) * part - longitude) * scale;
      const y = height / 2 - (unicorn.fromY + (unicorn.y - unicorn.fromY) * part - middle) * scale;
      const seen = -REACH < x && x < width + REACH && -REACH < y && y < height + REACH;
      this.places[next++] = seen ? x : NaN;
      this.places[next++] = y;
      if (seen) cells.add(cells.at(x, y), unicorn.row, x, y);
    }
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

  drawNames(canvas, named) {
    canvas.font = `11.5px ${this.colours.font}`;
    canvas.textAlign = "left";
    canvas.textBaseline = "middle";
    canvas.lineWidth = 3;
    canvas.lineJoin = "round";
    const taken = [];
    for (const [unicorn, x, y] of named) {
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

  /** Whether a badge stands for those around a pixel. */
  isCrowd(x, y) {
    return this.cells.isCrowded(this.cells.at(x, y));
  }

  /** The unicorn at a pixel, or near it. @returns {string} */
  at(x, y) {
    let [best, least] = ["", 18 * 18];
    const at = performance.now();
    for (const unicorn of shown.peek().values()) {
      const [latitude, longitude] = place(unicorn, at);
      const [ux, uy] = this.view.toScreen(longitude, latitude);
      const far = (ux - x) ** 2 + (uy - y) ** 2;
      if (far < least) [best, least] = [unicorn.name, far];
    }
    return best;
  }
}
