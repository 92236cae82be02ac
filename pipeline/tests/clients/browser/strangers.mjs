// What others put into records is only ever text, and pages of others read nothing.

import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";
import { open, put, reading, rest, test, write } from "./rig.mjs";

/** A hundred ways to be more than a name. */
const PARTS = ["alert(1)", "globalThis.ran=1", "fetch('/v1/streams')", "document.title='ran'", "top.ran=1"];
const FRAMES = [
  (code) => `<script>${code}</script>`, (code) => `<img src=x onerror="${code}">`, (code) => `"><svg onload=${code}>`,
  (code) => `javascript:${code}`, (code) => `</td></table><script>${code}</script>`, (code) => `<iframe srcdoc="<script>${code}</script>">`,
  (code) => `' onmouseover='${code}`, (code) => `<body onload=${code}>`, (code) => `<a href="javascript:${code}">x</a>`, (code) => `</textarea><script>${code}</script>`,
  (code) => `<math><mtext><script>${code}</script>`, (code) => `<details open ontoggle=${code}>`, (code) => `\${${code}}`, (code) => `{{${code}}}`,
  (code) => `<style>@import 'javascript:${code}'</style>`, (code) => `<object data="javascript:${code}">`, (code) => `<form action="javascript:${code}"><input autofocus onfocus=${code}>`,
  (code) => `__proto__"><script>${code}</script>`, (code) => `<!--<script>${code}</script>-->`, (code) => `\u2028\u0000<script>${code}</script>`,
];
const PAYLOADS = FRAMES.flatMap((frame) => PARTS.map(frame));

await test(async ({ folder, browser, start }) => {
  writeFileSync(join(folder, "gallop.toml"), "[streams.wildrydes]\nshards = 2\n");
  const server = start("serve", "--port", "0", "--data", folder);
  const url = await server.url();
  assert.equal(new Set(PAYLOADS).size, 100);
  const names = ["__proto__", "constructor", "toString", ...PAYLOADS];
  await put(url, "wildrydes", names.map((name, at) => reading(name, at / 10_000)));

  const { page, wrong } = await open(browser, `${url}/`);
  await page.waitForFunction((many) => globalThis.gallopMap?.unicorns.size === many, names.length);
  for (const name of PAYLOADS.slice(0, 20)) {
    await page.getByLabel("Find a unicorn").fill(name.slice(0, 12));
    await page.getByRole("list", { name: "Found" }).getByRole("button").first().click();
    await page.getByRole("region", { name: "Unicorn" }).waitFor();
  }
  await page.goto(`${url}/#/fleet`);
  const table = page.getByRole("region", { name: "Fleet" });
  await table.getByRole("rowheader").first().waitFor();
  for (const name of names) {
    await page.getByLabel("Name").fill(name.replace(/[\u0000\n\r]/g, "").slice(0, 40));
    await table.getByRole("rowheader").first().waitFor();
  }
  await page.goto(`${url}/#/records/wildrydes`);
  await page.getByLabel("From").selectOption("TRIM_HORIZON");
  await page.getByText(`${names.length} shown`).waitFor();
  for (let at = 0; at < 10; at++) await page.locator("button.link").nth(at).click();
  await page.goto(`${url}/#/sql`);
  await page.locator(".cm-content").waitFor();
  await write(page, "SELECT Name FROM wildrydes");
  await page.getByRole("button", { name: "Run" }).click();
  await page.getByText(`${names.length} rows in`).waitFor();
  await write(page, "SELECT Name, HealthPoints FROM wildrydes");
  await page.keyboard.press("Control+Enter");
  await page.getByText(`${names.length} rows in`).waitFor();
  await page.getByRole("button", { name: "Chart" }).click();
  await page.getByRole("region", { name: "Chart" }).getByRole("rowheader").first().waitFor();
  const state = await page.evaluate(() => ({
    ran: globalThis.ran, title: document.title, foreign: document.querySelectorAll("script:not([src]), iframe, object, img, form[action], [onerror], [onload]").length, inherited: Object.keys(Object.prototype).length,
  }));
  assert.deepEqual(state, { ran: undefined, title: "SQL · Gallop", foreign: 0, inherited: 0 });
  assert.deepEqual(wrong, []);

  // A page of another origin, also under a name that was made to point here.
  const port = new URL(url).port;
  const other = createServer((_, response) => response.writeHead(200, { "content-type": "text/html" }).end("<!doctype html><title>other</title>"));
  await new Promise((done) => other.listen(0, "127.0.0.1", done));
  const origin = `http://elsewhere.example:${other.address().port}`;
  const context = await browser.newContext();
  const stranger = await context.newPage();
  await stranger.goto(`${origin}/`);
  const read = await stranger.evaluate(async (targets) => {
    const read = [];
    for (const target of targets) {
      for (const options of [{}, { mode: "no-cors" }, { method: "POST", body: "{}", headers: { "content-type": "text/plain" } }, { headers: { authorization: "Bearer x" } }]) {
        try {
          const stop = new AbortController();
          setTimeout(() => stop.abort(), 3000);
          const response = await fetch(target, { ...options, signal: stop.signal });
          // An opaque answer has no body that a page could read.
          if (response.type !== "opaque") read.push(`${target} ${JSON.stringify(options)}: ${response.status}`);
        } catch { /* as it must be */ }
      }
      const heard = await new Promise((done) => {
        const source = new EventSource(target);
        source.onmessage = source.onopen = () => { source.close(); done(true); };
        source.onerror = () => { source.close(); done(false); };
      });
      if (heard) read.push(`${target}: events`);
      const frame = document.createElement("iframe");
      frame.src = target;
      await new Promise((done) => { frame.onload = frame.onerror = done; document.body.append(frame); setTimeout(done, 500); });
      try { if (frame.contentDocument?.body?.textContent) read.push(`${target}: frame`); } catch { /* as it must be */ }
      frame.remove();
    }
    return read;
  }, ["", "v1/live?topics=fleet", "v1/streams", "v1/streams/wildrydes/records", "metrics"].map((path) => `${url}/${path}`));
  assert.deepEqual(read, []);
  // Nor does it change anything: not even by what a browser sends to elsewhere without asking first.
  await stranger.evaluate(async (target) => {
    const body = JSON.stringify({ split: { shard: "shardId-000000000000" } });
    for (const options of [{ mode: "no-cors" }, { headers: { "content-type": "text/plain" } }, { headers: { "content-type": "application/json" } }]) {
      await fetch(target, { method: "POST", body, ...options }).catch(() => {});
    }
    const form = Object.assign(document.createElement("form"), { method: "post", enctype: "text/plain", action: target, target: "answer" });
    const frame = Object.assign(document.createElement("iframe"), { name: "answer" });
    form.append(Object.assign(document.createElement("input"), { name: body.slice(0, -1), value: "}" }));
    document.body.append(frame, form);
    form.submit();
    await new Promise((done) => { frame.onload = done; setTimeout(done, 1000); });
  }, `${url}/v1/streams/wildrydes/reshard`);
  assert.equal((await rest(url, "GET", "v1/streams")).streams[0].open_shards, 2, "nobody else split a shard");
  const rebound = await context.newPage();
  for (const path of ["", "v1/live?topics=fleet", "v1/streams", "v1/streams/wildrydes/records"]) {
    const response = await rebound.goto(`http://rebound.example:${port}/${path}`);
    assert.equal(response.status(), 403, path);
  }
  other.close();
  console.log(`${PAYLOADS.length} payloads are text on every page; a second origin and a rebound name read nothing and change nothing`);
});
