// What people do with the page, beyond looking: ask SQL, split and merge shards, see the last minutes again.

import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { kinesis, open, pictures, put, reading, rest, test, until, write } from "./rig.mjs";

/** Nobody waits so long for a page to answer, in milliseconds; machines of CI are slow. */
const FROZEN = 2000;

/** In the page: notes the longest time between two turns of it. */
function watch() {
  let last = performance.now(), longest = 0;
  const timer = setInterval(() => { const now = performance.now(); longest = Math.max(longest, now - last); last = now; }, 10);
  globalThis.slowest = () => { clearInterval(timer); return Math.max(longest, performance.now() - last); };
}

/** Open shards of `rides`. */
const shards = async (url) => (await rest(url, "GET", "v1/streams")).streams.find(({ name }) => name === "rides").open_shards;

await test(async ({ folder, browser, start }) => {
  writeFileSync(join(folder, "gallop.toml"), "[streams.rides]\nshards = 2\n[streams.wild-rydes]\nshards = 1\n[dashboard]\nfleet = \"rides\"\n");
  const server = start("serve", "--port", "0", "--data", folder);
  const url = await server.url();
  await put(url, "rides", ["Arion", "Shadowfax", "Grani"].map((name, at) => ({ ...reading(name), HealthPoints: 100 + at })));
  const { page, wrong } = await open(browser, `${url}/#/sql`);
  await sql(page);
  await replay(page, url);
  await split(page, url);
  await largest(page, url);
  assert.deepEqual(wrong, []);
  console.log("completion, an error in its place, rows, a chart, cancel and history; a split and a merge, with previews and a refusal; records of the largest size; a replay");
});

async function sql(page) {
  await page.locator(".cm-content").waitFor();
  const editor = page.getByLabel("Query");
  const text = async () => (await page.locator(".cm-line").allTextContents()).join("\n");
  // Columns of the table that the text names, and tables; a name that needs quotes gets them.
  await write(page, "SELECT  FROM rides");
  await editor.press("Home");
  for (let step = 0; step < "SELECT ".length; step++) await editor.press("ArrowRight");
  await editor.press("Control+Space");
  await page.getByRole("option", { name: /^HealthPoints/ }).click();
  assert.equal(await text(), "SELECT HealthPoints FROM rides");
  await write(page, "SELECT * FROM wild");
  await editor.press("Control+Space");
  await page.getByRole("option", { name: /^wild-rydes/ }).click();
  assert.equal(await text(), 'SELECT * FROM "wild-rydes"');

  await write(page, "SELECT Name,\n  HealthPoint FROM rides");
  await editor.press("Control+Enter");
  await page.getByText("Line 2, column 3:").waitFor();
  await page.getByText("did you mean `HealthPoints`?").waitFor();
  assert.equal(await page.locator(".cm-wrong").textContent(), "HealthPoint");

  await write(page, "SELECT Name, HealthPoints FROM rides ORDER BY Name");
  await page.getByRole("button", { name: "Run" }).click();
  await page.getByText("3 rows in").waitFor();
  assert.equal(await page.locator(".cm-wrong").count(), 0, "what is right is not underlined");
  await page.getByRole("button", { name: "Chart" }).click();
  await page.getByRole("region", { name: "Chart" }).getByRole("row", { name: /Shadowfax\s*101/ }).waitFor();
  await page.getByRole("button", { name: "Chart" }).click();
  await page.getByRole("cell", { name: "101" }).waitFor();

  // What takes long is cancelled, also on the server: it takes four at a time.
  for (let time = 0; time < 6; time++) {
    await write(page, `SELECT SUM(a.HealthPoints) FROM ${Array.from({ length: 17 }, (_, n) => `rides ${String.fromCharCode(97 + n)}`).join(", ")}`);
    await page.getByRole("button", { name: "Run" }).click();
    await page.getByRole("button", { name: "Cancel" }).click();
    await page.getByText("cancelled after 0 rows").waitFor();
  }
  await page.getByLabel("Before").selectOption("SELECT Name, HealthPoints FROM rides ORDER BY Name");
  await until("what was asked before is there again", async () => await text() === "SELECT Name, HealthPoints FROM rides ORDER BY Name");
  await page.getByRole("button", { name: "Run" }).click();
  await page.getByText("3 rows in").waitFor();
}

async function split(page, url) {
  await page.goto(`${url}/#/streams`);
  const stream = page.getByRole("region", { name: "rides", exact: true });
  await stream.getByRole("button", { name: "Split shardId-000000000001" }).click();
  const change = stream.getByRole("region", { name: "Split a shard" });
  await change.getByRole("slider").fill("90");
  await change.getByRole("cell", { name: "45.0 %" }).waitFor();
  await change.getByText("The parts are uneven").waitFor();
  await page.screenshot({ path: join(pictures, "split.png") });
  assert.equal(await shards(url), 2, "a preview changes nothing");
  await change.getByRole("button", { name: "Split now" }).click();
  await stream.getByText("shardId-000000000001 is closed, shardId-000000000002 and shardId-000000000003 take the records that come now.").waitFor();
  await stream.getByRole("rowheader", { name: "shardId-000000000003" }).waitFor();
  assert.equal(await shards(url), 3);

  await stream.getByRole("button", { name: "Merge shardId-000000000002 with shardId-000000000003" }).click();
  const merge = stream.getByRole("region", { name: "Merge two shards" });
  await merge.getByRole("rowheader", { name: "shardId-000000000004" }).waitFor();
  // Somebody else is faster.
  await kinesis(url, "SplitShard", { StreamName: "rides", ShardToSplit: "shardId-000000000003", NewStartingHashKey: String(2n ** 128n - 2n ** 100n) });
  await merge.getByRole("button", { name: "Merge now" }).click();
  await merge.getByRole("alert").getByText(/shardId-000000000003/).waitFor();
  await merge.getByRole("button", { name: "Cancel" }).click();
  await until("the split shows", async () => await stream.getByRole("rowheader").count() === 4);
  await stream.getByRole("button", { name: "Merge shardId-000000000000 with shardId-000000000002" }).click();
  await stream.getByRole("button", { name: "Merge now" }).click();
  await stream.getByText("shardId-000000000000 and shardId-000000000002 are closed").waitFor();
  assert.equal(await shards(url), 3);
}

/** Records of the largest size are shown whole, and the page goes on meanwhile. */
async function largest(page, url) {
  await kinesis(url, "CreateStream", { StreamName: "large", ShardCount: 1, MaxRecordSizeInKiB: 10240 });
  const text = JSON.stringify({ begin: 1, middle: "wide \u{1f984} ".repeat((10 << 20) / 12 | 0), end: "the last word" });
  const binary = Buffer.from(Uint8Array.from({ length: 9 << 20 }, (_, at) => at * 7 & 0xff));
  const small = Buffer.from("[1]".repeat(9 << 10));
  for (const [PartitionKey, data] of [["text", Buffer.from(text)], ["binary", binary], ["small", small]]) {
    await kinesis(url, "PutRecord", { StreamName: "large", PartitionKey, Data: data.toString("base64") });
  }
  await page.goto(`${url}/#/records/large`);
  await page.getByLabel("From").selectOption("the oldest record");
  const panel = page.getByRole("complementary", { name: "Record" });
  const data = panel.getByLabel("Data");
  const hexadecimal = (bytes) => bytes.toString("hex").replace(/..(?=.)/g, "$& ");
  for (const [key, bytes, shown] of [["text", Buffer.from(text), text], ["binary", binary, hexadecimal(binary)], ["small", small, small.toString()]]) {
    await page.getByRole("button", { name: key, exact: true }).click();
    await panel.getByRole("heading", { name: key }).waitFor();
    const beginning = await data.textContent();
    assert.ok(beginning.length < shown.length && shown.startsWith(beginning), "the beginning");
    await page.evaluate(watch);
    await panel.getByRole("button", { name: "Show all" }).click();
    // Asked in the page: a locator by text would read all of the data again and again.
    await page.waitForFunction(() => document.querySelector(".record .row")?.textContent.startsWith("All of the data is shown."));
    const pause = await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => setTimeout(() => done(globalThis.slowest())))));
    assert.ok(await data.evaluate((data, shown) => data.textContent === shown, shown), `all of ${key}`);
    console.log(`a record of ${bytes.length} bytes, ${key}, shown whole; the longest pause of the page is ${Math.round(pause)} ms`);
    assert.ok(pause < FROZEN, `the page stood still for ${pause} ms`);
    const saved = page.waitForEvent("download");
    await panel.getByRole("button", { name: "Download" }).click();
    const file = readFileSync(await (await saved).path());
    assert.ok(file.equals(bytes), "the file has the bytes that were put");
  }
  await page.screenshot({ path: join(pictures, "large.png") });
}

/** Where the map has somebody, in degrees north. */
function latitude(page, name) {
  return page.evaluate((name) => globalThis.gallopMap?.fleetShown().get(name)?.latitude ?? null, name);
}

async function replay(page, url) {
  await page.goto(`${url}/#/map`);
  await until("Arion is on the map", async () => await latitude(page, "Arion") !== null);
  const start = await latitude(page, "Arion");
  await put(url, "rides", [reading("Arion", 0.01)]);
  await until("Arion has moved", async () => await latitude(page, "Arion") > start + 0.009);
  await page.getByRole("button", { name: "Replay the last minutes" }).click();
  const player = page.getByRole("region", { name: "Replay" });
  const time = player.getByRole("slider", { name: "Time" });
  await time.waitFor();
  // At its beginning everybody is where they were, and what comes now waits.
  await time.press("Home");
  // The first step: the shards of a put are not of the same millisecond.
  await time.press("ArrowRight");
  const isBack = async () => Math.abs(await latitude(page, "Arion") - start) < 0.004;
  await until("Arion is back", isBack);
  await put(url, "rides", [reading("Arion", 0.02)]);
  await until("the live fleet goes on", () => page.evaluate((start) => gallopMap.unicorns.get("Arion").latitude > start + 0.019, start));
  assert.ok(await isBack(), "what was is not what is");
  await time.press("End");
  await until("Arion comes again", async () => await latitude(page, "Arion") > start + 0.009);
  await page.screenshot({ path: join(pictures, "replay.png") });
  await player.getByRole("button", { name: "Back to now" }).click();
  await until("now is now", async () => await latitude(page, "Arion") > start + 0.019);
}
