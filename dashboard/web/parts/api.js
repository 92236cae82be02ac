// Asking the server: with the token of whoever signed in, where the server wants one.

import { signal } from "../vendor/ui.js";

const TOKEN = "gallop.token";

/** Whether the server wants to know who asks. */
export const signedOut = signal(false);

/** @returns {string} */
function token() {
  return sessionStorage.getItem(TOKEN) ?? "";
}

/** Keeps the token for this tab. @param {string} text */
export function signIn(text) {
  sessionStorage.setItem(TOKEN, text.trim());
  signedOut.value = false;
}

/** An answer that is not one. */
export class Refused extends Error {
  /** @param {number} status @param {{code?: string, message?: string, line?: number, column?: number, suggestion?: string}} error */
  constructor(status, error) {
    super(error.message ?? `the server answered ${status}`);
    this.status = status;
    this.code = error.code ?? "";
    this.line = error.line;
    this.column = error.column;
    this.suggestion = error.suggestion;
  }
}

/**
 * Fetches from this server; throws {@link Refused} where it answers with an error.
 * @param {string} path @param {RequestInit} [options] @returns {Promise<Response>}
 */
export async function ask(path, options = {}) {
  const headers = new Headers(options.headers);
  if (token()) headers.set("authorization", `Bearer ${token()}`);
  const response = await fetch(path, { ...options, headers, cache: "no-store", credentials: "omit" });
  if (response.ok) return response;
  if (response.status === 401) signedOut.value = true;
  const text = await response.text().catch(() => "");
  throw new Refused(response.status, reason(text));
}

/** The error that an answer holds: as JSON, or as text. @param {string} text */
function reason(text) {
  try { return JSON.parse(text).error ?? {}; } catch { return text ? { message: text } : {}; }
}

/** @param {string} path @returns {Promise<any>} */
export async function askJson(path, options = {}) {
  return (await ask(path, options)).json();
}
