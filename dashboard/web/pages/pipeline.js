// The way of a record: stream by stream, what reads it, where it goes, and where it waits.

import { html } from "../vendor/ui.js";
import { ago, clock, rate, span, whole } from "../parts/format.js";
import { now, second } from "../parts/live.js";
import { useCounts, value } from "../parts/metrics.js";
import { overview, rateOf } from "../parts/overview.js";

/** A consumer that is so many records or seconds behind is marked. */
const BEHIND_MAX = 10000;
const LAG_MAX = 60;

// What each kind of flow is called, and what it writes to. A kind without an entry here shows its own name.
const KINDS = { query: ["continuous query", "stream"], table: ["delivery to a table", "table"], archive: ["delivery to the archive", "objects"] };
const describe = (kind) => KINDS[kind] ?? [`delivery: ${kind}`, kind];

function Flow({ flow, counts }) {
  const one = flow.kind === "query" ? { query: flow.name } : { delivery: flow.name };
  const name = flow.kind === "query" ? "gallop_query" : "gallop_delivery";
  const running = value(counts.now, `${name}_running`, one);
  const restarts = value(counts.now, flow.kind === "query" ? "gallop_query_restarts_total" : "gallop_delivery_retries_total", one);
  const lag = value(counts.now, `${name}_lag_seconds`, one);
  const watermark = value(counts.now, "gallop_query_watermark_timestamp_seconds", one);
  const leftOut = value(counts.now, "gallop_query_left_out_records_total", one);
  const rows = value(counts.now, "gallop_query_rows_total", one);
  const delivered = value(counts.now, "gallop_delivery_records_total", one);
  const before = value(counts.before, "gallop_delivery_records_total", one);
  const dead = value(counts.now, "gallop_delivery_dead_letters_total", one);
  const mood = running === 0 ? "bad" : (flow.behind ?? 0) > BEHIND_MAX || (lag ?? 0) > LAG_MAX ? "wait" : "good";
  const words = { good: "runs", wait: "behind", bad: "stopped" };
  return html`<li class="flow">
    <span class="arrow" aria-hidden="true"></span>
    <div class="step"><header><h3>${flow.name}</h3><span class="state"><span class="dot still ${mood}" aria-hidden="true"></span>${running === null ? "…" : words[mood]}</span></header>
      <p class="quiet">${describe(flow.kind)[0]}</p>
      <dl>${flow.behind !== null && html`<dt>records to read</dt><dd>${whole(flow.behind)} records</dd>`}
        ${lag !== null && html`<dt>${flow.kind === "query" ? "window overdue by" : "oldest waiting record"}</dt><dd>${span(lag)}</dd>`}
        ${watermark ? html`<dt>watermark</dt><dd>${ago(now() - watermark * 1000)}</dd>` : null}
        ${flow.window_end !== null && html`<dt>open window ends</dt><dd>${clock(flow.window_end)}</dd>`}
        ${rows !== null && html`<dt>rows written</dt><dd>${whole(rows)}</dd>`}
        ${leftOut !== null && html`<dt>expired or unreadable</dt><dd>${whole(leftOut)} records</dd>`}
        ${delivered !== null && html`<dt>delivered</dt><dd>${whole(delivered)}, ${rate(Math.max(0, delivered - (before ?? delivered)) / counts.seconds)}/s</dd>`}
        ${restarts !== null && html`<dt>${flow.kind === "query" ? "restarts" : "failed attempts"}</dt><dd>${whole(restarts)}</dd>`}
        ${dead ? html`<dt>dead letters</dt><dd>${whole(dead)} records</dd>` : null}</dl>
      ${flow.last_error && html`<p class="error"><b>${ago(now() - flow.last_error.at)}:</b> ${flow.last_error.message}</p>`}</div>
    <span class="arrow" aria-hidden="true"></span>
    <div class="step end"><h3>${flow.kind === "query" ? html`<a href=${`#/records/${encodeURIComponent(flow.target)}`}>${flow.target}</a>` : flow.target}</h3>
      <p class="quiet">${describe(flow.kind)[1]}</p></div></li>`;
}

export default function PipelinePage() {
  second.value;
  const counts = useCounts();
  const { streams, flows } = overview.value;
  // Sources before what is made of them.
  const made = new Set(flows.filter((flow) => flow.kind === "query").map((flow) => flow.target));
  const ordered = [...streams].sort((a, b) => Number(made.has(a.name)) - Number(made.has(b.name)));
  return html`<div class="page"><header class="title"><h1>Pipeline</h1><p class="quiet">Each stream, its queries and deliveries, and how far they are.</p></header>
    ${counts.error && html`<p class="error" role="alert">${counts.error}</p>`}
    ${ordered.map((stream) => {
      const readers = flows.filter((flow) => flow.source === stream.name);
      const put = value(counts.now, "gallop_stream_bytes_total", { stream: stream.name });
      const before = value(counts.before, "gallop_stream_bytes_total", { stream: stream.name });
      const refused = value(counts.now, "gallop_stream_throttled_records_total", { stream: stream.name });
      return html`<section class="panel lane" key=${stream.name} aria-label=${`Stream ${stream.name}`}>
        <div class="step source"><header><h2><a href=${`#/records/${encodeURIComponent(stream.name)}`}>${stream.name}</a></h2></header>
          ${stream.error ? html`<p class="error">${stream.error}</p>` : html`<dl><dt>records</dt><dd>${rate(rateOf(stream))}/s</dd>
            ${put !== null && before !== null && html`<dt>put</dt><dd>${rate(Math.max(0, put - before) / counts.seconds / 1000)} KB/s</dd>`}
            <dt>open shards</dt><dd>${whole(stream.shards.length + stream.more_shards)}</dd>
            ${refused ? html`<dt>throttled</dt><dd>${whole(refused)}</dd>` : null}</dl>`}</div>
        <ul class="flows">${readers.map((flow) => html`<${Flow} key=${flow.name} flow=${flow} counts=${counts} />`)}
          ${!readers.length && html`<li class="quiet pad">Nothing on this server reads it.</li>`}</ul></section>`;
    })}
    ${!streams.length && html`<p class="quiet">There is no stream yet. Create one, for example with <code>gallop sim --create-shards 2</code></p>`}
  </div>`;
}
