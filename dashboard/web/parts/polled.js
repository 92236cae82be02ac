// What is asked for again and again while a page is open.

import { useEffect, useState } from "../vendor/ui.js";

/**
 * The last answer, the one before it (the same, until there are two), and the time between them.
 * @template T @param {() => Promise<T>} look @param {number} pause milliseconds
 * @returns {{now: T | null, before: T | null, seconds: number, error: string}}
 */
export function usePolled(look, pause) {
  const [state, setState] = useState({ now: null, before: null, seconds: pause / 1000, error: "" });
  useEffect(() => {
    let going = true, last = 0, timer = 0;
    const again = async () => {
      try {
        const found = await look();
        const at = performance.now(), seconds = last ? (at - last) / 1000 : pause / 1000;
        last = at;
        if (going) setState((known) => ({ now: found, before: known.now ?? found, seconds, error: "" }));
      } catch (error) {
        if (going) setState((known) => ({ ...known, error: error.message }));
      }
      if (going) timer = setTimeout(again, pause);
    };
    again();
    return () => { going = false; clearTimeout(timer); };
  }, []);
  return state;
}
