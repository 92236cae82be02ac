// A chart over time: bars of sums, or a band from the least to the most. What is still open is hatched, the watermark a line.

import { html, useEffect, useRef } from "../../vendor/ui.js";
import Plot from "../../vendor/plot.js";
import { tenth, whole } from "../../parts/format.js";
import { colour, dark } from "../../parts/theme.js";

const HEIGHT = 190;

/**
 * @param {{title: string, kind: "bars" | "band", ends: number[], low: (number | null)[], high: (number | null)[], open: {from: number, to: number, low: number | null, high: number | null} | null,
 *   watermark: number | null, width: number, unit?: string}} props times in milliseconds; `width` is the length of a window
 */
export function Chart(props) {
  const { title, kind, ends, low, high, open, unit = "" } = props;
  const box = useRef(null), plot = useRef(/** @type {any} */ (null)), now = useRef(props);
  now.current = props;
  useEffect(() => {
    plot.current = make(box.current, now, kind, title);
    const observer = new ResizeObserver(([entry]) => plot.current.setSize({ width: Math.max(200, entry.contentRect.width), height: HEIGHT }));
    observer.observe(box.current);
    return () => { observer.disconnect(); plot.current.destroy(); };
  }, [dark.value, kind, title]);
  useEffect(() => {
    const times = ends.map((end) => end / 1000), lows = [...low], highs = [...high];
    if (open) { times.push(open.to / 1000); lows.push(null); highs.push(null); }
    plot.current.setData(kind === "bars" ? [times, highs] : [times, highs, lows]);
  });
  const last = ends.length - 1;
  const text = last < 0 ? "no window has closed yet" : kind === "bars" ? `${whole(high[last])}${unit}` : `${whole(low[last])} to ${whole(high[last])}${unit}`;
  return html`<figure class="chart"><figcaption><h3>${title}</h3><span class="quiet">${text}${open?.high !== null && open?.high !== undefined && html`<span> · open window ${kind === "bars" ? whole(open.high) : `${whole(open.low)} to ${whole(open.high)}`}</span>`}</span></figcaption>
    <div ref=${box} role="img" aria-label=${`${title}: ${text} in the last window of ${ends.length}`}></div></figure>`;
}

function make(box, now, kind, title) {
  const [line, soft, grid, text, mark] = ["--chart", "--chart-soft", "--chart-grid", "--quiet", "--chart-mark"].map(colour);
  const font = `12px ${getComputedStyle(document.body).fontFamily}`;
  const axis = { stroke: text, font, grid: { stroke: grid, width: 1 }, ticks: { show: false } };
  const series = kind === "bars"
    ? [{}, { label: title, fill: line, stroke: line, width: 0, points: { show: false }, paths: Plot.paths.bars({ size: [0.82, 48], align: -1 }), value: (_, value) => tenth(value) }]
    : [{}, { label: "most", stroke: line, width: 2, points: { show: false } }, { label: "least", stroke: line, width: 2, points: { show: false } }];
  const options = {
    width: Math.max(200, box.clientWidth), height: HEIGHT, series,
    bands: kind === "band" ? [{ series: [1, 2], fill: soft }] : [],
    axes: [{ ...axis, space: 64, values: (_, all, __, ___, step) => all.map((value) => new Date(value * 1000).toLocaleTimeString("en-GB").slice(0, step < 60 ? 8 : 5)) }, { ...axis, size: 56, values: (_, all) => all.map((value) => whole(value)) }],
    scales: {
      x: { range: (_, least, most) => {
        const { ends, width, open } = now.current;
        const until = Math.max(most ?? 0, (open?.to ?? 0) / 1000), from = least ?? until - 60;
        return [Math.min(from - width / 1000, until - width / 500), until + width / 8000];
      } },
      y: { range: (_, least, most) => {
        const { open } = now.current;
        const high = Math.max(most ?? -Infinity, open?.high ?? -Infinity), low = kind === "bars" ? 0 : Math.min(least ?? Infinity, open?.low ?? Infinity);
        if (!Number.isFinite(high) || !Number.isFinite(low)) return [0, 1];
        const room = Math.max((high - low) * 0.12, kind === "bars" ? 1 : 2);
        return [kind === "bars" ? 0 : Math.floor(low - room), high + room];
      } },
    },
    cursor: { y: false, points: { show: kind === "band" }, drag: { setScale: false, x: false, y: false } },
    legend: { show: false },
    hooks: { draw: [(plot) => marks(plot, now.current, kind, line, mark)], setCursor: [(plot) => tell(plot, box, now.current, kind)] },
  };
  return new Plot(options, [[], ...series.slice(1).map(() => [])], box);
}

/** The open window, hatched, and the watermark. */
function marks(plot, { open, watermark }, kind, line, mark) {
  const { ctx, bbox } = plot;
  ctx.save();
  ctx.beginPath();
  ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
  ctx.clip();
  if (open && open.high !== null && open.high !== undefined) {
    const left = plot.valToPos(open.from / 1000, "x", true), right = plot.valToPos(open.to / 1000, "x", true);
    const top = plot.valToPos(open.high, "y", true);
    const foot = kind === "bars" ? bbox.top + bbox.height : plot.valToPos(open.low, "y", true);
    const high = Math.max(foot - top, 3);
    ctx.strokeStyle = line;
    ctx.lineWidth = devicePixelRatio;
    ctx.strokeRect(left, top, right - left, high);
    ctx.beginPath();
    ctx.rect(left, top, right - left, high);
    ctx.clip();
    ctx.beginPath();
    for (let x = left - high; x < right; x += 6 * devicePixelRatio) {
      ctx.moveTo(x, foot);
      ctx.lineTo(x + high, top);
    }
    ctx.stroke();
    ctx.restore();
    ctx.save();
  }
  if (watermark) {
    const x = Math.round(plot.valToPos(watermark / 1000, "x", true));
    ctx.strokeStyle = mark;
    ctx.lineWidth = 1.5 * devicePixelRatio;
    ctx.setLineDash([4 * devicePixelRatio, 3 * devicePixelRatio]);
    ctx.beginPath();
    ctx.moveTo(x, bbox.top);
    ctx.lineTo(x, bbox.top + bbox.height);
    ctx.stroke();
  }
  ctx.restore();
}

/** What stands under the pointer, as the box's title. */
function tell(plot, box, { ends, low, high }, kind) {
  const at = plot.cursor.idx;
  if (at === null || at === undefined || at >= ends.length) { box.title = ""; return; }
  const values = kind === "bars" ? tenth(high[at]) : `${tenth(low[at])} to ${tenth(high[at])}`;
  box.title = `until ${new Date(ends[at]).toLocaleTimeString("en-GB")}: ${values}`;
}
