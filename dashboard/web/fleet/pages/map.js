// The map: where everybody is, and how they are.

import { html, useEffect, useRef, useState } from "../../vendor/ui.js";
import { beyond, changes, chosen, condition, count, shown, unicorns } from "../parts/fleet.js";
import { ago, clock, tenth, whole } from "../../parts/format.js";
import { icon } from "../../parts/icons.js";
import { now, second, state } from "../../parts/live.js";
import { play, Player, playing } from "../parts/player.js";
import { dark } from "../../parts/theme.js";
import { Painter } from "../map/painter.js";
import { HOME, View } from "../map/view.js";

/** How far a key moves the map, in pixels, and how much one step zooms. */
const STEP = 80;
const ZOOM = 1.5;
/** The least distance of a drag, in pixels: less is a click. */
const DRAG_MIN = 4;
/** Names that a search lists. */
const FOUND_MAX = 8;

/** Kept while other pages are open. */
const view = new View();
let placed = false;

export function MapPage() {
  const ground = useRef(null), fleet = useRef(null), box = useRef(null);
  const painter = useRef(/** @type {Painter | null} */ (null));
  const [paused, setPaused] = useState(false);
  const [follow, setFollow] = useState(false);
  const [again, setAgain] = useState(false);
  const mode = useRef({ paused, follow });
  mode.current = { paused, follow };
  const [scale, setScale] = useState(view.metresPerPixel());
  const moved = () => { painter.current?.moved(); setScale(view.metresPerPixel()); };

  useEffect(() => {
    const paint = new Painter(ground.current, fleet.current, view);
    painter.current = paint;
    globalThis.gallopMap = paint;
    const observer = new ResizeObserver(([entry]) => {
      const { width, height } = entry.contentRect;
      if (!width || !height) return;
      paint.resize(width, height);
      if (!placed) {
        placed = true;
        view.scale = Math.max(2400, Math.min(9000, Math.min(width, height) * 9));
      }
      moved();
    });
    observer.observe(box.current);
    const recolour = dark.subscribe(() => { if (view.width > 1) paint.recolour(); });
    let frame = 0, glideUntil = 0, before = 0;
    const heard = changes.subscribe(() => { glideUntil = performance.now() + 1000; });
    const draw = (at) => {
      frame = requestAnimationFrame(draw);
      if (view.width <= 1) return;
      if (mode.current.follow) followChosen(paint);
      if (play(at - before)) paint.fleetIsStale = true;
      else if (!mode.current.paused && performance.now() < glideUntil) paint.fleetIsStale = true;
      before = at;
      if (paint.fleetIsStale || paint.groundIsStale) {
        paint.frame(at);
        paint.fleetIsStale = false;
      }
    };
    frame = requestAnimationFrame(draw);
    return () => {
      cancelAnimationFrame(frame);
      observer.disconnect();
      recolour();
      heard();
      painter.current = null;
    };
  }, []);
  useEffect(() => { if (painter.current) painter.current.fleetIsStale = true; }, [chosen.value, shown.value]);

  const zoom = (factor, x, y) => { view.zoom(factor, x, y); moved(); };
  const home = () => { setFollow(false); view.centre(HOME.longitude, HOME.latitude); moved(); };
  const fit = () => { setFollow(false); fitAll(); moved(); };
  const keys = (event) => {
    const by = { ArrowLeft: [STEP, 0], ArrowRight: [-STEP, 0], ArrowUp: [0, STEP], ArrowDown: [0, -STEP] }[event.key];
    if (by) { setFollow(false); view.pan(by[0], by[1]); moved(); }
    else if (event.key === "+" || event.key === "=") zoom(ZOOM);
    else if (event.key === "-") zoom(1 / ZOOM);
    else if (event.key === "0") home();
    else if (event.key === "Escape") { chosen.value = ""; setFollow(false); }
    else return;
    event.preventDefault();
  };
  const choose = (name) => { chosen.value = name; if (!name) setFollow(false); };
  // A badge opens: its members come apart.
  const touch = (x, y) => (painter.current?.isCrowd(x, y) ? zoom(ZOOM * ZOOM, x, y) : choose(painter.current?.at(x, y) ?? ""));
  return html`<div class="mappage">
    <h1 class="hidden">Map of the fleet</h1>
    <div class="map" ref=${box}>
      <canvas ref=${ground} aria-hidden="true"></canvas>
      <canvas ref=${fleet} class="top" tabindex="0" role="img" aria-label=${`Map with ${whole(count.value)} unicorns. Arrow keys move it, plus and minus zoom. The fleet page lists the same as a table.`}
        onKeyDown=${keys} ...${pointers(moved, touch, () => setFollow(false))}></canvas>
      <${Search} choose=${(name) => { choose(name); if (name) setFollow(true); }} />
      <div class="tools" role="group" aria-label="Map">
        <button class="icon" onClick=${() => zoom(ZOOM)} aria-label="Zoom in" title="Zoom in">${icon("plus")}</button>
        <button class="icon" onClick=${() => zoom(1 / ZOOM)} aria-label="Zoom out" title="Zoom out">${icon("minus")}</button>
        <button class="icon" onClick=${fit} aria-label="Show all unicorns" title="Show all unicorns">${icon("fit")}</button>
        <button class="icon" onClick=${home} aria-label="Back to the start" title="Back to the start">${icon("home")}</button>
        <button class="icon" onClick=${() => setPaused(!paused)} aria-pressed=${paused} aria-label=${paused ? "Continue" : "Pause the map"} title=${paused ? "Continue" : "Pause the map"}>${icon(paused ? "play" : "pause")}</button>
        <button class="icon" onClick=${() => setAgain(!again)} aria-pressed=${again} aria-label="Replay the last minutes" title="Replay the last minutes">${icon("again")}</button>
      </div>
      ${again && html`<${Player} close=${() => setAgain(false)} />`}
      <${Legend} />
      <${ScaleBar} metresPerPixel=${scale} />
      <${Card} follow=${follow} setFollow=${setFollow} />
      <${Empty} />
    </div>
  </div>`;
}

function followChosen(paint) {
  const unicorn = shown.peek().get(chosen.peek());
  if (!unicorn) return;
  const [x, y] = view.toScreen(unicorn.longitude, unicorn.latitude);
  const [east, south] = [x - view.width / 2, y - view.height / 2];
  if (Math.abs(east) + Math.abs(south) < 0.5) return;
  view.pan(-east * 0.08, -south * 0.08);
  paint.moved();
}

function fitAll() {
  if (!shown.peek().size) return;
  let [west, south, east, north] = [180, 90, -180, -90];
  for (const { longitude, latitude } of shown.peek().values()) {
    west = Math.min(west, longitude); east = Math.max(east, longitude);
    south = Math.min(south, latitude); north = Math.max(north, latitude);
  }
  view.fit(west, south, east, north);
}

/** Drag, pinch, wheel and click. */
function pointers(moved, touch, letGo) {
  const down = useRef(new Map());
  const way = useRef(0);
  return {
    onPointerDown: (event) => {
      event.currentTarget.setPointerCapture(event.pointerId);
      if (!down.current.size) way.current = 0;
      down.current.set(event.pointerId, [event.offsetX, event.offsetY]);
    },
    onPointerMove: (event) => {
      const before = down.current.get(event.pointerId);
      if (!before) return;
      const others = [...down.current].filter(([id]) => id !== event.pointerId).map(([, at]) => at);
      const [dx, dy] = [event.offsetX - before[0], event.offsetY - before[1]];
      way.current += Math.abs(dx) + Math.abs(dy);
      if (others.length) {
        const [x, y] = others[0];
        const factor = Math.hypot(event.offsetX - x, event.offsetY - y) / Math.max(1, Math.hypot(before[0] - x, before[1] - y));
        view.zoom(factor, (event.offsetX + x) / 2, (event.offsetY + y) / 2);
        view.pan(dx / 2, dy / 2);
        moved();
      } else if (way.current >= DRAG_MIN) {
        letGo();
        view.pan(dx, dy);
        moved();
      }
      down.current.set(event.pointerId, [event.offsetX, event.offsetY]);
    },
    onPointerUp: (event) => {
      if (down.current.delete(event.pointerId) && way.current < DRAG_MIN) touch(event.offsetX, event.offsetY);
    },
    onPointerCancel: (event) => { down.current.delete(event.pointerId); },
    onWheel: (event) => {
      event.preventDefault();
      view.zoom(Math.exp(-event.deltaY * (event.deltaMode ? 0.05 : 0.0016)), event.offsetX, event.offsetY);
      moved();
    },
  };
}

function Search({ choose }) {
  const [text, setText] = useState("");
  const needle = text.trim().toLowerCase();
  const found = [];
  if (needle && count.value) {
    for (const name of unicorns.keys()) {
      if (name.toLowerCase().includes(needle)) found.push(name);
      if (found.length === FOUND_MAX) break;
    }
  }
  const take = (name) => { choose(name); setText(""); };
  return html`<form class="search" role="search" onSubmit=${(event) => { event.preventDefault(); if (found[0]) take(found[0]); }}>
    <label class="hidden" for="find">Find a unicorn</label>
    <input id="find" type="search" placeholder="Find a unicorn" autocomplete="off" value=${text} onInput=${(event) => setText(event.target.value)} />
    ${needle && html`<ul aria-label="Found">${found.map((name) => html`<li key=${name}><button type="button" onClick=${() => take(name)}>${name}</button></li>`)}
      ${!found.length && html`<li class="quiet">No unicorn of that name</li>`}</ul>`}
  </form>`;
}

const CONDITIONS = [
  ["well", "Well", "M10 0-7.500 7-3.500 0-7.500-7z"], ["low", "Points below 100", "M9 0 0 6.500-9 0 0-6.500z"],
  ["critical", "Points below 50", "M9 0 1 7.500-7 7.500-7-7.500 1-7.500z"],
];
function Legend() {
  second.value;
  const numbers = { well: 0, low: 0, critical: 0, unknown: 0 };
  for (const unicorn of shown.value.values()) numbers[condition(unicorn)]++;
  return html`<ul class="legend" aria-label="Health of the fleet">${CONDITIONS.map(([name, title, path]) => html`<li key=${name} class=${name}>
    <svg viewBox="-12 -12 24 24" aria-hidden="true"><path d=${path} transform="rotate(-45)" /></svg>${title}<b>${whole(numbers[name])}</b></li>`)}
    ${beyond.value > 0 && html`<li class="quiet">and more that do not fit on the map</li>`}</ul>`;
}

function ScaleBar({ metresPerPixel }) {
  const metres = [10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000, 20000, 50000, 100000, 200000, 500000].find((length) => length / metresPerPixel > 60) ?? 1000000;
  return html`<p class="scale" aria-hidden="true"><span style=${{ width: `${metres / metresPerPixel}px` }}></span>${metres < 1000 ? `${metres} m` : `${metres / 1000} km`}</p>`;
}

function Card({ follow, setFollow }) {
  second.value;
  const unicorn = shown.value.get(chosen.value);
  if (!chosen.value) return null;
  const title = html`<h2>${chosen.value}</h2><button class="icon" onClick=${() => { chosen.value = ""; setFollow(false); }} aria-label="Close" title="Close">${icon("close")}</button>`;
  if (!unicorn) return html`<section class="card" aria-label="Unicorn"><header>${title}</header><p class="quiet">Silent for more than 30 seconds.</p></section>`;
  return html`<section class="card" aria-label="Unicorn"><header>${title}</header>
    <dl><dt>Health</dt><dd>${whole(unicorn.health)}</dd><dt>Magic</dt><dd>${whole(unicorn.magic)}</dd>
      <dt>Speed</dt><dd>${unicorn.speed === null ? "–" : `${tenth(unicorn.speed * 3.6)} km/h`}</dd>
      <dt>Place</dt><dd>${unicorn.latitude.toFixed(5)}, ${unicorn.longitude.toFixed(5)}</dd>
      <dt>Heard</dt><dd>${playing.value ? clock(unicorn.arrivedAt) : ago(now() - unicorn.arrivedAt)}</dd></dl>
    <div class="row"><button aria-pressed=${follow} onClick=${() => setFollow(!follow)}>${follow ? "Following" : "Follow"}</button></div></section>`;
}

function Empty() {
  // The first moments are for whoever is there to be heard.
  if (count.value || state.value !== "live" || second.value < 4) return null;
  return html`<div class="empty"><p>No unicorn has sent a reading in the last 30 seconds.</p>
    <p class="quiet">Send some: <code>gallop sim --unicorns 20</code></p></div>`;
}
