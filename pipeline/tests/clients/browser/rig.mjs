// What the tests of the dashboard share: a server of their own, a browser, and ways to wait and to measure.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createSocket } from "node:dgram";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "playwright-core";

/** How long anything may take before a test gives up, in milliseconds: machines of CI are slow, and figures are printed. */
export const PATIENCE = 60_000;
const program = process.env.GALLOP;
/** Where screenshots go. */
export const pictures = process.env.PICTURES;
mkdirSync(pictures, { recursive: true });

/** A port that nobody has: for a server that must come back at the same one. */
export async function freePort() {
  const server = createServer();
  await new Promise((done) => server.listen(0, "127.0.0.1", done));
  const { port } = server.address();
  await new Promise((done) => server.close(done));
  return port;
}

/** A port for datagrams that nobody has. */
export async function freeUdpPort() {
  const socket = createSocket("udp4");
  await new Promise((done) => socket.bind(0, "127.0.0.1", done));
  const { port } = socket.address();
  await new Promise((done) => socket.close(done));
  return port;
}

/** A process of ours; `out` has the lines that it has said. */
export class Process {
  out = [];

  /** @param {string[]} args */
  constructor(args) {
    const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(GALLOP_|AWS_)/.test(name)));
    this.child = spawn(program, args, { stdio: ["ignore", "pipe", "inherit"], env: { ...env, GALLOP_LOG: "warn" } });
    let rest = "";
    this.child.stdout.setEncoding("utf8").on("data", (text) => {
      const lines = (rest + text).split("\n");
      rest = lines.pop();
      this.out.push(...lines);
    });
    this.ended = new Promise((done) => this.child.on("exit", done));
  }

  /** The first address that it names. */
  async url() {
    return until("the server names its address", () => {
      assert.equal(this.child.exitCode, null, "it runs");
      return this.out.join("\n").match(/https?:\/\/[\d.:]+/)?.[0];
    });
  }

  async stop(signal = "SIGKILL") {
    if (this.child.exitCode === null) this.child.kill(signal);
    await this.ended;
  }
}

/** Looks until `look` gives something. */
export async function until(what, look, patience = PATIENCE) {
  for (const begin = Date.now(); Date.now() - begin < patience;) {
    const found = await look();
    if (found) return found;
    await new Promise((done) => setTimeout(done, 10));
  }
  throw new Error(`${what}: not within ${patience} ms`);
}

/** Runs a test with a folder and a browser, and leaves nothing behind. */
export async function test(run) {
  const folder = mkdtempSync(join(tmpdir(), "gallop-browser-"));
  const browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    args: ["--no-sandbox", "--host-resolver-rules=MAP *.example 127.0.0.1"],
  });
  const processes = [];
  const start = (...args) => {
    const process = new Process(args);
    processes.push(process);
    return process;
  };
  try {
    await run({ folder, browser, start });
  } finally {
    await browser.close();
    for (const process of processes) await process.stop();
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  }
  console.log(": ok");
}

/** A page that notes what must not be: errors, violations of its policy, and requests to elsewhere. */
export async function open(browser, url, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, reducedMotion: "reduce", ...options });
  const page = await context.newPage();
  const wrong = [];
  const origin = new URL(url).origin;
  page.on("pageerror", (error) => wrong.push(`error: ${error.stack}`));
  page.on("dialog", (dialog) => { wrong.push(`dialog: ${dialog.message()}`); dialog.dismiss(); });
  page.on("console", (message) => { if (/Content Security Policy|Trusted ?Type/i.test(message.text())) wrong.push(message.text()); });
  page.on("request", (request) => { if (!request.url().startsWith(`${origin}/`)) wrong.push(`request to ${request.url()}`); });
  await page.goto(url);
  page.setDefaultTimeout(PATIENCE);
  return { page, wrong };
}

/** Writes a query into the editor, as somebody at a keyboard does, in place of what stands there. */
export async function write(page, text) {
  await page.getByLabel("Query").focus();
  await page.keyboard.press("Control+a");
  await page.keyboard.insertText(text);
}

/** One call of the Kinesis API. */
export async function kinesis(url, operation, input) {
  const response = await fetch(`${url}/`, {
    method: "POST", body: JSON.stringify(input),
    headers: { "content-type": "application/x-amz-json-1.1", "x-amz-target": `Kinesis_20131202.${operation}` },
  });
  assert.equal(response.status, 200, `${operation}: ${await response.clone().text()}`);
  const text = await response.text();
  return text ? JSON.parse(text) : {};
}

/** One call of the REST API. */
export async function rest(url, method, path, input) {
  const response = await fetch(`${url}/${path}`, { method, ...(input && { body: JSON.stringify(input) }) });
  const text = await response.text();
  assert.ok(response.ok, `${path}: ${response.status}: ${text}`);
  return text ? JSON.parse(text) : {};
}

/** Puts readings, by name. */
export const put = (url, stream, readings) => kinesis(url, "PutRecords", {
  StreamName: stream,
  Records: readings.map((reading) => ({ PartitionKey: reading.Name, Data: Buffer.from(`${JSON.stringify(reading)}\n`).toString("base64") })),
});

/** A reading near the start. */
export const reading = (Name, north = 0) => ({
  Distance: 30.5, HealthPoints: 150, Latitude: 40.749167 + north, Longitude: -73.985184, MagicPoints: 150, Name, StatusTime: "2026-01-01 00:00:00.000",
});

/** @param {number[]} values */
export const part = (values, share) => [...values].sort((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * share))];
