// The data of one record: as much as a page of records has of it, and all of it for whoever asks.

import { html, useEffect, useRef, useState } from "../../vendor/ui.js";
import { askJson } from "../../parts/api.js";

/** So many characters are one part of the text: the browser lays out only those parts that are in sight. */
const PART = 16 << 10;
/** JSON of more characters is shown as it was put: indenting it would hold up the page. */
const INDENTED_MAX = 1 << 20;
/** So many parts are made, or put into the page, before it gets its turn. */
const PARTS_AT_ONCE = 32;
/** How long a file that is saved stays at hand, in milliseconds. */
const SAVING = 60_000;

const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));

/** JSON as people read it, other text as it is, other bytes in hexadecimal. */
function pretty(record) {
  if (record.text?.length > INDENTED_MAX) return record.text;
  try { return JSON.stringify(JSON.parse(record.text), null, 2); } catch { return plain(record); }
}

/** Text as it is, other bytes in hexadecimal. */
export function plain(record) {
  return record.text ?? hex(decode(record.base64));
}

/** @param {Uint8Array} data */
function hex(data) {
  return Array.from(data, (byte) => HEX[byte]).join(" ");
}

/** @param {string} base64 */
function decode(base64) {
  const chars = atob(base64), data = new Uint8Array(chars.length);
  for (let at = 0; at < chars.length; at++) data[at] = chars.charCodeAt(at);
  return data;
}

/** Text in parts, which end with a line where one ends nearby. @param {string} text */
function parts(text) {
  const found = [];
  for (let at = 0; at < text.length;) {
    let end = Math.min(at + PART, text.length);
    const line = text.slice(at, end).lastIndexOf("\n") + 1;
    if (end < text.length && line > PART / 2) end = at + line;
    // Not between the halves of a character.
    else if ((text.charCodeAt(end) & 0xfc00) === 0xdc00) end--;
    found.push(text.slice(at, end));
    at = end;
  }
  return found;
}

/** Bytes in parts of hexadecimal digits. @param {Uint8Array} data */
async function hexParts(data) {
  const found = [], size = Math.floor(PART / 3);
  for (let at = 0; at < data.length; at += size) {
    found.push(hex(data.subarray(at, at + size)) + (at + size < data.length ? " " : ""));
    if (found.length % PARTS_AT_ONCE === 0) await turn();
  }
  return found;
}

/** The page gets its turn. */
const turn = () => new Promise((done) => setTimeout(done));

/** All of a record. @param {string} stream @param {AbortSignal} signal */
async function whole(stream, record, signal) {
  const query = new URLSearchParams({ position: "AT_SEQUENCE_NUMBER", value: record.sequence_number, as: "text", whole: "true" });
  const answer = await askJson(`v1/streams/${encodeURIComponent(stream)}/records?${query}`, { signal });
  const found = answer.records.find(({ sequence_number, sub }) => sequence_number === record.sequence_number && sub === record.sub);
  if (!found) throw new Error("The stream no longer has this record: it is past retention.");
  return found;
}

/** Hands a file to the browser. @param {string} name @param {BlobPart} data */
function save(name, data) {
  const href = URL.createObjectURL(new Blob([data], { type: "application/octet-stream" }));
  Object.assign(document.createElement("a"), { href, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(href), SAVING);
}

/** @param {{stream: string, record: any}} props */
export function Data({ stream, record }) {
  const [text, setText] = useState(/** @type {string[] | null} */ (null));
  const [all, setAll] = useState(false);
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState("");
  const known = useRef(/** @type {any} */ (null));
  const stop = useRef(new AbortController());
  useEffect(() => () => stop.current.abort(), []);
  const use = async (action) => {
    setBusy(true);
    setError("");
    try {
      known.current ??= await whole(stream, record, stop.current.signal);
      await action(known.current);
    } catch (failed) {
      if (!stop.current.signal.aborted) setError(failed.message);
    }
    setBusy(false);
  };
  const showAll = () => use(async (found) => {
    const all = found.text === undefined ? await hexParts(decode(found.base64)) : parts(pretty(found));
    for (let shown = PARTS_AT_ONCE; !stop.current.signal.aborted; shown += PARTS_AT_ONCE) {
      setText(all.slice(0, shown));
      if (shown >= all.length) return setAll(true);
      await turn();
    }
  });
  const download = () => use(async (found) => save(`${stream}-${found.shard}-${found.sequence_number}${found.sub === null ? "" : `-${found.sub}`}`, found.text ?? decode(found.base64)));
  return html`<pre class="code" tabindex="0" aria-label="Data">${text ? text.map((part, at) => html`<span class="part" key=${at}>${part}</span>`) : pretty(record)}</pre>
    ${record.cut && html`<p class="row">${all ? html`<span class="quiet">All of the data is shown.</span>` : html`<span class="quiet">Only the beginning is shown.</span><button class="push" disabled=${busy} onClick=${showAll}>Show all</button>`}
      <button disabled=${busy} onClick=${download}>Download</button></p>`}
    ${error && html`<p class="error" role="alert">${error}</p>`}`;
}
