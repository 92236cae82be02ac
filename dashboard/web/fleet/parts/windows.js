// What queries found, window by window, and what each second brought: for charts.

import { signal } from "../../vendor/ui.js";
import { on } from "../../parts/live.js";

/** Windows and seconds that are kept, as on the server. */
const ENDS_MAX = 120;
const SECONDS_MAX = 180;

/**
 * @typedef {object} Query
 * @property {string} name @property {string} source @property {string} output
 * @property {number | null} complete_until
 * @property {Map<number, {end: number, rows: number, columns: Record<string, [number, number, number]>}>} ends by time; a column is sum, least and most
 */

/** @type {Map<string, Query>} */
export const queries = new Map();
/** `[second, records, distance, health range, magic range]` by second. @type {Map<number, any[]>} */
export const seconds = new Map();
/** Bumped with every change. */
export const changes = signal(0);

on("windows", (data) => {
  if (data.all) {
    queries.clear();
    seconds.clear();
  }
  for (const { ends, ...query } of data.queries) {
    const known = queries.get(query.name)?.ends ?? new Map();
    for (const end of ends) known.set(end.end, end);
    trim(known, ENDS_MAX);
    queries.set(query.name, { ...query, ends: known });
  }
  for (const second of data.seconds) seconds.set(second[0], second);
  trim(seconds, SECONDS_MAX);
  changes.value++;
});

/** Lets go of the oldest. */
function trim(map, max) {
  if (map.size <= max) return;
  const old = [...map.keys()].sort((a, b) => a - b).slice(0, map.size - max);
  for (const key of old) map.delete(key);
}

/** Windows in order of time. @param {Query} query */
export const inOrder = (query) => [...query.ends.values()].sort((a, b) => a.end - b.end);

/** The length of a query's windows in milliseconds, as far as two of them show it. @param {Query} query */
export function length(query) {
  const ends = [...query.ends.keys()].sort((a, b) => a - b);
  let least = Infinity;
  for (let i = 1; i < ends.length; i++) least = Math.min(least, ends[i] - ends[i - 1]);
  return least === Infinity ? null : least;
}

/** What has arrived from `from` on: the window that is still open. @param {number} from milliseconds */
export function openSince(from) {
  const sum = { records: 0, distance: 0, health: null, magic: null };
  for (const [at, records, distance, health, magic] of seconds.values()) {
    if (at * 1000 < from) continue;
    sum.records += records;
    sum.distance += distance;
    sum.health = widen(sum.health, health);
    sum.magic = widen(sum.magic, magic);
  }
  return sum;
}

const widen = (range, other) => (!range ? other : !other ? range : [Math.min(range[0], other[0]), Math.max(range[1], other[1])]);
