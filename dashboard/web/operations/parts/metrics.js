// The server's own counts: Prometheus' text, read as values.

import { ask } from "../../parts/api.js";
import { usePolled } from "../../parts/polled.js";

/** Counts are asked for so often, in milliseconds. */
const PAUSE = 2000;

/** @typedef {{name: string, labels: Record<string, string>, value: number}} Sample */

/** @returns {Promise<Sample[]>} */
export async function scrape() {
  const text = await (await ask("metrics")).text();
  const samples = [];
  for (const line of text.split("\n")) {
    const found = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)$/.exec(line);
    if (!found) continue;
    const labels = {};
    for (const [, name, value] of (found[2] ?? "").matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)) labels[name] = value.replace(/\\(.)/g, (_, c) => (c === "n" ? "\n" : c));
    samples.push({ name: found[1], labels, value: Number(found[3]) });
  }
  return samples;
}

/** The server's counts, asked for again and again, with those before. */
export function useCounts() {
  const { now, before, seconds, error } = usePolled(scrape, PAUSE);
  return { now: now ?? [], before: before ?? [], seconds, error };
}

/** One value; none where there is no such sample. @param {Sample[]} samples @param {string} name @param {Record<string, string>} [labels] */
export function value(samples, name, labels = {}) {
  const wanted = Object.entries(labels);
  return samples.find((sample) => sample.name === name && wanted.every(([key, text]) => sample.labels[key] === text))?.value ?? null;
}

/** The quantile of a histogram, interpolated within its bucket. @param {Sample[]} samples */
export function quantile(samples, name, labels, part) {
  const wanted = Object.entries(labels);
  const buckets = samples
    .filter((sample) => sample.name === `${name}_bucket` && wanted.every(([key, text]) => sample.labels[key] === text))
    .map((sample) => [sample.labels.le === "+Inf" ? Infinity : Number(sample.labels.le), sample.value])
    .sort((a, b) => a[0] - b[0]);
  const all = buckets.at(-1)?.[1] ?? 0;
  if (!all) return null;
  let [below, before] = [0, 0];
  for (const [bound, count] of buckets) {
    if (count >= all * part) return bound === Infinity ? below : below + ((bound - below) * (all * part - before)) / Math.max(1, count - before);
    [below, before] = [bound, count];
  }
  return null;
}
