// Charts of what continuous queries found, window by window.

import { html } from "../../vendor/ui.js";
import { Chart } from "../parts/chart.js";
import { ago, clock, span, whole } from "../../parts/format.js";
import { now } from "../../parts/live.js";
import { changes, inOrder, length, openSince, queries, seconds } from "../parts/windows.js";

/** Windows that a chart shows. */
const SHOWN_MAX = 60;

/** The charts of a query: columns that begin with Min and Max are a band together, others are sums. */
function charts(columns) {
  const found = [], taken = new Set();
  for (const name of columns) {
    const rest = /^Min(.+)$/.exec(name)?.[1];
    if (rest && columns.includes(`Max${rest}`)) {
      found.push({ title: spaced(rest), kind: "band", low: name, high: `Max${rest}` });
      taken.add(name).add(`Max${rest}`);
    }
  }
  const sums = columns.filter((name) => !taken.has(name)).map((name) => ({ title: `${spaced(name)}, sum`, kind: "bars", low: name, high: name }));
  return [...sums, ...found];
}
const spaced = (name) => name.replace(/([a-z])([A-Z])/g, (_, a, b) => `${a} ${b.toLowerCase()}`);

/** What the page itself has summed up of the open window, by column. */
function partial(chart, open) {
  const range = { HealthPoints: open.health, MagicPoints: open.magic }[chart.low.replace(/^Min/, "")];
  if (chart.kind === "band" && range) return { low: range[0], high: range[1] };
  return { low: null, high: chart.low === "Distance" ? open.distance : null };
}

function QueryPanel({ query }) {
  const windows = inOrder(query).slice(-SHOWN_MAX);
  const known = length(query), last = windows.at(-1);
  // One window alone does not show how long it is.
  const width = known ?? (last && last.end % 60000 === 0 ? 60000 : 10000);
  const columns = [...new Set(windows.flatMap((window) => Object.keys(window.columns)))];
  const at = now();
  // Windows end on multiples of their length.
  const from = known || !last ? Math.floor(at / width) * width : Math.min(last.end, at);
  const sum = openSince(from);
  const title = html`<header><h2>${query.name}</h2><p class="quiet">${query.source} → ${query.output}${known && html`, windows of ${span(width / 1000)}`}</p></header>`;
  if (!windows.length) {
    return html`<section class="panel">${title}<p>No window has closed yet. The first closes once the stream's time has passed its end${sum.records ? html`: ${whole(sum.records)} records are in it so far.` : "."}</p></section>`;
  }
  const table = windows.slice(-10).reverse();
  return html`<section class="panel" aria-label=${query.name}>${title}
    <p class="facts"><span>last window closed <b>${clock(last.end)}</b></span><span><b>${whole(last.rows)}</b> rows in it</span>
      <span>watermark <b>${query.complete_until ? ago(at - query.complete_until) : "unknown"}</b></span><span>open window: <b>${whole(sum.records)}</b> records so far</span></p>
    <div class="charts">${charts(columns).map((chart) => {
      const open = { from, to: Math.max(at, from + 1), ...partial(chart, sum) };
      return html`<${Chart} key=${chart.title} title=${chart.title} kind=${chart.kind} width=${width} watermark=${query.complete_until}
        ends=${windows.map((window) => window.end)} open=${open}
        low=${windows.map((window) => window.columns[chart.low]?.[1] ?? null)}
        high=${windows.map((window) => window.columns[chart.high]?.[chart.kind === "bars" ? 0 : 2] ?? null)} />`;
    })}</div>
    <details><summary>The last windows as a table</summary><div class="scroll short" tabindex="0" role="region" aria-label=${`Windows of ${query.name}`}><table>
      <thead><tr><th scope="col">Until</th><th scope="col" class="number">Rows</th>${charts(columns).map((chart) => html`<th scope="col" class="number">${chart.title}</th>`)}</tr></thead>
      <tbody>${table.map((window) => html`<tr key=${window.end}><th scope="row">${clock(window.end)}</th><td class="number">${whole(window.rows)}</td>
        ${charts(columns).map((chart) => html`<td class="number">${chart.kind === "bars" ? whole(window.columns[chart.high]?.[0]) : `${whole(window.columns[chart.low]?.[1])} to ${whole(window.columns[chart.high]?.[2])}`}</td>`)}</tr>`)}</tbody></table></div></details>
  </section>`;
}

export default function WindowsPage() {
  changes.value;
  const all = [...queries.values()].sort((a, b) => (length(a) ?? Infinity) - (length(b) ?? Infinity) || b.ends.size - a.ends.size);
  return html`<div class="page"><header class="title"><h1>Windows</h1><p class="quiet">Results of continuous queries, over all groups. Hatched: the window that is still open. Dashed: the watermark; no earlier record will arrive.</p></header>
    ${all.map((query) => html`<${QueryPanel} key=${query.name} query=${query} />`)}
    ${!all.length && html`<section class="panel"><p>No continuous query runs on this server. Write one as a file of SQL and name it in the settings:</p><pre class="code">[queries.per-minute]
sql = "per-minute.sql"
streams = { SOURCE_SQL_STREAM_001 = "wildrydes", DESTINATION_SQL_STREAM = "wildrydes-summary" }</pre></section>`}
  </div>`;
}
