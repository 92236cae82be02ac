// Streams and their shards: which keys each owns, and how busy it is.

import { html } from "../vendor/ui.js";
import { rate, span, whole } from "../parts/format.js";
import { history, overview, rateOf } from "../parts/overview.js";

/** A shard is hot when it has so many times its share of the stream's records. */
const HOT = 1.75;
const ALL = 2n ** 128n;

/** A number of the hash space as a part of it. @param {string} key */
const part = (key) => Number((BigInt(key) * 1000000n) / ALL) / 10000;

function Line({ values, label }) {
  if (values.length < 2) return null;
  const most = Math.max(...values, 1), step = 120 / (values.length - 1);
  const points = values.map((value, at) => `${(at * step).toFixed(1)},${(26 - (value / most) * 24).toFixed(1)}`).join(" ");
  return html`<svg class="spark" viewBox="0 0 120 28" preserveAspectRatio="none" role="img" aria-label=${label}><polyline points=${points} /></svg>`;
}

function Stream({ stream }) {
  if (stream.error) return html`<section class="panel"><header><h2>${stream.name}</h2></header><p class="error" role="alert">${stream.error}</p></section>`;
  const all = rateOf(stream);
  const fair = all ? all / stream.shards.length : 0;
  const shards = [...stream.shards].sort((a, b) => (BigInt(a.start) < BigInt(b.start) ? -1 : 1));
  const hot = (shard) => shards.length > 1 && all > 1 && shard.rate > fair * HOT;
  const recent = history.get(stream.name) ?? [];
  return html`<section class="panel" aria-label=${stream.name}>
    <header><h2>${stream.name}</h2><p class="quiet">${stream.mode.replace("_", " ").toLowerCase()}, keeps records for ${span(stream.retention_seconds)}</p>
      <a class="push" href=${`#/records/${encodeURIComponent(stream.name)}`}>Look at its records</a></header>
    <p class="facts"><span><b>${rate(all)}</b> records a second</span><span><b>${whole(stream.shards.length + stream.more_shards)}</b> open shards</span>
      ${stream.closed > 0 && html`<span><b>${whole(stream.closed)}</b> closed</span>`}<${Line} values=${recent} label=${`Records a second in the last ${recent.length} seconds`} /></p>
    <div class="hash" aria-hidden="true">${shards.map((shard) => html`<span key=${shard.id} class=${hot(shard) ? "hot" : ""} style=${{ left: `${part(shard.start)}%`, width: `${Math.max(0.2, part(shard.end) - part(shard.start))}%` }}></span>`)}</div>
    <div class="scroll short" tabindex="0" role="region" aria-label=${`Shards of ${stream.name}`}><table>
      <thead><tr><th scope="col">Shard</th><th scope="col" class="number">Records/s</th><th scope="col">Share</th><th scope="col" class="number">Hash keys</th><th scope="col" class="number">Next number</th><th scope="col">From</th></tr></thead>
      <tbody>${shards.map((shard) => {
        const share = all ? (shard.rate ?? 0) / all : 0;
        return html`<tr key=${shard.id}><th scope="row" class="mono">${shard.id}</th><td class="number">${rate(shard.rate)}</td>
          <td><span class="meter" aria-hidden="true"><span class=${hot(shard) ? "hot" : ""} style=${{ width: `${Math.round(share * 100)}%` }}></span></span> ${Math.round(share * 100)} %${hot(shard) && html` <b class="warn">hot</b>`}</td>
          <td class="number">${(part(shard.end) - part(shard.start)).toFixed(1)} %</td><td class="number">${whole(shard.tip)}</td><td class="mono">${shard.parents.join(" + ") || "–"}</td></tr>`;
      })}</tbody></table></div>
    ${stream.more_shards > 0 && html`<p class="quiet">and ${whole(stream.more_shards)} more open shards</p>`}
    ${shards.some(hot) && html`<p>A hot shard can be split: <code>aws kinesis split-shard --stream-name ${stream.name} --shard-to-split ${shards.find(hot).id} --new-starting-hash-key ${middle(shards.find(hot))}</code></p>`}
  </section>`;
}

/** The hash key that cuts a shard in two. */
const middle = (shard) => ((BigInt(shard.start) + BigInt(shard.end)) / 2n + 1n).toString();

export default function StreamsPage() {
  const { streams, more_streams } = overview.value;
  return html`<div class="page"><header class="title"><h1>Streams</h1><p class="quiet">${whole(streams.length + more_streams)} on this server</p></header>
    ${streams.map((stream) => html`<${Stream} key=${stream.name} stream=${stream} />`)}
    ${more_streams > 0 && html`<p class="quiet">and ${whole(more_streams)} more; <code>/v1/streams</code> lists all.</p>`}
    ${!streams.length && html`<p class="quiet">There is no stream yet.</p>`}</div>`;
}
