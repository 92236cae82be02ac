// The frame around all pages: which one is open, whether the server is there, and the way to the others.

import { html, render, useEffect, useState } from "./vendor/ui.js";
import { signedOut, signIn } from "./parts/api.js";
import { count } from "./fleet/parts/fleet.js";
import { whole } from "./parts/format.js";
import { icon } from "./parts/icons.js";
import "./parts/overview.js";
import "./fleet/parts/windows.js";
import * as live from "./parts/live.js";
import { open } from "./parts/router.js";
import { dark, toggle } from "./parts/theme.js";
import { FleetPage } from "./fleet/pages/fleet.js";
import { MapPage } from "./fleet/pages/map.js";

/** Pages that wait until they are asked for. */
const later = {
  windows: () => import("./fleet/pages/windows.js"),
  pipeline: () => import("./operations/pages/pipeline.js"),
  streams: () => import("./operations/pages/streams.js"),
  records: () => import("./operations/pages/records.js"),
  sensors: () => import("./operations/pages/sensors.js"),
  sql: () => import("./operations/pages/sql.js"),
  health: () => import("./operations/pages/health.js"),
};
const PAGES = [
  ["map", "Map"], ["fleet", "Fleet"], ["windows", "Windows"], ["pipeline", "Pipeline"],
  ["streams", "Streams"], ["records", "Records"], ["sql", "SQL"], ["sensors", "Sensors"], ["health", "Health"],
];
const here = { map: MapPage, fleet: FleetPage };

function Page() {
  const { name, rest } = open.value;
  const [loaded, setLoaded] = useState(/** @type {Record<string, any>} */ ({}));
  const [failed, setFailed] = useState("");
  const Known = here[name] ?? loaded[name];
  useEffect(() => {
    document.title = `${PAGES.find(([known]) => known === name)?.[1] ?? "Not found"} · Gallop`;
    if (Known || !later[name]) return;
    setFailed("");
    later[name]().then((module) => setLoaded((all) => ({ ...all, [name]: module.default })), (error) => setFailed(error.message));
  }, [name]);
  if (Known) return html`<${Known} rest=${rest} />`;
  if (failed) return html`<div class="page"><h1>This page could not be loaded</h1><p class="error" role="alert">${failed}. Reload the page once the server is back.</p></div>`;
  if (later[name]) return html`<div class="page"><p class="quiet">Loading…</p></div>`;
  return html`<div class="page"><h1>This page does not exist</h1><p><a href="#/map">Go to the map</a></p></div>`;
}

const STATES = {
  live: ["Live", "good"], connecting: ["Connecting…", "wait"], lost: ["Reconnecting…", "bad"], resting: ["Paused", "wait"],
};

function Status() {
  const [text, mood] = STATES[live.state.value];
  return html`<p class="status" role="status"><span class="dot ${mood}" aria-hidden="true"></span><span>${text}</span>
    ${live.state.value === "live" && html`<span class="quiet wide">${whole(count.value)} ${count.value === 1 ? "unicorn" : "unicorns"}</span>`}</p>`;
}

function SignIn() {
  const submit = (event) => {
    event.preventDefault();
    signIn(new FormData(event.target).get("token").toString());
  };
  return html`<main class="page signin" id="main"><h1>Sign in</h1>
    <p>This server requires a token: the content of <code>token_file</code> of your credential in the server's settings. The token is kept for this tab only.</p>
    <form onSubmit=${submit}><label for="token">Token</label>
      <input id="token" name="token" type="password" autocomplete="off" required autofocus />
      <button class="primary">Sign in</button></form></main>`;
}

function App() {
  const { name } = open.value;
  // On a phone the row of pages is wider than it.
  useEffect(() => document.querySelector(".rail [aria-current]")?.scrollIntoView({ block: "nearest", inline: "nearest" }), [name]);
  return html`
    <a class="skip" href="#main" onClick=${(event) => { event.preventDefault(); document.getElementById("main")?.focus(); }}>Skip to content</a>
    <header class="bar">
      <a class="brand" href="#/map">${icon("brand")}<span>Gallop</span></a>
      <${Status} />
      <button class="icon" onClick=${toggle} aria-label=${dark.value ? "Light colours" : "Dark colours"} title=${dark.value ? "Light colours" : "Dark colours"}>${icon(dark.value ? "sun" : "moon")}</button>
    </header>
    <nav class="rail" aria-label="Pages">
      ${PAGES.map(([page, title]) => html`<a key=${page} href=${`#/${page}`} aria-current=${page === name ? "page" : undefined}>${icon(page)}<span>${title}</span></a>`)}
    </nav>
    ${signedOut.value ? html`<${SignIn} />` : html`<main id="main" tabindex="-1"><${Page} /></main>`}`;
}

const root = document.getElementById("app");
root.replaceChildren();
render(html`<${App} />`, root);
live.start();
