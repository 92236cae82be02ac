// Pictures beside words: never alone, so screen readers pass them over.

import { html } from "../vendor/ui.js";

const PATHS = {
  map: "M3 6.500 9 4l6 2.500L21 4v13.500L15 20l-6-2.500L3 20zM9 4v13.500M15 6.500V20",
  fleet: "M4 6h16M4 12h16M4 18h16M8 6v0M8 12v0",
  windows: "M4 20V10M9 20V5M14 20v-8M19 20V8M3 20h18",
  pipeline: "M3 12h5M16 12h5M8 8h8v8H8zM18 9l3 3-3 3",
  streams: "M3 7c4-4 6 4 10 0s6 0 8 0M3 12c4-4 6 4 10 0s6 0 8 0M3 17c4-4 6 4 10 0s6 0 8 0",
  records: "M6 3h9l4 4v14H6zM14 3v5h5M9 13h7M9 17h7",
  sql: "M5 8l4 4-4 4M11 17h8",
  sensors: "M12 12v0M8.500 15.500a5 5 0 0 1 0-7M15.500 8.500a5 5 0 0 1 0 7M5.600 18.400a9 9 0 0 1 0-12.800M18.400 5.600a9 9 0 0 1 0 12.800",
  health: "M3 12h4l2.500-6 4 12 2.500-6H21",
  sun: "M12 4V2M12 22v-2M4 12H2M22 12h-2M6 6 4.600 4.600M19.400 19.400 18 18M18 6l1.400-1.400M4.600 19.400 6 18M12 8a4 4 0 1 0 0 8 4 4 0 0 0 0-8z",
  moon: "M20 14.500A8.500 8.500 0 0 1 9.500 4a8.500 8.500 0 1 0 10.500 10.500z",
  plus: "M12 5v14M5 12h14",
  minus: "M5 12h14",
  home: "M12 3v4M12 17v4M3 12h4M17 12h4M12 9a3 3 0 1 0 0 6 3 3 0 0 0 0-6z",
  fit: "M4 9V4h5M20 9V4h-5M4 15v5h5M20 15v5h-5",
  pause: "M8 5v14M16 5v14",
  play: "M7 4.500v15l12-7.500z",
  again: "M4 12a8 8 0 1 0 2.500-5.800M4 4v4h4M12 8v4.500l3 2",
  close: "M6 6l12 12M18 6 6 18",
  brand: "M19 3l-5.500 6.200C9 8.700 5.200 11.300 4.300 15.600c-.5 2.300 0 4 .9 5.400h7.500c-1.200-1.700-1.300-3.400-.5-5 2 .8 4.200.4 5.400-1.200.8-1 1-2.200.7-3.300L17 9z",
};

/** @param {string} name */
export const icon = (name) => html`<svg class="glyph" viewBox="0 0 24 24" aria-hidden="true" focusable="false"><path d=${PATHS[name]} /></svg>`;
