// The way of a record: stream by stream, what reads it, where it goes, and where it waits.

import { html } from "../../vendor/ui.js";
import { ago, clock, rate, span, whole } from "../../parts/format.js";
import { now, second } from "../../parts/live.js";
import { useCounts, value } from "../parts/metrics.js";
import { overview, rateOf } from "../../parts/overview.js";

/** A consumer that is so many records or milliseconds behind is marked. */
const BEHIND_MAX = 10000;
const LAG_MAX = 60_000;

// What each kind of flow is called, and what it writes to. A kind without an entry here shows its own name.
const KINDS = { query: ["continuous query", "stream"], table: ["delivery to a table", "table"], archive: ["delivery to the archive", "objects"] };
const describe = (kind) => KINDS[kind] ?? [`delivery: ${kind}`, kind];

/** What the state of a flow looks like, and is called. @type {Record<string, [string, string]>} */
const STATES = {
  starting: ["wait", "is starting"],
  running: ["good", "runs"],
  retrying: ["bad", "fails and is retried"],
  standing_by: ["wait", "waits for another server"],
  paused: ["wait", "is paused"],
  failed: ["bad", "has failed"],
  stopped: ["bad", "has stopped"],
};

function Flow({ flow }) {
  const query = flow.kind === "query";
  const late = (flow.behind ?? 0) > BEHIND_MAX || flow.lag > LAG_MAX;
  const [mood, words] = flow.state === "running" && late ? ["wait", "is behind"] : (STATES[flow.state] ?? ["wait", flow.state]);
  return html`<li class="flow">
    <span class="arrow" aria-hidden="true"></span>
    <div class="step"><header><h3>${flow.name}</h3><span class="state" title=${`since ${clock(flow.since)}`}><span class="dot still ${mood}" aria-hidden="true"></span>${words}</span></header>
      <p class="quiet">${describe(flow.kind)[0]}</p>
      <dl>${flow.behind !== null && html`<dt>records to read</dt><dd>${whole(flow.behind)} records</dd>`}
        <dt>${query ? "window overdue by" : "oldest waiting record"}</dt><dd>${span(flow.lag / 1000)}</dd>
        ${flow.watermark !== null && html`<dt>watermark</dt><dd>${ago(now() - flow.watermark)}</dd>`}
        ${flow.window_end !== null && html`<dt>open window ends</dt><dd>${clock(flow.window_end)}</dd>`}
        ${flow.rows !== null && html`<dt>rows written</dt><dd>${whole(flow.rows)}</dd>`}
        ${flow.left_out !== null && html`<dt>left out</dt><dd>${whole(flow.left_out)} records</dd>`}
        <dt>expired</dt><dd>${whole(flow.expired)} records</dd>
        ${flow.delivered !== null && html`<dt>delivered</dt><dd>${whole(flow.delivered)}, ${rate(flow.delivered_per_second)}/s</dd>`}
        ${flow.retries !== null && html`<dt>failed attempts</dt><dd>${whole(flow.retries)}</dd>`}
        <dt>restarts</dt><dd>${whole(flow.restarts)}</dd>
        ${flow.dead_letters ? html`<dt>dead letters</dt><dd>${whole(flow.dead_letters)} records</dd>` : null}</dl>
      ${flow.last_error && html`<p class="error"><b>${ago(now() - flow.last_error.at)}:</b> ${flow.last_error.message}</p>`}</div>
    <span class="arrow" aria-hidden="true"></span>
    <div class="step end"><h3>${query ? html`<a href=${`#/records/${encodeURIComponent(flow.target)}`}>${flow.target}</a>` : flow.target}</h3>
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
        <ul class="flows">${readers.map((flow) => html`<${Flow} key=${`${flow.kind} ${flow.name}`} flow=${flow} />`)}
          ${!readers.length && html`<li class="quiet pad">Nothing on this server reads it.</li>`}</ul></section>`;
    })}
    ${!streams.length && html`<p class="quiet">There is no stream yet. Create one, for example with <code>gallop sim --create-shards 2</code></p>`}
  </div>`;
}
