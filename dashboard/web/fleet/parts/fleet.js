// The unicorns as the page knows them: the latest place of each, where it came from, and its trail.

import { signal } from "../../vendor/ui.js";
import { CONDITIONS } from "../map/glyphs.js";
import { stretch } from "../map/view.js";
import { now, on, second } from "../../parts/live.js";

/** Silent for so long: gone. */
const SILENCE_MAX = 30000;
/** Places of a trail. */
const TRAIL_MAX = 40;
/** Health points that are kept of each. */
const HEALTHS_MAX = 30;

/**
 * @typedef {object} Unicorn
 * @property {string} name
 * @property {number} latitude @property {number} longitude
 * @property {number} fromLatitude @property {number} fromLongitude where it was before
 * @property {number} y @property {number} fromY both latitudes as Mercator has them
 * @property {number} row of its condition among the marks
 * @property {number} heardAt `performance.now()` of the last place
 * @property {number | null} speed metres a second
 * @property {number | null} health @property {number | null} magic
 * @property {number} arrivedAt the server's time of its record
 * @property {number} heading radians, 0 is east, counter-clockwise
 * @property {number[]} healths its last health points, the oldest first
 * @property {number[]} trail latitude and longitude in turn, the oldest first
 */

/** @type {Map<string, Unicorn>} */
export const unicorns = new Map();
/** Those that the map shows: these, or others while it shows what was. @type {{value: Map<string, Unicorn>, peek: () => Map<string, Unicorn>}} */
export const shown = signal(unicorns);
/** Bumped with every change. */
export const changes = signal(0);
/** How many there are. */
export const count = signal(0);
/** Readings of unicorns that the server has no room for. */
export const beyond = signal(0);
/** The one that is looked at, by name. */
export const chosen = signal("");

/** How well a unicorn is: by its worse points, as the workshop asks. @param {Unicorn} unicorn */
export function condition(unicorn) {
  const points = Math.min(unicorn.health ?? Infinity, unicorn.magic ?? Infinity);
  if (points === Infinity) return "unknown";
  if (points < 50) return "critical";
  return points < 100 ? "low" : "well";
}

on("fleet", (data) => {
  if (data.all) {
    const there = new Set(data.unicorns.map((row) => row[0]));
    for (const name of unicorns.keys()) if (!there.has(name)) unicorns.delete(name);
  }
  for (const row of data.unicorns) take(row);
  beyond.value = data.beyond;
  count.value = unicorns.size;
  changes.value++;
});

function take([name, latitude, longitude, speed, health, magic, arrivedAt, places]) {
  const known = unicorns.get(name);
  if (!known) {
    const trail = places ? places.flat() : [latitude, longitude];
    const from = trail.length > 2 ? trail.slice(-4, -2) : [latitude, longitude];
    const made = {
      name, latitude, longitude, fromLatitude: from[0], fromLongitude: from[1], heardAt: performance.now(),
      speed, health, magic, arrivedAt, heading: heading(from[0], from[1], latitude, longitude, Math.PI / 2), trail,
      y: stretch(latitude), fromY: stretch(from[0]), row: 0, healths: health === null ? [] : [health],
    };
    made.row = CONDITIONS.indexOf(condition(made));
    unicorns.set(name, made);
    return;
  }
  Object.assign(known, { speed, health, magic, arrivedAt });
  known.row = CONDITIONS.indexOf(condition(known));
  if (health !== null && known.healths.push(health) > HEALTHS_MAX) known.healths.shift();
  if (known.latitude === latitude && known.longitude === longitude) return;
  const shown = place(known, performance.now());
  known.heading = heading(known.latitude, known.longitude, latitude, longitude, known.heading);
  [known.fromLatitude, known.fromLongitude] = shown;
  Object.assign(known, { latitude, longitude, y: stretch(latitude), fromY: stretch(shown[0]), heardAt: performance.now() });
  known.trail.push(latitude, longitude);
  if (known.trail.length > 2 * TRAIL_MAX) known.trail.splice(0, known.trail.length - 2 * TRAIL_MAX);
}

/** Which way leads from one place to another. */
export function heading(latitudeA, longitudeA, latitudeB, longitudeB, otherwise) {
  const north = latitudeB - latitudeA;
  const east = (longitudeB - longitudeA) * Math.cos((latitudeA * Math.PI) / 180);
  return north === 0 && east === 0 ? otherwise : Math.atan2(north, east);
}

/** A second's way is shown in this time. */
const GLIDE = 950;
const still = matchMedia("(prefers-reduced-motion: reduce)");
/** In how many milliseconds a unicorn glides to its latest place; 0 for who wants no motion. */
export const glide = () => (still.matches ? 0 : GLIDE);

/** Where a unicorn is drawn: it glides to its latest place. @param {Unicorn} unicorn @param {number} at @returns {[number, number]} */
export function place(unicorn, at) {
  const part = still.matches ? 1 : Math.min((at - unicorn.heardAt) / GLIDE, 1);
  return [
    unicorn.fromLatitude + (unicorn.latitude - unicorn.fromLatitude) * part,
    unicorn.fromLongitude + (unicorn.longitude - unicorn.fromLongitude) * part,
  ];
}

second.subscribe(() => {
  const horizon = now() - SILENCE_MAX;
  let gone = 0;
  for (const unicorn of unicorns.values()) {
    if (unicorn.arrivedAt < horizon) { unicorns.delete(unicorn.name); gone++; }
  }
  if (gone) {
    count.value = unicorns.size;
    changes.value++;
  }
});
