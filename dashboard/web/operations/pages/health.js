// How the server is: what it answers, how fast, and what it uses.

import { html } from "../../vendor/ui.js";
import { Doctor } from "../parts/doctor.js";
import { bytes, span, tenth, whole } from "../../parts/format.js";
import { reconnects, second, state } from "../../parts/live.js";
import { quantile, useCounts, value } from "../parts/metrics.js";

const millis = (value) => (value === null ? "–" : tenth(value * 1000));

export default function HealthPage() {
  second.value;
  const counts = useCounts();
  const { now, before, seconds } = counts;
  const memory = value(now, "process_resident_memory_bytes"), files = value(now, "process_open_fds"), filesMax = value(now, "process_max_fds");
  const cpu = value(now, "process_cpu_seconds_total"), cpuBefore = value(before, "process_cpu_seconds_total");
  const started = value(now, "process_start_time_seconds"), ready = value(now, "gallop_ready");
  const disk = value(now, "gallop_disk_available_bytes"), diskSize = value(now, "gallop_disk_size_bytes");
  const sync = quantile(now, "gallop_log_sync_duration_seconds", {}, 0.99), append = quantile(now, "gallop_stream_append_duration_seconds", {}, 0.99);
  const total = (name) => now.filter((sample) => sample.name === name).reduce((sum, sample) => sum + sample.value, 0);
  const halted = now.filter((sample) => sample.name === "gallop_log_halted" && sample.value > 0).map((sample) => sample.labels.stream);
  const failures = ["gallop_stream_failures_total", "gallop_log_disk_failures_total", "gallop_table_failures_total", "gallop_archive_failures_total"].reduce((sum, name) => sum + total(name), 0);
  const version = now.find((sample) => sample.name === "gallop_build_info")?.labels.version;
  const operations = [...new Set(now.filter((sample) => sample.name === "gallop_http_requests_total").map((sample) => sample.labels.operation))].sort();
  const sum = (samples, operation, failed) => samples
    .filter((sample) => sample.name === "gallop_http_requests_total" && sample.labels.operation === operation && (!failed || sample.labels.status >= "500"))
    .reduce((total, sample) => total + sample.value, 0);
  const rows = operations.map((operation) => ({
    operation, count: sum(now, operation, false), failed: sum(now, operation, true),
    rate: Math.max(0, sum(now, operation, false) - sum(before, operation, false)) / seconds,
    half: quantile(now, "gallop_http_request_duration_seconds", { operation }, 0.5), most: quantile(now, "gallop_http_request_duration_seconds", { operation }, 0.99),
  })).sort((a, b) => b.rate - a.rate || b.count - a.count);
  return html`<div class="page"><header class="title"><h1>Health</h1><p class="quiet">${version ? `Gallop ${version}` : ""}</p></header>
    ${counts.error && html`<p class="error" role="alert">${counts.error}</p>`}
    <ul class="tiles">
      <li class="panel"><span class="quiet">Server</span><b>${state.value !== "live" ? "unreachable" : ready === 0 ? "stopping" : "accepting requests"}</b></li>
      <li class="panel"><span class="quiet">Up for</span><b>${started ? span(Date.now() / 1000 - started) : "–"}</b></li>
      <li class="panel"><span class="quiet">Processor</span><b>${cpu !== null && cpuBefore !== null && now !== before ? `${tenth(((cpu - cpuBefore) / seconds) * 100)} % of a core` : "–"}</b></li>
      <li class="panel"><span class="quiet">Memory</span><b>${memory === null ? "–" : bytes(memory)}</b></li>
      <li class="panel"><span class="quiet">Open files</span><b>${whole(files)}${filesMax ? html`<small> of ${whole(filesMax)}</small>` : ""}</b></li>
      <li class="panel"><span class="quiet">Disk space left</span><b>${disk === null ? "–" : bytes(disk)}${diskSize ? html`<small> of ${bytes(diskSize)}</small>` : ""}</b></li>
      <li class="panel"><span class="quiet">Sync, 99 % within</span><b>${sync === null ? "–" : `${millis(sync)} ms`}</b></li>
      <li class="panel"><span class="quiet">Put latency, p99</span><b>${append === null ? "–" : `${millis(append)} ms`}</b></li>
      <li class="panel"><span class="quiet">Storage failures</span><b class=${failures ? "warn" : ""}>${whole(failures)}</b></li>
      <li class="panel"><span class="quiet">Page reconnected</span><b>${reconnects.value === 1 ? "once" : `${reconnects.value} times`}</b></li>
    </ul>
    ${halted.length > 0 && html`<p class="error" role="alert">No records are taken until the next start by: ${halted.join(", ")}. The log says why.</p>`}
    <${Doctor} />
    <section class="panel"><header><h2>Requests</h2><p class="quiet">since the start; times until an answer begins</p></header>
      <div class="scroll short" tabindex="0" role="region" aria-label="Requests"><table><thead><tr><th scope="col">Operation</th><th scope="col" class="number">A second</th><th scope="col" class="number">All</th><th scope="col" class="number">Failed</th><th scope="col" class="number">p50, ms</th><th scope="col" class="number">99 % within, ms</th></tr></thead>
      <tbody>${rows.map((row) => html`<tr key=${row.operation}><th scope="row">${row.operation}</th><td class="number">${tenth(row.rate)}</td><td class="number">${whole(row.count)}</td><td class=${row.failed ? "number warn" : "number"}>${whole(row.failed)}</td><td class="number">${millis(row.half)}</td><td class="number">${millis(row.most)}</td></tr>`)}</tbody></table></div></section>
    <p class="quiet">These and all other metrics, for Prometheus: <a href="metrics">/metrics</a>.</p></div>`;
}
