// The fleet as a table: what the map shows, for whoever reads instead of looking.

import { html, useMemo, useRef, useState } from "../../vendor/ui.js";
import { chosen, condition, count, unicorns } from "../parts/fleet.js";
import { ago, tenth, whole } from "../../parts/format.js";
import { Line } from "../../parts/line.js";
import { now, second } from "../../parts/live.js";
import { Virtual } from "../../parts/virtual.js";

/** Key, title, and what it is sorted by. @type {[string, string, (unicorn: import("../parts/fleet.js").Unicorn) => string | number][]} */
const COLUMNS = [
  ["name", "Unicorn", (unicorn) => unicorn.name],
  ["condition", "Condition", (unicorn) => ["critical", "low", "well", "unknown"].indexOf(condition(unicorn))],
  ["health", "Health", (unicorn) => unicorn.health ?? -Infinity],
  ["trend", "Recent health", (unicorn) => (unicorn.healths.at(-1) ?? 0) - (unicorn.healths[0] ?? 0)],
  ["magic", "Magic", (unicorn) => unicorn.magic ?? -Infinity],
  ["speed", "Speed, km/h", (unicorn) => unicorn.speed ?? -Infinity],
  ["place", "Latitude, longitude", (unicorn) => unicorn.latitude],
  ["heard", "Heard", (unicorn) => -unicorn.arrivedAt],
];
/** The line of a unicorn's health, over a range of some points at least. */
function trend({ name, healths }) {
  const low = Math.min(...healths), high = Math.max(...healths), spare = Math.max(0, RANGE_MIN - (high - low)) / 2;
  return html`<${Line} values=${healths} foot=${low - spare} least=${RANGE_MIN} label=${`Health of ${name}: from ${whole(low)} to ${whole(high)}, recently`} />`;
}
const RANGE_MIN = 10;
const WORDS = { well: "well", low: "low", critical: "critical", unknown: "unknown" };

export function FleetPage() {
  const [sort, setSort] = useState({ by: "name", down: false });
  const [needle, setNeedle] = useState("");
  const [only, setOnly] = useState("");
  const rows = useMemo(() => {
    const value = COLUMNS.find(([key]) => key === sort.by)[2];
    const wanted = needle.trim().toLowerCase();
    const all = [...unicorns.values()].filter((unicorn) => (!wanted || unicorn.name.toLowerCase().includes(wanted)) && (!only || condition(unicorn) === only));
    const way = sort.down ? -1 : 1;
    const compare = (a, b) => (typeof a === "string" ? a.localeCompare(b, "en", { numeric: true }) : a - b);
    return all.sort((a, b) => way * compare(value(a), value(b)) || a.name.localeCompare(b.name, "en", { numeric: true }));
  }, [second.value, count.value, sort, needle, only]);
  const header = COLUMNS.map(([key, title]) => {
    const sorted = sort.by === key;
    return html`<th key=${key} scope="col" class=${key} aria-sort=${sorted ? (sort.down ? "descending" : "ascending") : undefined}>
      <button onClick=${() => setSort({ by: key, down: sorted && !sort.down })}>${title}<span aria-hidden="true">${sorted ? (sort.down ? " ↓" : " ↑") : ""}</span></button></th>`;
  });
  const at = now();
  const row = (unicorn) => {
    const how = condition(unicorn);
    return [
      html`<th scope="row" class="name"><a href="#/map" onClick=${() => { chosen.value = unicorn.name; }}>${unicorn.name}</a></th>`,
      html`<td class="condition"><span class="mark ${how}" aria-hidden="true"></span>${WORDS[how]}</td>`,
      html`<td class="health number">${whole(unicorn.health)}</td>`, html`<td class="trend">${trend(unicorn)}</td>`,
      html`<td class="magic number">${whole(unicorn.magic)}</td>`,
      html`<td class="speed number">${unicorn.speed === null ? "–" : tenth(unicorn.speed * 3.6)}</td>`,
      html`<td class="place number">${unicorn.latitude.toFixed(5)}, ${unicorn.longitude.toFixed(5)}</td>`,
      html`<td class="heard number">${ago(at - unicorn.arrivedAt)}</td>`,
    ];
  };
  return html`<div class="page tall">
    <header class="title"><h1>Fleet</h1><p class="quiet">${whole(rows.length)} of ${whole(count.value)} unicorns that were heard in the last 30 seconds</p></header>
    <div class="filters">
      <label>Name <input type="search" value=${needle} onInput=${(event) => setNeedle(event.target.value)} autocomplete="off" /></label>
      <label>Condition <select value=${only} onChange=${(event) => setOnly(event.target.value)}>
        <option value="">any</option><option value="well">well</option><option value="low">low</option><option value="critical">critical</option></select></label>
    </div>
    <${Virtual} label="Fleet" header=${header} rows=${rows} row=${row} id=${(unicorn) => unicorn.name} empty=${count.value ? "No unicorn matches." : "No unicorn has sent a reading yet."} />
  </div>`;
}
