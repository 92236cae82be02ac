// The SQL console: rows as they come, errors where they are, and what was asked before.

import { html, useRef, useState } from "../vendor/ui.js";
import { ask } from "../parts/api.js";
import { whole } from "../parts/format.js";
import { overview } from "../parts/overview.js";
import { Virtual } from "../parts/virtual.js";

/** The most rows that are kept in the page. */
const ROWS_MAX = 10000;
const HISTORY = "gallop.sql";
const HISTORY_MAX = 30;
const FIRST = `SELECT Name, COUNT(*) AS records, SUM(Distance) AS metres
FROM wildrydes
GROUP BY Name
ORDER BY metres DESC
LIMIT 20`;
const EXAMPLES = [
  ["Who ran farthest?", FIRST],
  ["The latest readings", "SELECT *\nFROM wildrydes\nORDER BY StatusTime DESC\nLIMIT 50"],
  ["Whose points are low?", "SELECT Name, MIN(HealthPoints) AS health, MIN(MagicPoints) AS magic\nFROM wildrydes\nGROUP BY Name\nHAVING MIN(HealthPoints) < 145 OR MIN(MagicPoints) < 145\nORDER BY health"],
];

/** @returns {string[]} */
function past() {
  try { return JSON.parse(localStorage.getItem(HISTORY) ?? "[]"); } catch { return []; }
}

export default function SqlPage() {
  const [text, setText] = useState(past()[0] ?? FIRST);
  const [result, setResult] = useState({ columns: [], rows: [], more: false, state: "", error: /** @type {any} */ (null), millis: 0 });
  const [history, setHistory] = useState(past());
  const running = useRef(/** @type {AbortController | null} */ (null));
  const editor = useRef(null);

  const run = async () => {
    running.current?.abort();
    const stop = (running.current = new AbortController());
    const kept = [text, ...past().filter((known) => known !== text)].slice(0, HISTORY_MAX);
    localStorage.setItem(HISTORY, JSON.stringify(kept));
    setHistory(kept);
    const begin = performance.now();
    const rows = [];
    let columns = [], more = false;
    const show = (state, error = null) => setResult({ columns, rows: [...rows], more, state, error, millis: performance.now() - begin });
    show("running");
    try {
      const response = await ask("v1/sql", { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ sql: text }), signal: stop.signal });
      const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
      let rest = "", shownAt = 0;
      for (;;) {
        const { done, value } = await reader.read();
        if (done) break;
        const lines = (rest + value).split("\n");
        rest = lines.pop();
        for (const line of lines) {
          const row = JSON.parse(line);
          if (row.error?.code && Object.keys(row).length === 1) throw Object.assign(new Error(row.error.message), row.error);
          if (!columns.length) columns = Object.keys(row);
          if (rows.length < ROWS_MAX) rows.push(row); else more = true;
        }
        if (more) { stop.abort(); break; }
        if (performance.now() - shownAt > 150) { shownAt = performance.now(); show("running"); }
      }
      show("done");
    } catch (error) {
      if (more) show("done");
      else if (stop.signal.aborted) show("cancelled");
      else { show("failed", error); mark(error); }
    }
  };
  const mark = (error) => {
    if (!error.line || !editor.current) return;
    const lines = text.split("\n");
    const at = lines.slice(0, error.line - 1).reduce((sum, line) => sum + line.length + 1, 0) + (error.column ?? 1) - 1;
    editor.current.focus();
    editor.current.setSelectionRange(at, Math.max(at + 1, at + (/^\w*/.exec(text.slice(at))?.[0].length ?? 1)));
  };
  const keys = (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) { event.preventDefault(); run(); }
  };
  const { columns, rows, state, error } = result;
  const numeric = columns.map((column) => rows.length > 0 && rows.slice(0, 50).every((row) => row[column] === null || typeof row[column] === "number"));
  const header = columns.map((column, at) => html`<th key=${column} scope="col" class=${numeric[at] ? "number" : undefined}>${column}</th>`);
  const cell = (value) => (value === null ? html`<span class="quiet">null</span>` : typeof value === "object" ? JSON.stringify(value) : String(value));
  const row = (item) => columns.map((column, at) => html`<td class=${numeric[at] ? "number" : "cut"}>${cell(item[column])}</td>`);
  const said = {
    "": "", running: `${whole(rows.length)} rows so far…`, done: `${whole(rows.length)} rows${result.more ? " and more, left out" : ""} in ${whole(result.millis)} ms`,
    cancelled: `cancelled after ${whole(rows.length)} rows`, failed: "failed",
  }[state];
  return html`<div class="page tall">
    <header class="title"><h1>SQL</h1><p class="quiet">Every stream is a table: what is archived and what has just come, together. Queries only read.</p></header>
    <div class="editor"><label class="hidden" for="sql">Query</label>
      <textarea id="sql" ref=${editor} class="code" spellcheck="false" autocapitalize="off" rows=${Math.min(14, Math.max(5, text.split("\n").length + 1))} value=${text} onInput=${(event) => setText(event.target.value)} onKeyDown=${keys}></textarea></div>
    <div class="row gap"><button class="primary" onClick=${run} disabled=${!text.trim()}>Run</button>
      <button onClick=${() => running.current?.abort()} disabled=${state !== "running"}>Cancel</button>
      <span class="quiet wideonly">Ctrl+Enter runs</span>
      <label class="push">Examples <select value="" onChange=${(event) => { setText(event.target.value); event.target.value = ""; }}><option value="">choose…</option>${EXAMPLES.map(([title, sql]) => html`<option key=${title} value=${sql}>${title}</option>`)}
        ${overview.value.streams.map((stream) => html`<option key=${stream.name} value=${`SELECT *\nFROM "${stream.name}"\nLIMIT 50`}>Some of ${stream.name}</option>`)}</select></label>
      <label>Before <select value="" onChange=${(event) => { setText(event.target.value); event.target.value = ""; }}><option value="">choose…</option>${history.map((sql) => html`<option key=${sql} value=${sql}>${sql.replace(/\s+/g, " ").slice(0, 80)}</option>`)}</select></label>
      <button onClick=${() => navigator.clipboard?.writeText(`gallop sql --endpoint ${location.origin} -c '${text.replaceAll("'", "'\\''")}'`)}>Copy as command</button></div>
    ${error && html`<div class="error" role="alert"><p><b>${error.line ? `Line ${error.line}, column ${error.column}: ` : ""}</b>${error.message}</p>${error.suggestion && html`<p>${error.suggestion}</p>`}</div>`}
    <p class="quiet" role="status">${said}</p>
    <${Virtual} label="Rows" header=${header} rows=${rows} row=${row} id=${(_, at) => at} empty=${state === "done" ? "The query found no rows." : "Rows stand here."} />
  </div>`;
}
