// What a query found, as rows or as a picture.

import { html, useEffect, useMemo, useRef, useState } from "../../vendor/ui.js";
import Plot from "../../vendor/plot.js";
import { tenth, whole } from "../../parts/format.js";
import { colour, dark } from "../../parts/theme.js";

/** Bars of a chart of names, and points of a chart over time. */
const BARS_MAX = 40;
const POINTS_MAX = 5000;
const HEIGHT = 320;

const isNumber = (value) => typeof value === "number";
/** Milliseconds of a time, as SQL writes it; not a number otherwise. */
const time = (value) => (typeof value === "string" && /^\d{4}-\d\d-\d\d/.test(value) ? Date.parse(`${value.replace(" ", "T")}${/Z|[+-]\d\d:\d\d$/.test(value) ? "" : "Z"}`) : NaN);

/** Columns of numbers. @param {string[]} columns @param {Record<string, any>[]} rows */
function numbers(columns, rows) {
  const some = rows.slice(0, 50);
  return columns.filter((column) => some.some((row) => isNumber(row[column])) && some.every((row) => row[column] === null || isNumber(row[column])));
}

/** @param {{columns: string[], rows: Record<string, any>[]}} props */
export function Picture({ columns, rows }) {
  const numeric = numbers(columns, rows);
  const [chosen, choose] = useState({ y: "", x: "" });
  const x = columns.includes(chosen.x) ? chosen.x : columns.find((column) => !numeric.includes(column)) ?? columns[0];
  const y = numeric.includes(chosen.y) ? chosen.y : numeric.find((column) => column !== x) ?? numeric[0];
  const points = useMemo(() => rows.filter((row) => isNumber(row[y]) && row[x] !== null), [rows, x, y]);
  const inTime = useMemo(() => points.length > 1 && points.every((row) => !Number.isNaN(time(row[x]))), [points, x]);
  const inOrder = inTime || (points.length > 1 && numeric.includes(x) && x !== y);
  const line = useMemo(() => (inOrder ? points.slice(0, POINTS_MAX).map((row) => [inTime ? time(row[x]) / 1000 : row[x], row[y]]).sort((a, b) => a[0] - b[0]) : []), [points, x, y, inOrder]);
  return html`<section class="picture scroll pad" aria-label="Chart" tabindex="0">
    <div class="row"><label>Show <select value=${y} onChange=${(event) => choose({ x, y: event.target.value })}>${numeric.map((column) => html`<option key=${column}>${column}</option>`)}</select></label>
      <label>by <select value=${x} onChange=${(event) => choose({ x: event.target.value, y })}>${columns.map((column) => html`<option key=${column}>${column}</option>`)}</select></label></div>
    ${inOrder ? html`<${Over} points=${line} inTime=${inTime} title=${`${y} by ${x}`} />`
      : html`<${Bars} points=${points.slice(0, BARS_MAX).map((row) => [String(row[x]), row[y]])} title=${`${y} by ${x}`} />`}
    ${points.length > (inOrder ? POINTS_MAX : BARS_MAX) && html`<p class="quiet">The first ${whole(inOrder ? POINTS_MAX : BARS_MAX)} of ${whole(points.length)} rows.</p>`}
  </section>`;
}

function Bars({ points, title }) {
  const most = Math.max(...points.map(([, value]) => Math.abs(value)), Number.MIN_VALUE);
  return html`<table class="bars"><caption class="hidden">${title}</caption><tbody>${points.map(([name, value], at) => html`<tr key=${at}><th scope="row" class="cut">${name}</th>
    <td class="length"><span class=${value < 0 ? "below" : ""} style=${{ width: `${(Math.abs(value) / most) * 100}%` }}></span></td><td class="number">${Number.isInteger(value) ? whole(value) : tenth(value)}</td></tr>`)}</tbody></table>`;
}

function Over({ points, inTime, title }) {
  const box = useRef(null);
  useEffect(() => {
    const [line, soft, grid, text] = ["--chart", "--chart-soft", "--chart-grid", "--quiet"].map(colour);
    const axis = { stroke: text, font: `12px ${getComputedStyle(document.body).fontFamily}`, grid: { stroke: grid, width: 1 }, ticks: { show: false } };
    const plot = new Plot({
      width: Math.max(200, box.current.clientWidth), height: HEIGHT, legend: { show: false }, scales: { x: { time: inTime } }, axes: [axis, { ...axis, size: 64 }],
      cursor: { drag: { x: false, y: false } }, series: [{}, { stroke: line, fill: soft, width: 2, points: { show: points.length < 60 } }],
    }, [points.map(([at]) => at), points.map(([, value]) => value)], box.current);
    const observer = new ResizeObserver(([entry]) => plot.setSize({ width: Math.max(200, entry.contentRect.width), height: HEIGHT }));
    observer.observe(box.current);
    return () => { observer.disconnect(); plot.destroy(); };
  }, [points, dark.value]);
  const values = points.map(([, value]) => value);
  return html`<div ref=${box} role="img" aria-label=${`${title}: ${whole(points.length)} points from ${tenth(Math.min(...values))} to ${tenth(Math.max(...values))}`}></div>`;
}
