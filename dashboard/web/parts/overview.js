// Streams, shards and consumers, as the server saw them last.

import { signal } from "../vendor/ui.js";
import { on } from "./live.js";

/**
 * @typedef {{id: string, start: string, end: string, parents: string[], records: number, rate: number | null}} Shard
 * @typedef {{name: string, created_at: number, retention_seconds: number, mode: string, shards: Shard[], more_shards: number, closed: number, error: string | null}} Stream
 * @typedef {{name: string, kind: "query" | "table" | "archive", source: string, target: string, state: string, since: number, restarts: number, behind: number | null, expired: number, last_error: {at: number, message: string} | null, lag: number, watermark: number | null, window_end: number | null, rows: number | null, left_out: number | null, delivered: number | null, delivered_per_second: number | null, retries: number | null, dead_letters: number | null}} Flow
 */

/** What there is; `fleet` is the stream whose readings the map shows. @type {import("../vendor/ui.js").Signal<{fleet: string, streams: Stream[], more_streams: number, flows: Flow[]}>} */
export const overview = signal({ fleet: "", streams: [], more_streams: 0, flows: [] });
/** Records a second by stream, the last minutes. @type {Map<string, number[]>} */
export const history = new Map();
const HISTORY_MAX = 120;

/** Records a second of all open shards. @param {Stream} stream */
export function rateOf(stream) {
  const known = stream.shards.filter((shard) => shard.rate !== null);
  return known.length ? known.reduce((sum, shard) => sum + shard.rate, 0) : null;
}

on("streams", (data) => {
  for (const stream of data.streams) {
    const rate = rateOf(stream);
    if (rate === null) continue;
    const kept = history.get(stream.name) ?? [];
    kept.push(rate);
    if (kept.length > HISTORY_MAX) kept.shift();
    history.set(stream.name, kept);
  }
  overview.value = data;
});
