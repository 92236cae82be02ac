// Which tables there are, and what is in them: for completion. Asked for when it is needed first, and kept.

import { query } from "./query.js";

/** Tables whose columns are kept. */
const TABLES_MAX = 200;

/** @type {Promise<string[]> | undefined} */
let names;
/** @type {Map<string, Promise<{name: string, type: string}[]>>} */
const columns = new Map();

async function all(sql) {
  const found = [];
  for await (const rows of query(sql)) found.push(...rows);
  return found;
}

/** Names of tables; none where they cannot be had. @returns {Promise<string[]>} */
export async function tables() {
  names ??= all("SHOW TABLES").then((rows) => rows.map((row) => row.table_name));
  return names.catch(() => { names = undefined; return []; });
}

/** Columns of a table; none where they cannot be had. @param {string} table */
export async function columnsOf(table) {
  if (!columns.has(table)) {
    if (columns.size >= TABLES_MAX) columns.clear();
    columns.set(table, all(`DESCRIBE "${table.replaceAll('"', '""')}"`).then((rows) => rows.map((row) => ({ name: row.column_name, type: row.data_type }))));
  }
  return columns.get(table).catch(() => { columns.delete(table); return []; });
}
