// A table of any length: only the rows that can be seen are in the page.

import { html, useLayoutEffect, useRef, useState } from "../vendor/ui.js";

/** The height of a row, in pixels; the style sheet has the same. */
const ROW = 36;
/** Rows above and below those that can be seen. */
const AROUND = 8;

/**
 * @param {{label: string, header: any, rows: any[], row: (item: any, index: number) => any, id: (item: any, index: number) => string | number, empty: string}} props
 */
export function Virtual({ label, header, rows, row, id, empty }) {
  const box = useRef(null);
  const [top, setTop] = useState(0);
  const [height, setHeight] = useState(600);
  useLayoutEffect(() => {
    const observer = new ResizeObserver(([entry]) => setHeight(entry.contentRect.height));
    observer.observe(box.current);
    return () => observer.disconnect();
  }, []);
  const first = Math.max(0, Math.min(Math.floor(top / ROW) - AROUND, rows.length - 1));
  const last = Math.min(rows.length, Math.ceil((top + height) / ROW) + AROUND);
  const space = (rows) => html`<tr class="space" aria-hidden="true"><td style=${{ height: `${rows * ROW}px` }}></td></tr>`;
  return html`<div class="scroll" ref=${box} tabindex="0" role="region" aria-label=${label} onScroll=${(event) => setTop(event.target.scrollTop)}>
    <table aria-rowcount=${rows.length + 1}><thead><tr>${header}</tr></thead>
      <tbody>${first > 0 && space(first)}
        ${rows.slice(first, last).map((item, at) => html`<tr key=${id(item, first + at)} aria-rowindex=${first + at + 2}>${row(item, first + at)}</tr>`)}
        ${last < rows.length && space(rows.length - last)}</tbody></table>
    ${!rows.length && html`<p class="quiet pad">${empty}</p>`}
  </div>`;
}
