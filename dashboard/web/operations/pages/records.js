// The record viewer: what a stream holds, from a place on, filtered by the server. Data is only ever shown as text.

import { html, useEffect, useRef, useState } from "../../vendor/ui.js";
import { askJson } from "../../parts/api.js";
import { bytes, stamp, whole } from "../../parts/format.js";
import { overview } from "../../parts/overview.js";
import { Virtual } from "../../parts/virtual.js";
import { Data, plain } from "../parts/data.js";

/** The most records that are kept in the page. */
const KEPT_MAX = 2000;
const PAGE = 200;
/** New records are asked for so often, in milliseconds. */
const PAUSE = 1000;
const POSITIONS = [
  ["LATEST", "new records only"], ["TRIM_HORIZON", "the oldest record"], ["AT_TIMESTAMP", "a time"],
  ["AT_SEQUENCE_NUMBER", "a sequence number"], ["AFTER_SEQUENCE_NUMBER", "after a sequence number"],
];

/** Tells a record of a stream from all others. */
const id = (record) => `${record.sequence_number}.${record.sub ?? ""}`;

export default function RecordsPage({ rest }) {
  const { streams } = overview.value;
  const [stream, setStream] = useState(rest[0] ?? "");
  const [wanted, setWanted] = useState({ position: "LATEST", value: "", shard: "", contains: "" });
  const [state, setState] = useState({ records: [], at_tip: false, looked_at: 0, error: "" });
  const [going, setGoing] = useState(true);
  const [shown, setShown] = useState(/** @type {any} */ (null));
  const cursor = useRef("");
  useEffect(() => { if (rest[0] && rest[0] !== stream) setStream(rest[0]); }, [rest[0]]);
  useEffect(() => { if (!stream && streams.length) setStream(streams[0].name); }, [streams.length]);
  useEffect(() => {
    cursor.current = "";
    setState({ records: [], at_tip: false, looked_at: 0, error: "" });
    setShown(null);
  }, [stream, wanted]);
  useEffect(() => {
    if (!stream || !going) return;
    let live = true, timer = 0;
    const stop = new AbortController();
    const look = async () => {
      let pause = PAUSE;
      try {
        const answer = await askJson(address(stream, wanted, cursor.current), { signal: stop.signal });
        if (!live) return;
        cursor.current = answer.cursor;
        setState((known) => ({
          records: [...answer.records.reverse(), ...known.records].slice(0, KEPT_MAX), at_tip: answer.at_tip, looked_at: known.looked_at + answer.looked_at, error: "",
        }));
        if (!answer.at_tip && wanted.position !== "LATEST") pause = 50;
      } catch (error) {
        if (!live) return;
        setState((known) => ({ ...known, error: error.message }));
        if (error.status === 400 || error.status === 404) return;
      }
      timer = setTimeout(look, pause);
    };
    look();
    return () => { live = false; stop.abort(); clearTimeout(timer); };
  }, [stream, wanted, going]);
  const needsValue = !["LATEST", "TRIM_HORIZON"].includes(wanted.position);
  const submit = (event) => {
    event.preventDefault();
    const form = new FormData(event.target);
    const position = form.get("position").toString();
    let value = (form.get("value") ?? "").toString().trim();
    if (position === "AT_TIMESTAMP") value = String(Date.parse(value) || value);
    setStream(form.get("stream").toString());
    setWanted({ position, value, shard: form.get("shard").toString(), contains: form.get("needle").toString() });
  };
  const [position, setPosition] = useState(wanted.position);
  const shards = streams.find((known) => known.name === stream)?.shards ?? [];
  const header = ["Arrived", "Shard", "Partition key", "Data", "Size"].map((title) => html`<th scope="col" class=${title === "Size" ? "number" : undefined}>${title}</th>`);
  const row = (record) => [
    html`<td class="mono">${stamp(record.arrived_at).slice(11)}</td>`, html`<td class="mono">${record.shard.replace(/^shardId-0*(?=\d)/, "")}</td>`,
    html`<th scope="row" class="cut key"><button class="link" onClick=${() => setShown(record)}>${record.partition_key}</button></th>`,
    html`<td class="cut mono data">${plain(record).slice(0, 300)}</td>`, html`<td class="number">${bytes(record.bytes)}</td>`,
  ];
  return html`<div class="page tall">
    <header class="title"><h1>Records</h1><p class="quiet" role="status">${whole(state.records.length)} shown, ${whole(state.looked_at)} looked at${going ? (state.at_tip ? ", waiting for more" : "") : ", held"}</p></header>
    <form class="filters" onSubmit=${submit}>
      <label>Stream <select name="stream" value=${stream} onChange=${(event) => event.target.form.requestSubmit()}>${streams.map((known) => html`<option key=${known.name}>${known.name}</option>`)}</select></label>
      <label>Shard <select name="shard" value=${wanted.shard} onChange=${(event) => event.target.form.requestSubmit()}><option value="">all open</option>${shards.map((shard) => html`<option key=${shard.id}>${shard.id}</option>`)}</select></label>
      <label>From <select name="position" value=${position} onChange=${(event) => { setPosition(event.target.value); if (["LATEST", "TRIM_HORIZON"].includes(event.target.value)) event.target.form.requestSubmit(); }}>
        ${POSITIONS.map(([value, title]) => html`<option key=${value} value=${value}>${title}</option>`)}</select></label>
      ${!["LATEST", "TRIM_HORIZON"].includes(position) && html`<label>${position === "AT_TIMESTAMP" ? "Time" : "Number"} <input name="value" required
        type=${position === "AT_TIMESTAMP" ? "datetime-local" : "text"} step="1" /></label>`}
      <label>Contains <input name="needle" type="search" autocomplete="off" /></label>
      <button class="primary">Show</button>
      <button type="button" aria-pressed=${!going} onClick=${() => setGoing(!going)}>${going ? "Hold" : "Continue"}</button>
    </form>
    ${state.error && html`<p class="error" role="alert">${state.error}</p>`}
    <div class="split"><${Virtual} label="Records" header=${header} rows=${state.records} row=${row} id=${id}
      empty=${needsValue || wanted.contains ? "No record matches yet." : "No record has arrived yet. New records appear here."} />
    ${shown && html`<aside class="panel record" aria-label="Record"><header><h2>${shown.partition_key}</h2><button class="push" onClick=${() => setShown(null)}>Close</button></header>
      <dl><dt>Arrived</dt><dd>${stamp(shown.arrived_at)}</dd><dt>Shard</dt><dd class="mono">${shown.shard}</dd><dt>Number</dt><dd class="mono">${shown.sequence_number}${shown.sub !== null ? ` / ${shown.sub}` : ""}</dd><dt>Size</dt><dd>${bytes(shown.bytes)}</dd></dl>
      <${Data} key=${id(shown)} stream=${stream} record=${shown} /></aside>`}</div>
  </div>`;
}

/** @param {string} stream */
function address(stream, wanted, cursor) {
  // As text: JSON in the page would round large numbers.
  const query = new URLSearchParams({ limit: String(PAGE), as: "text" });
  if (cursor) query.set("cursor", cursor);
  else {
    query.set("position", wanted.position);
    if (wanted.value) query.set("value", wanted.value);
    if (wanted.shard) query.set("shard", wanted.shard);
  }
  if (wanted.contains) query.set("contains", wanted.contains);
  return `v1/streams/${encodeURIComponent(stream)}/records?${query}`;
}
