// What the server finds when it looks at its machine and its folder: what is not well stands first, with what to do.

import { html } from "../../vendor/ui.js";
import { askJson } from "../../parts/api.js";
import { usePolled } from "../../parts/polled.js";

/** The server looks anew every ten seconds at most; so often it is asked, in milliseconds. */
const PAUSE = 15000;

/** @typedef {{check: string, state: "ok" | "warn" | "fail", found: string, fix: string | null}} Finding */

const MOODS = { ok: ["good", "OK"], warn: ["wait", "warning"], fail: ["bad", "failed"] };

/** @param {{findings: Finding[], label: string}} props */
function Table({ findings, label }) {
  return html`<div class="scroll short" tabindex="0" role="region" aria-label=${label}><table class="findings"><thead><tr><th scope="col">Check</th><th scope="col">State</th><th scope="col">Found</th><th scope="col">What to do</th></tr></thead>
    <tbody>${findings.map(({ check, state, found, fix }) => html`<tr key=${check + found}><th scope="row">${check}</th>
      <td><span class="state"><span class="dot still ${MOODS[state][0]}" aria-hidden="true"></span>${MOODS[state][1]}</span></td><td>${found}</td><td>${fix ?? ""}</td></tr>`)}</tbody></table></div>`;
}

export function Doctor() {
  const { now, error } = usePolled(() => askJson("v1/doctor"), PAUSE);
  const head = html`<header><h2>Checks</h2><p class="quiet">of this machine and its folder; <code>gallop doctor</code> runs more</p></header>`;
  if (!now) return html`<section class="panel">${head}<p class="quiet">${error || "Looking…"}</p></section>`;
  /** @type {Finding[]} */
  const checks = now.checks;
  const ill = checks.filter(({ state }) => state !== "ok").sort((a, b) => (a.state < b.state ? -1 : a.state > b.state ? 1 : 0));
  const well = checks.filter(({ state }) => state === "ok");
  return html`<section class="panel">${head}
    ${ill.length ? html`<${Table} findings=${ill} label="Checks with findings" />` : html`<p>All ${checks.length} checks passed.</p>`}
    ${well.length > 0 && html`<details><summary>${well.length} passed</summary><${Table} findings=${well} label="Checks that passed" /></details>`}</section>`;
}
