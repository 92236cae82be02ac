// The server is killed under an open page and comes back: so does the page, by itself.

import assert from "node:assert/strict";
import { freePort, open, put, reading, test, until } from "./rig.mjs";
import { writeFileSync } from "node:fs";
import { join } from "node:path";

await test(async ({ folder, browser, start }) => {
  writeFileSync(join(folder, "gallop.toml"), "[streams.wildrydes]\nshards = 2\n");
  const port = await freePort();
  const serve = () => start("serve", "--port", String(port), "--data", folder);
  const server = serve();
  const url = await server.url();
  await put(url, "wildrydes", [reading("Before")]);
  const { page, wrong } = await open(browser, `${url}/#/fleet`);
  await page.getByRole("rowheader", { name: "Before" }).waitFor();
  await page.evaluate(() => { globalThis.sameDocument = true; });

  const killed = Date.now();
  await server.stop();
  await page.getByText("Reconnecting…").waitFor();
  const noticed = Date.now() - killed;
  const restarted = serve();
  await restarted.url();
  const back = Date.now();
  await page.getByText("Live", { exact: true }).waitFor();
  const recovered = Date.now() - back;
  await put(url, "wildrydes", [reading("After")]);
  await page.getByRole("rowheader", { name: "After" }).waitFor();
  assert.equal(await page.getByRole("rowheader", { name: "Before" }).count(), 1, "what is durable is there, once");
  assert.equal(await page.evaluate(() => globalThis.sameDocument), true, "nobody reloaded the page");
  // A drain ends the page's connection too, so it does not wait for it.
  const draining = Date.now();
  await restarted.stop("SIGTERM");
  const drained = Date.now() - draining;
  await page.getByText("Reconnecting…").waitFor();
  console.log(`noticed after ${noticed} ms, recovered ${recovered} ms after the server, which drained in ${drained} ms`);
  assert.ok(drained < 9_000, "a page that is open does not hold up the drain");
  assert.deepEqual(wrong, []);
});
