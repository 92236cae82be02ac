// Streams and their shards: which keys each owns, how busy it is, and how to cut them anew.

import { html, useState } from "../../vendor/ui.js";
import { rate, span, whole } from "../../parts/format.js";
import { inOrder, part, width } from "../parts/hash.js";
import { Line } from "../../parts/line.js";
import { history, overview, rateOf } from "../../parts/overview.js";
import { Reshard } from "../parts/reshard.js";

/** A shard is hot when it has so many times its share of the stream's records. */
const HOT = 1.75;

function Stream({ stream }) {
  const [change, setChange] = useState(/** @type {any} */ (null));
  const [said, setSaid] = useState("");
  if (stream.error) return html`<section class="panel"><header><h2>${stream.name}</h2></header><p class="error" role="alert">${stream.error}</p></section>`;
  const all = rateOf(stream);
  const fair = all ? all / stream.shards.length : 0;
  const shards = inOrder(stream.shards);
  const ours = stream.mode === "provisioned";
  const begin = (change) => { setSaid(""); setChange(change); };
  const close = (said = "") => { setChange(null); setSaid(said); };
  const hot = (shard) => shards.length > 1 && all > 1 && shard.rate > fair * HOT;
  const recent = history.get(stream.name) ?? [];
  return html`<section class="panel" aria-label=${stream.name}>
    <header><h2>${stream.name}</h2><p class="quiet">${stream.mode.replace("-", " ")}, keeps records for ${span(stream.retention_seconds)}</p>
      <a class="push" href=${`#/records/${encodeURIComponent(stream.name)}`}>Show its records</a></header>
    <p class="facts"><span><b>${rate(all)}</b> records a second</span><span><b>${whole(stream.shards.length + stream.more_shards)}</b> open ${stream.shards.length + stream.more_shards === 1 ? "shard" : "shards"}</span>
      ${stream.closed > 0 && html`<span><b>${whole(stream.closed)}</b> closed</span>`}<${Line} values=${recent} label=${`Records a second in the last ${recent.length} seconds`} /></p>
    <div class="hash" aria-hidden="true">${shards.map((shard) => html`<span key=${shard.id} class=${hot(shard) ? "hot" : ""} style=${{ left: `${part(shard.start)}%`, width: `${Math.max(0.2, width(shard))}%` }}></span>`)}</div>
    <div class="scroll short" tabindex="0" role="region" aria-label=${`Shards of ${stream.name}`}><table>
      <thead><tr><th scope="col">Shard</th><th scope="col" class="number">Records/s</th><th scope="col">Share</th><th scope="col" class="number">Hash keys</th><th scope="col" class="number">Records put</th><th scope="col">From</th>${ours && html`<th scope="col">Change</th>`}</tr></thead>
      <tbody>${shards.map((shard, at) => {
        const share = all ? (shard.rate ?? 0) / all : 0;
        return html`<tr key=${shard.id}><th scope="row" class="mono">${shard.id}</th><td class="number">${rate(shard.rate)}</td>
          <td><span class="meter" aria-hidden="true"><span class=${hot(shard) ? "hot" : ""} style=${{ width: `${Math.round(share * 100)}%` }}></span></span> ${Math.round(share * 100)} %${hot(shard) && html` <b class="warn">hot</b>`}</td>
          <td class="number">${width(shard).toFixed(1)} %</td><td class="number">${whole(shard.records)}</td><td class="mono">${shard.parents.join(" + ") || "–"}</td>
          ${ours && html`<td><button class="small" onClick=${() => begin({ kind: "split", shard })} aria-label=${`Split ${shard.id}`}>Split…</button>
            ${shards[at + 1] && html` <button class="small" onClick=${() => begin({ kind: "merge", shard, adjacent: shards[at + 1] })} aria-label=${`Merge ${shard.id} with ${shards[at + 1].id}`} title=${`with ${shards[at + 1].id}`}>Merge…</button>`}</td>`}</tr>`;
      })}</tbody></table></div>
    ${stream.more_shards > 0 && html`<p class="quiet">and ${whole(stream.more_shards)} more open shards</p>`}
    <p class="quiet" role="status">${said}</p>
    ${change && html`<${Reshard} key=${`${change.kind} ${change.shard.id}`} stream=${stream.name} change=${change} close=${close} />`}
    ${!change && ours && shards.some(hot) && html`<p>A hot shard receives more than its share: <button class="small" onClick=${() => begin({ kind: "split", shard: shards.find(hot) })}>preview a split</button></p>`}
    ${!ours && html`<p class="quiet">The server manages the shards of on-demand streams.</p>`}
  </section>`;
}

export default function StreamsPage() {
  const { streams, more_streams } = overview.value;
  return html`<div class="page"><header class="title"><h1>Streams</h1><p class="quiet">${whole(streams.length + more_streams)} on this server</p></header>
    ${streams.map((stream) => html`<${Stream} key=${stream.name} stream=${stream} />`)}
    ${more_streams > 0 && html`<p class="quiet">and ${whole(more_streams)} more; <code>/v1/streams</code> lists all.</p>`}
    ${!streams.length && html`<p class="quiet">There is no stream yet.</p>`}</div>`;
}
