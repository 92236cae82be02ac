// The last minutes again: readings are fetched from the stream, and the fleet is put where it was.

import { CONDITIONS } from "../map/glyphs.js";
import { stretch } from "../map/view.js";
import { askJson } from "../../parts/api.js";
import { condition, heading } from "./fleet.js";

/** How far back, in milliseconds. */
export const BACK_MAX = 300000;
/** The most readings that are fetched: a large fleet is shown for a shorter time. */
const READINGS_MAX = 30000;
/** Readings of one answer, the most that the server gives. */
const PAGE = 500;
/** Silent for so long: gone, as on the live map. */
const SILENCE_MAX = 30000;
/** Places of a trail. */
const TRAIL_MAX = 30;

/** @typedef {{at: number, latitude: number, longitude: number, speed: number | null, health: number | null, magic: number | null}} Reading */

const number = (value) => (typeof value === "number" ? value : null);

/**
 * Fetches what a stream of readings brought until `to`.
 * @param {{stream: string, rate: number | null, to: number, told: (share: number) => void, signal: AbortSignal}} wanted `rate` is in readings a second
 */
export async function fetchReadings({ stream, rate, to, told, signal }) {
  const from = to - Math.min(BACK_MAX, (READINGS_MAX / Math.max(rate ?? 0, 1)) * 1000);
  /** @type {Map<string, Reading[]>} */
  const tracks = new Map();
  let cursor = "", readings = 0;
  while (readings < READINGS_MAX) {
    const query = new URLSearchParams({ limit: String(PAGE), ...(cursor ? { cursor } : { position: "AT_TIMESTAMP", value: String(Math.round(from)) }) });
    const answer = await askJson(`v1/streams/${encodeURIComponent(stream)}/records?${query}`, { signal });
    cursor = answer.cursor;
    readings += answer.records.length;
    for (const record of answer.records) take(tracks, record);
    const newest = answer.records.at(-1);
    const last = newest ? Date.parse(newest.arrived_at) : to;
    told(Math.min(1, Math.max((last - from) / (to - from), readings / READINGS_MAX)));
    if (answer.at_tip || last > to) break;
  }
  for (const track of tracks.values()) track.sort((a, b) => a.at - b.at);
  return { from, to, tracks };
}

function take(tracks, record) {
  const data = record.data ?? {};
  const { Name, Latitude, Longitude } = data;
  if (typeof Name !== "string" || !Name || !(Math.abs(Latitude) <= 90) || !(Math.abs(Longitude) <= 180)) return;
  const track = tracks.get(Name) ?? [];
  track.push({ at: Date.parse(record.arrived_at), latitude: Latitude, longitude: Longitude, speed: number(data.Distance), health: number(data.HealthPoints), magic: number(data.MagicPoints) });
  tracks.set(Name, track);
}

/** A fleet that is put where it was at any time. */
export class Replay {
  /** @type {Map<string, import("./fleet.js").Unicorn>} */
  unicorns = new Map();

  /** @param {{from: number, to: number, tracks: Map<string, Reading[]>}} found */
  constructor({ from, to, tracks }) {
    this.tracks = tracks;
    // Before the first reading there is nothing to see, and the server's clock may be ahead.
    this.begin = tracks.size ? to : from;
    this.to = to;
    for (const track of tracks.values()) {
      this.begin = Math.min(this.begin, track[0].at);
      this.to = Math.max(this.to, track.at(-1).at);
    }
  }

  /** Puts everybody where they were. @param {number} at milliseconds */
  show(at) {
    for (const [name, track] of this.tracks) {
      const last = lastBefore(track, at), now = track[last];
      if (!now || at - now.at > SILENCE_MAX) this.unicorns.delete(name);
      else this.unicorns.set(name, this.place(name, track, last, at));
    }
  }

  place(name, track, last, at) {
    const now = track[last], next = track[last + 1] ?? now, before = track[last - 1] ?? now;
    const part = next === now || next.at - now.at > SILENCE_MAX ? 0 : (at - now.at) / Math.max(1, next.at - now.at);
    const latitude = now.latitude + (next.latitude - now.latitude) * part, longitude = now.longitude + (next.longitude - now.longitude) * part;
    const known = this.unicorns.get(name), from = next === now ? before : now;
    const unicorn = known ?? /** @type {import("./fleet.js").Unicorn} */ ({ name, heardAt: 0 });
    Object.assign(unicorn, { latitude, longitude, fromLatitude: latitude, fromLongitude: longitude, y: stretch(latitude), speed: now.speed, health: now.health, magic: now.magic, arrivedAt: now.at });
    unicorn.fromY = unicorn.y;
    unicorn.heading = heading(from.latitude, from.longitude, next.latitude, next.longitude, known?.heading ?? Math.PI / 2);
    unicorn.row = CONDITIONS.indexOf(condition(unicorn));
    unicorn.trail = track.slice(Math.max(0, last - TRAIL_MAX), last + 1).flatMap((reading) => [reading.latitude, reading.longitude]).concat(latitude, longitude);
    return unicorn;
  }
}

/** The last reading that is not after `at`; -1 where there is none. @param {Reading[]} track */
function lastBefore(track, at) {
  let [low, high] = [0, track.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (track[middle].at <= at) low = middle + 1; else high = middle;
  }
  return low - 1;
}
