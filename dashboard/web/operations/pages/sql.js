// The SQL console: rows as they come, errors where they are, and what was asked before.

import { html, useEffect, useRef, useState } from "../../vendor/ui.js";
import { whole } from "../../parts/format.js";
import { overview } from "../../parts/overview.js";
import { query } from "../parts/query.js";
import { Virtual } from "../../parts/virtual.js";

/** The most rows that are kept in the page. */
const ROWS_MAX = 10000;
/** Rows that come are shown so often, in milliseconds. */
const PAUSE = 150;
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

/** The editor; plain until it has been loaded, and for as long as it cannot be. */
function Editor({ text, given, change, run, wrong }) {
  const box = useRef(null), plain = useRef(null), editor = useRef(/** @type {any} */ (null)), latest = useRef({ text, run });
  latest.current = { text, run };
  const [loaded, setLoaded] = useState(false);
  useEffect(() => {
    let here = true;
    import("../parts/editor.js").then(({ edit }) => {
      if (!here) return;
      const hadFocus = document.activeElement === plain.current;
      editor.current = edit(box.current, { text: latest.current.text, change, run: () => latest.current.run() });
      setLoaded(true);
      if (hadFocus) editor.current.focus();
    }, () => {});
    return () => { here = false; editor.current?.close(); };
  }, []);
  // Only what others give: who types is ahead of what was rendered.
  useEffect(() => editor.current?.set(text), [given]);
  useEffect(() => { if (wrong?.line) editor.current?.mark(wrong.line, wrong.column ?? 1); }, [wrong]);
  const keys = (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) { event.preventDefault(); run(); }
  };
  return html`<div class="editor"><div ref=${box}></div>
    ${!loaded && html`<textarea ref=${plain} aria-label="Query" class="code" spellcheck="false" autocapitalize="off" rows="6" value=${text} onInput=${(event) => change(event.target.value)} onKeyDown=${keys}></textarea>`}</div>`;
}

export default function SqlPage() {
  const [text, setText] = useState(past()[0] ?? FIRST);
  const [given, setGiven] = useState(0);
  const give = (event) => { setText(event.target.value); setGiven(given + 1); event.target.value = ""; };
  const [result, setResult] = useState({ columns: [], rows: [], more: false, state: "", error: /** @type {any} */ (null), millis: 0 });
  const [history, setHistory] = useState(past());
  const [Picture, setPicture] = useState(/** @type {any} */ (null));
  const running = useRef(/** @type {AbortController | null} */ (null));
  useEffect(() => () => running.current?.abort(), []);

  const run = async () => {
    if (!text.trim()) return;
    running.current?.abort();
    const stop = (running.current = new AbortController());
    const kept = [text, ...past().filter((known) => known !== text)].slice(0, HISTORY_MAX);
    localStorage.setItem(HISTORY, JSON.stringify(kept));
    setHistory(kept);
    const begin = performance.now();
    const rows = [];
    let columns = [], more = false, shownAt = 0;
    const show = (state, error = null) => setResult({ columns, rows: [...rows], more, state, error, millis: performance.now() - begin });
    show("running");
    try {
      for await (const some of query(text, stop.signal)) {
        if (!columns.length && some.length) columns = Object.keys(some[0]);
        more = rows.length + some.length > ROWS_MAX;
        rows.push(...some.slice(0, ROWS_MAX - rows.length));
        if (more) break;
        if (performance.now() - shownAt > PAUSE) { shownAt = performance.now(); show("running"); }
      }
      show("done");
    } catch (error) {
      // Who runs another meanwhile wants to see that one.
      if (running.current === stop) show(stop.signal.aborted ? "cancelled" : "failed", stop.signal.aborted ? null : error);
    } finally {
      if (more) stop.abort();
    }
  };
  const picture = () => (Picture ? setPicture(null) : import("../parts/results.js").then((module) => setPicture(() => module.Picture)));
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
    <header class="title"><h1>SQL</h1><p class="quiet">Every stream is a table with its archived and its newest records. Queries only read.</p></header>
    <${Editor} text=${text} given=${given} change=${setText} run=${run} wrong=${error} />
    <div class="row gap"><button class="primary" onClick=${run} disabled=${!text.trim()}>Run</button>
      <button onClick=${() => running.current?.abort()} disabled=${state !== "running"}>Cancel</button>
      <span class="quiet wideonly">Ctrl+Enter runs, Ctrl+Space completes</span>
      <label class="push">Examples <select value="" onChange=${give}><option value="">choose…</option>${EXAMPLES.map(([title, sql]) => html`<option key=${title} value=${sql}>${title}</option>`)}
        ${overview.value.streams.map((stream) => html`<option key=${stream.name} value=${`SELECT *\nFROM "${stream.name}"\nLIMIT 50`}>Some of ${stream.name}</option>`)}</select></label>
      <label>Before <select value="" onChange=${give}><option value="">choose…</option>${history.map((sql) => html`<option key=${sql} value=${sql}>${sql.replace(/\s+/g, " ").slice(0, 80)}</option>`)}</select></label>
      <button onClick=${() => navigator.clipboard?.writeText(`gallop sql --endpoint ${location.origin} -c '${text.replaceAll("'", "'\\''")}'`)}>Copy as command</button></div>
    ${error && html`<div class="error" role="alert"><p><b>${error.line ? `Line ${error.line}, column ${error.column}: ` : ""}</b>${error.message}</p>${error.suggestion && html`<p>${error.suggestion}</p>`}</div>`}
    <div class="row"><p class="quiet" role="status">${said}</p>${numeric.some(Boolean) && html`<button class="small push" aria-pressed=${Boolean(Picture)} onClick=${picture}>Chart</button>`}</div>
    ${Picture && numeric.some(Boolean) ? html`<${Picture} columns=${columns} rows=${rows} />` : html`<${Virtual} label="Rows" header=${header} rows=${rows} row=${row} id=${(_, at) => at} empty=${state === "done" ? "The query found no rows." : "Results appear here."} />`}
  </div>`;
}
