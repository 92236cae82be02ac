// Asking SQL: rows as they come.

import { ask, Refused } from "../../parts/api.js";

/**
 * Runs a query and hands over its rows, some at a time; throws {@link Refused} where it fails, also half way.
 * @param {string} sql @param {AbortSignal} [signal] @returns {AsyncGenerator<Record<string, any>[]>}
 */
export async function* query(sql, signal) {
  const response = await ask("v1/sql", { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ sql }), signal });
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const lines = (rest + value).split("\n");
    rest = lines.pop();
    yield lines.map((line) => {
      const row = JSON.parse(line);
      if (row.error?.code && Object.keys(row).length === 1) throw new Refused(response.status, row.error);
      return row;
    });
  }
}
