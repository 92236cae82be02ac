// What people do with the page, beyond looking: ask SQL, split and merge shards, see the last minutes again.

import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { kinesis, open, pictures, put, reading, rest, test, until, write } from "./rig.mjs";

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
  assert.deepEqual(wrong, []);
  console.log("completion, an error in its place, rows, a chart, cancel and history; a split and a merge, with previews and a refusal; a replay");
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
