// The bar under the map with which the last minutes are seen again.

import { html, signal, useEffect, useState } from "../../vendor/ui.js";
import { shown, unicorns } from "./fleet.js";
import { clock, span } from "../../parts/format.js";
import { icon } from "../../parts/icons.js";
import { now } from "../../parts/live.js";
import { overview, rateOf } from "../../parts/overview.js";
import { fetchReadings, Replay } from "./replay.js";

const SPEEDS = [1, 4, 16];
/** The bar's time is written so often, in milliseconds. */
const TOLD = 100;

/** What is seen again now, and where it is. */
export const playing = signal(/** @type {Replay | null} */ (null));
const at = signal(0);
const speed = signal(4);
const goes = signal(true);
/** The time that is shown, to the millisecond: `at` is what the bar says of it. */
let position = 0;

/** Moves on by what has passed since the last frame; whether there is something to paint. @param {number} passed milliseconds */
export function play(passed) {
  const replay = playing.peek();
  if (!replay) return false;
  if (goes.peek()) {
    position = Math.min(replay.to, position + passed * speed.peek());
    if (position >= replay.to) goes.value = false;
    if (Math.abs(position - at.peek()) >= TOLD * speed.peek() || !goes.peek()) at.value = position;
  }
  replay.show(position);
  return true;
}
const jump = (to) => { position = to; at.value = to; };

/** Back to what is now. */
export function live() {
  playing.value = null;
  shown.value = unicorns;
}

/** @param {{close: () => void}} props */
export function Player({ close }) {
  const [share, setShare] = useState(0);
  const [error, setError] = useState("");
  useEffect(() => {
    const stop = new AbortController();
    const { fleet, streams } = overview.peek();
    const stream = streams.find(({ name }) => name === fleet);
    fetchReadings({ stream: fleet, rate: stream ? rateOf(stream) : null, to: now(), told: setShare, signal: stop.signal }).then((found) => {
      const replay = new Replay(found);
      jump(replay.begin);
      goes.value = true;
      replay.show(replay.begin);
      playing.value = replay;
      shown.value = replay.unicorns;
    }, (failed) => { if (!stop.signal.aborted) setError(failed.message); });
    return () => { stop.abort(); live(); };
  }, []);
  const replay = playing.value;
  const end = html`<button class="small" onClick=${close}>Back to now</button>`;
  if (error) return html`<section class="player" aria-label="Replay"><p class="error" role="alert">${error}</p>${end}</section>`;
  if (!replay) return html`<section class="player" aria-label="Replay"><span role="status">Fetching the last minutes… ${Math.round(share * 100)} %</span>${end}</section>`;
  // Who looks for a moment wants to stay there: only the button plays on.
  const toggle = () => { if (at.peek() >= replay.to) jump(replay.begin); goes.value = !goes.peek(); };
  return html`<section class="player" aria-label="Replay">
    <button class="icon" onClick=${toggle} aria-label=${goes.value ? "Pause the replay" : "Play"} title=${goes.value ? "Pause the replay" : "Play"}>${icon(goes.value ? "pause" : "play")}</button>
    <input type="range" min=${replay.begin} max=${replay.to} step="100" value=${at.value} onInput=${(event) => { goes.value = false; jump(Number(event.target.value)); }} aria-label="Time" aria-valuetext=${clock(at.value)} />
    <b class="number">${clock(at.value)}</b><span class="quiet wideonly">of the last ${span((replay.to - replay.begin) / 1000)}</span>
    <label class="hidden" for="speed">Speed</label><select id="speed" value=${String(speed.value)} onChange=${(event) => { speed.value = Number(event.target.value); }}>${SPEEDS.map((times) => html`<option key=${times} value=${String(times)}>${times} ×</option>`)}</select>
    ${end}</section>`;
}
