// Sensor datagrams: what each port and each core takes, what is lost and why, and how full the rings are.

import { html, useRef } from "../../vendor/ui.js";
import { askJson } from "../../parts/api.js";
import { rate, whole } from "../../parts/format.js";
import { Line } from "../../parts/line.js";
import { usePolled } from "../../parts/polled.js";

/** Figures are asked for so often, in milliseconds. */
const PAUSE = 1000;
/** Values of a line. */
const LINE_MAX = 60;

/**
 * @typedef {{received: number, accepted: number, stored: number, stored_records: number, waiting: number, rejected: Record<string, number>, refused: Record<string, number>}} Counters
 * @typedef {{waiting: number, room: number, losses: Record<string, number>}} Queue
 * @typedef {{kind: string, reason?: string, queues?: Queue[], socket_drops?: number[], dropped_by_kernel?: number}} Receiver
 * @typedef {{receiver: Receiver, sources: number, total: Counters, pollers: {poller: string, counters: Counters}[], ports: {port: number, counters: Counters}[]}} Stats
 */

const sum = (causes) => Object.values(causes).reduce((all, one) => all + one, 0);
/** @param {Counters} counters */
const lost = (counters) => sum(counters.rejected) + sum(counters.refused);

/** @returns {Promise<{stats: Stats, ports: any[]}>} */
const look = async () => {
  const [stats, { ports }] = await Promise.all([askJson("v1/sensor/stats"), askJson("v1/sensor/ports")]);
  return { stats, ports };
};

function Table({ label, head, children }) {
  return html`<div class="scroll short" tabindex="0" role="region" aria-label=${label}><table><thead><tr>${head.map((title, at) => html`<th key=${title} scope="col" class=${at ? "number" : undefined}>${title}</th>`)}</tr></thead><tbody>${children}</tbody></table></div>`;
}

const cell = (value, bad = false) => html`<td class=${bad ? "number warn" : "number"}>${value}</td>`;

function Ring({ queue }) {
  const share = queue.room ? queue.waiting / queue.room : 0;
  return html`<td class="number"><span class="meter" aria-hidden="true"><span class=${share > 0.8 ? "hot" : ""} style=${{ width: `${Math.round(share * 100)}%` }}></span></span> ${whole(queue.waiting)} of ${whole(queue.room)}</td>`;
}

export default function SensorsPage() {
  const { now, before, seconds, error } = usePolled(look, PAUSE);
  const lines = useRef(/** @type {{of: any, rates: Map<string, number[]>}} */ ({ of: null, rates: new Map() }));
  const head = html`<header class="title"><h1>Sensors</h1><p class="quiet">${now ? `${paths(now.stats.receiver)}; ${whole(now.stats.sources)} sources` : ""}</p></header>
    ${error && html`<p class="error" role="alert">${error}</p>`}`;
  if (!now) return html`<div class="page">${head}</div>`;
  const { receiver, total, pollers, ports } = now.stats;
  const old = (list, key, value) => before.stats[list].find((one) => one[key] === value)?.counters;
  const per = (counters, then, read) => (then ? Math.max(0, read(counters) - read(then)) / seconds : 0);
  if (lines.current.of !== now) {
    lines.current.of = now;
    for (const { poller, counters } of pollers) {
      const kept = lines.current.rates.get(poller) ?? [];
      lines.current.rates.set(poller, [...kept, per(counters, old("pollers", "poller", poller), (c) => c.received)].slice(-LINE_MAX));
    }
  }
  const drops = receiver.socket_drops ?? [], dropsBefore = before.stats.receiver.socket_drops ?? [];
  const queues = receiver.queues ?? [];
  const causes = Object.entries({ "dropped by the kernel": receiver.dropped_by_kernel ?? 0, ...total.rejected, ...total.refused }).filter(([, count]) => count > 0).sort((a, b) => b[1] - a[1]);
  return html`<div class="page">${head}
    <section class="panel"><header><h2>Ports</h2><p class="quiet">a datagram counts as stored once it is durable</p></header>
      ${ports.length ? html`<${Table} label="Ports" head=${["Port", "Stream", "Schema", "Received/s", "Stored/s", "Records/s", "Lost/s", "Stored", "Lost", "Waiting"]}>${ports.map(({ port, counters }) => {
        const spec = now.ports.find((one) => one.port === port), then = old("ports", "port", port);
        return html`<tr key=${port}><th scope="row" class="mono">${port}</th><td class="number">${spec && html`<a href=${`#/records/${encodeURIComponent(spec.stream)}`}>${spec.stream}</a>`}</td>${cell(spec?.schema ?? "–")}
          ${cell(rate(per(counters, then, (c) => c.received)))}${cell(rate(per(counters, then, (c) => c.stored)))}${cell(rate(per(counters, then, (c) => c.stored_records)))}
          ${cell(rate(per(counters, then, lost)), per(counters, then, lost) > 0)}${cell(whole(counters.stored))}${cell(whole(lost(counters)), lost(counters) > 0)}${cell(whole(counters.waiting))}</tr>`;
      })}<//>` : html`<p>No sensor port is open yet. Two commands open one:</p><pre class="code" tabindex="0">gallop sensor schema add 7 rpm:u16 load:u32 site:text8
gallop sensor port add 9000 --stream plant --schema 7</pre>`}</section>
    <section class="panel"><header><h2>Cores</h2><p class="quiet">one poller each</p></header>
      <${Table} label="Cores" head=${["Poller", "Received/s", "Accepted/s", "Rejected/s", "Dropped by the kernel/s", "Received", "Rejected", "Last minute"]}>${pollers.map(({ poller, counters }, at) => {
        const then = old("pollers", "poller", poller), rejected = (c) => sum(c.rejected);
        const dropped = drops[at] === undefined || queues.length ? null : Math.max(0, drops[at] - (dropsBefore[at] ?? drops[at])) / seconds;
        return html`<tr key=${poller}><th scope="row">${poller}</th>${cell(rate(per(counters, then, (c) => c.received)))}${cell(rate(per(counters, then, (c) => c.accepted)))}
          ${cell(rate(per(counters, then, rejected)), per(counters, then, rejected) > 0)}${cell(rate(dropped), Boolean(dropped))}${cell(whole(counters.received))}${cell(whole(rejected(counters)))}
          <td class="number"><${Line} values=${lines.current.rates.get(poller) ?? []} label=${`Datagrams a second of ${poller} in the last minute`} /></td></tr>`;
      })}<//></section>
    ${queues.length > 0 && html`<section class="panel"><header><h2>Receive queues that bypass the kernel</h2></header>
      <${Table} label="Receive queues" head=${["Queue", "Ring", "Ring full", "Dropped", "Fill ring empty"]}>${queues.map((queue, at) => html`<tr key=${at}><th scope="row">${at}</th><${Ring} queue=${queue} />
        ${["ring_full", "dropped", "fill_empty"].map((cause) => cell(whole(queue.losses[cause]), queue.losses[cause] > 0))}</tr>`)}<//></section>`}
    <section class="panel"><header><h2>Lost, by cause</h2></header>
      ${causes.length ? html`<${Table} label="Lost datagrams" head=${["Cause", "Datagrams"]}>${causes.map(([cause, count]) => html`<tr key=${cause}><th scope="row">${cause.replaceAll("_", " ")}</th>${cell(whole(count))}</tr>`)}<//>` : html`<p class="quiet">Nothing has been lost.</p>`}</section>
  </div>`;
}

/** Which way datagrams take. @param {Receiver} receiver */
const paths = ({ kind, reason }) => `${kind === "sockets" ? "through sockets" : kind === "none" ? "no receiver" : kind}${reason ? ` (${reason})` : ""}`;
