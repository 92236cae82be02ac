// Numbers and times as people read them.

const grouped = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const tenths = new Intl.NumberFormat("en", { minimumFractionDigits: 1, maximumFractionDigits: 1 });

/** @param {number | null | undefined} value */
export const whole = (value) => (value === null || value === undefined ? "–" : grouped.format(value));
/** @param {number | null | undefined} value */
export const tenth = (value) => (value === null || value === undefined ? "–" : tenths.format(value));

/** A rate of records. @param {number | null | undefined} value */
export function rate(value) {
  if (value === null || value === undefined) return "–";
  return value < 100 ? tenths.format(value) : grouped.format(value);
}

/** @param {number} bytes */
export function bytes(bytes) {
  const units = ["B", "KB", "MB", "GB", "TB"];
  let unit = 0;
  while (bytes >= 1000 && unit < units.length - 1) { bytes /= 1000; unit++; }
  return `${unit === 0 ? bytes : bytes.toPrecision(3)} ${units[unit]}`;
}

/** Seconds as the largest unit that fits. @param {number} seconds */
export function span(seconds) {
  if (seconds < 120) return `${Math.round(seconds)} s`;
  if (seconds < 7200) return `${Math.round(seconds / 60)} min`;
  if (seconds < 172800) return `${Math.round(seconds / 3600)} h`;
  return `${Math.round(seconds / 86400)} days`;
}

/** Milliseconds ago. @param {number} millis */
export function ago(millis) {
  const seconds = Math.max(0, Math.round(millis / 1000));
  return seconds < 1 ? "now" : `${span(seconds)} ago`;
}

/** A time of day, with seconds. @param {number} millis */
export const clock = (millis) => new Date(millis).toLocaleTimeString("en-GB");
/** Date and time with milliseconds, in UTC. @param {number} millis */
export const stamp = (millis) => new Date(millis).toISOString().replace("T", " ").replace("Z", "");
