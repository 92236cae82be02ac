// The one connection to the server: what happens now, as events. It comes back by itself, and rests while nobody looks.

import { signal } from "../vendor/ui.js";
import { ask, Refused, signedOut } from "./api.js";

/** Retries begin with this pause, in milliseconds, and double it up to the most. */
const RETRY_MIN = 250;
const RETRY_MAX = 2000;
/** The server speaks every second: who hears nothing for so long asks anew. */
const SILENCE_MAX = 5000;
/** A hidden page lets go of its connection after this. */
const HIDDEN_MAX = 30000;

/** `connecting`, `live`, `lost` or `resting`. */
export const state = signal("connecting");
/** How far the server's clock is ahead of ours, in milliseconds. */
export const skew = signal(0);
/** Bumped once a second by the server's clock. */
export const second = signal(0);
/** How often the page has come back. */
export const reconnects = signal(0);

/** The server's time now, in milliseconds. */
export const now = () => Date.now() + skew.peek();

/** @type {Map<string, (data: any) => void>} */
const listeners = new Map();

/** Hands every event of `topic` to `take`. @param {string} topic @param {(data: any) => void} take */
export function on(topic, take) {
  listeners.set(topic, take);
}

on("clock", (data) => {
  skew.value = data.now - Date.now();
  second.value++;
});

/** @type {AbortController | undefined} */
let connection;
let lastId = "";

/** Connects, and stays connected for as long as the page is open. */
export async function start() {
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden && state.peek() === "resting") wake();
  });
  let pause = RETRY_MIN;
  for (;;) {
    try {
      await listen(() => { pause = RETRY_MIN; });
    } catch (error) {
      if (error instanceof Refused && error.status === 401) await signedIn();
    }
    if (state.peek() === "resting") await awake();
    else {
      if (state.peek() === "live") reconnects.value++;
      state.value = "lost";
      await new Promise((done) => setTimeout(done, pause));
      pause = Math.min(pause * 2, RETRY_MAX);
    }
  }
}

/** @type {() => void} */
let wake = () => {};
const awake = () => new Promise((done) => { wake = () => { state.value = "connecting"; done(undefined); }; });

const signedIn = () => new Promise((done) => {
  const stop = signedOut.subscribe((out) => {
    if (!out) { done(undefined); queueMicrotask(() => stop()); }
  });
});

/** Listens until the connection ends. @param {() => void} heard */
async function listen(heard) {
  connection = new AbortController();
  const headers = lastId ? { "last-event-id": lastId } : {};
  const response = await ask("v1/live?topics=fleet,windows,streams", { headers, signal: connection.signal });
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const read = await timely(reader.read());
    if (read.done) return;
    const blocks = (rest + read.value).split("\n\n");
    rest = blocks.pop();
    for (const block of blocks) hear(block);
    state.value = "live";
    heard();
  }
}

/** What `promise` gives, unless the server falls silent or the page is hidden for long. */
async function timely(promise) {
  let timer;
  const silence = new Promise((_, fail) => {
    timer = setTimeout(() => { connection.abort(); fail(new Error("silence")); }, SILENCE_MAX);
  });
  try {
    return await Promise.race([promise, silence]);
  } finally {
    clearTimeout(timer);
    if (document.hidden) hiddenSince ??= Date.now(); else hiddenSince = undefined;
    if (hiddenSince !== undefined && Date.now() - hiddenSince > HIDDEN_MAX) {
      hiddenSince = undefined;
      state.value = "resting";
      connection.abort();
    }
  }
}
/** @type {number | undefined} */
let hiddenSince;

/** One event: `id`, `event` and `data`, a line each. @param {string} block */
function hear(block) {
  let topic = "", data = "";
  for (const line of block.split("\n")) {
    if (line.startsWith("event: ")) topic = line.slice(7);
    else if (line.startsWith("data: ")) data = line.slice(6);
    else if (line.startsWith("id: ")) lastId = line.slice(4);
  }
  listeners.get(topic)?.(JSON.parse(data));
}
