// A small line of the last values.

import { html } from "../vendor/ui.js";

/** @param {{values: number[], label: string}} props */
export function Line({ values, label }) {
  if (values.length < 2) return null;
  const most = Math.max(...values, 1), step = 120 / (values.length - 1);
  const points = values.map((value, at) => `${(at * step).toFixed(1)},${(26 - (value / most) * 24).toFixed(1)}`).join(" ");
  return html`<svg class="spark" viewBox="0 0 120 28" preserveAspectRatio="none" role="img" aria-label=${label}><polyline points=${points} /></svg>`;
}
