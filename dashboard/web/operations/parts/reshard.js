// A shard is split, or two are merged: what would come of it first, and then, if somebody says so, it is done.

import { html, useEffect, useState } from "../../vendor/ui.js";
import { askJson } from "../../parts/api.js";
import { rate } from "../../parts/format.js";
import { cut, part, width } from "./hash.js";

/** A preview is asked for when the cut has rested for so long, in milliseconds. */
const REST = 150;
/** A child with more than this part of its parent is called uneven. */
const UNEVEN = 0.6;

/**
 * @typedef {import("../../parts/overview.js").Shard} Shard
 * @typedef {{kind: "split", shard: Shard} | {kind: "merge", shard: Shard, adjacent: Shard}} Change
 */

function Bar({ title, shards }) {
  return html`<div class="reshape"><span class="quiet">${title}</span><div class="hash" aria-hidden="true">${shards.map((shard) => html`<span key=${shard.start} class="changed" style=${{ left: `${part(shard.start)}%`, width: `${Math.max(0.4, width(shard))}%` }}></span>`)}</div></div>`;
}

/** @param {{stream: string, change: Change, close: (said?: string) => void}} props */
export function Reshard({ stream, change, close }) {
  const [share, setShare] = useState(50);
  const [found, setFound] = useState(/** @type {any} */ (null));
  const [error, setError] = useState("");
  const [busy, setBusy] = useState(false);
  const { kind, shard } = change;
  const body = change.kind === "split" ? { split: { shard: shard.id, at: cut(shard, share) } } : { merge: { shard: shard.id, adjacent: change.adjacent.id } };
  const post = (more) => askJson(`v1/streams/${encodeURIComponent(stream)}/reshard`, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ ...body, ...more }) });
  useEffect(() => {
    let wanted = true;
    const timer = setTimeout(() => post({ preview: true }).then(
      (answer) => { if (wanted) { setFound(answer); setError(""); } },
      (refused) => { if (wanted) { setFound(null); setError(refused.message); } },
    ), found ? REST : 0);
    return () => { wanted = false; clearTimeout(timer); };
  }, [JSON.stringify(body)]);
  const run = async () => {
    setBusy(true);
    try {
      const { closed, opened } = await post({});
      close(`${names(closed)} ${closed.length === 1 ? "is" : "are"} closed, ${names(opened)} ${opened.length === 1 ? "takes" : "take"} the records that come now.`);
    } catch (refused) {
      setError(refused.message);
      setBusy(false);
    }
  };
  const before = change.kind === "split" ? [shard] : [shard, change.adjacent];
  const together = before.reduce((sum, one) => sum + width(one), 0);
  const records = before.every((one) => one.rate !== null) ? before.reduce((sum, one) => sum + one.rate, 0) : null;
  const uneven = kind === "split" && found?.opened.some((one) => width(one) / together > UNEVEN);
  return html`<section class="reshard" aria-label=${kind === "split" ? "Split a shard" : "Merge two shards"}>
    <header class="row"><h3>${kind === "split" ? `Split ${shard.id}` : `Merge ${shard.id} and ${change.adjacent.id}`}</h3><span class="quiet">Nothing has been changed yet.</span></header>
    ${kind === "split" && html`<label class="row">The first part gets <input type="range" min="1" max="99" value=${share} onInput=${(event) => setShare(Number(event.target.value))} aria-valuetext=${`${share} per cent`} /> <b class="number">${share} %</b><span class="quiet">of the keys; the second begins at <code>${cut(shard, share)}</code></span></label>`}
    ${error && html`<p class="error" role="alert">${error}</p>`}
    ${found && html`<${Bar} title="before" shards=${before} /><${Bar} title="after" shards=${found.opened} />
      <div class="scroll short" tabindex="0" role="region" aria-label="Shards after the change"><table><thead><tr><th scope="col">New shard</th><th scope="col" class="number">Share of keys</th><th scope="col" class="number">Records/s, if even</th><th scope="col">First hash key</th><th scope="col">Last hash key</th></tr></thead>
        <tbody>${found.opened.map((one) => html`<tr key=${one.start}><th scope="row" class="mono">${one.shard}</th><td class="number">${width(one).toFixed(1)} %</td><td class="number">${records === null ? "–" : rate((records * width(one)) / together)}</td><td class="mono">${one.start}</td><td class="mono">${one.end}</td></tr>`)}</tbody></table></div>
      ${uneven && html`<p class="warn">The parts are uneven: one gets more than ${UNEVEN * 100} % of the keys.</p>`}
      <p class="quiet">${names(before.map((one) => ({ shard: one.id })))} will take no more records, and ${before.length === 1 ? "stays" : "stay"} readable until retention is over. Keys keep their order: readers finish parents first.</p>`}
    <div class="row"><button class="primary" onClick=${run} disabled=${busy || !found}>${kind === "split" ? "Split now" : "Merge now"}</button><button onClick=${() => close()}>Cancel</button></div>
  </section>`;
}

const names = (shards) => shards.map(({ shard }) => shard).join(" and ");
