// A small line of the last values.

import { html } from "../vendor/ui.js";

/** @param {{values: number[], label: string, foot?: number, least?: number}} props from `foot` up, over a range of `least` or more */
export function Line({ values, label, foot = 0, least = 1 }) {
  if (values.length < 2) return null;
  const range = Math.max(Math.max(...values) - foot, least), step = 120 / (values.length - 1);
  const points = values.map((value, at) => `${(at * step).toFixed(1)},${(26 - ((value - foot) / range) * 24).toFixed(1)}`).join(" ");
  return html`<svg class="spark" viewBox="0 0 120 28" preserveAspectRatio="none" role="img" aria-label=${label}><polyline points=${points} /></svg>`;
}
