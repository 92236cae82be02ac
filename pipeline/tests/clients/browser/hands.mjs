// The page for those without a pointer, with large letters, and for those who want no motion.

import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { open, pictures, put, reading, test, until } from "./rig.mjs";

/** A page of 1280 pixels at twice its size. */
const LARGE = { viewport: { width: 640, height: 400 }, deviceScaleFactor: 2 };
const PAGES = ["map", "fleet", "windows", "pipeline", "streams", "records", "sql", "sensors", "health"];

await test(async ({ folder, browser, start }) => {
  writeFileSync(join(folder, "gallop.toml"), "[streams.wildrydes]\nshards = 2\n");
  const server = start("serve", "--port", "0", "--data", folder);
  const url = await server.url();
  await put(url, "wildrydes", ["Arion", "Bayard", "Shadowfax"].map((name, at) => reading(name, at / 100)));
  const { page, wrong } = await open(browser, `${url}/`);
  await page.waitForFunction(() => globalThis.gallopMap?.unicorns.size === 3);
  const focused = () => page.evaluate(() => { const at = document.activeElement; return at.getAttribute("aria-label") ?? at.textContent; });
  const tabTo = async (what) => {
    for (let step = 0; step < 60; step++) {
      await page.keyboard.press("Tab");
      if (what.test(await focused())) return;
    }
    assert.fail(`no way to ${what} by the Tab key`);
  };

  await page.keyboard.press("Tab");
  assert.equal(await focused(), "Skip to content");
  await page.keyboard.press("Enter");
  assert.equal(await page.evaluate(() => document.activeElement.id), "main");
  await tabTo(/^Map with 3 unicorns/);
  const view = () => page.evaluate(() => ({ ...gallopMap.view }));
  const before = await view();
  await page.keyboard.press("+");
  await page.keyboard.press("ArrowLeft");
  const after = await view();
  assert.ok(after.scale > before.scale && after.longitude < before.longitude, "the map moves and grows");
  await page.keyboard.press("0");
  assert.equal((await view()).longitude, before.longitude);
  // Who is found is followed until Escape.
  await page.getByLabel("Find a unicorn").focus();
  await page.keyboard.type("Shadow");
  await page.keyboard.press("Enter");
  await page.getByRole("region", { name: "Unicorn" }).waitFor();
  await tabTo(/^Map with 3 unicorns/);
  await page.keyboard.press("Escape");
  await page.getByRole("region", { name: "Unicorn" }).waitFor({ state: "detached" });
  // Who wants no motion is given none: a unicorn is at its place at once, and nothing is painted until one moves.
  await put(url, "wildrydes", [reading("Arion", 0.02)]);
  await page.waitForFunction(() => gallopMap.unicorns.get("Arion").latitude > 40.76);
  await page.waitForFunction(() => {
    const painted = gallopMap.times.length;
    return new Promise((done) => setTimeout(() => done(gallopMap.times.length === painted), 300));
  });

  await page.goto(`${url}/#/fleet`);
  await page.getByRole("rowheader").first().waitFor();
  await tabTo(/^Unicorn/);
  await page.keyboard.press("Enter");
  await until("the table is turned round", async () => await page.getByRole("rowheader").first().textContent() === "Shadowfax");
  await page.goto(`${url}/#/sql`);
  await page.locator(".cm-content").waitFor();
  await page.getByLabel("Query").focus();
  await page.keyboard.press("Tab");
  assert.equal(await focused(), "Run", "the editor lets go of the Tab key");
  await page.keyboard.press("Enter");
  await page.getByText("3 rows in").waitFor();
  assert.deepEqual(wrong, []);
  await page.context().close();

  const { page: large } = await open(browser, `${url}/`, LARGE);
  for (const name of PAGES) {
    await large.goto(`${url}/#/${name}`);
    await large.getByRole("heading", { level: 1 }).waitFor({ state: "attached" });
    await large.screenshot({ path: join(pictures, `${name}-large.png`) });
    const over = await large.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    assert.ok(over <= 0, `${name} is ${over} pixels too wide at twice its size`);
  }
  console.log(`the map, the fleet and SQL by keys alone; ${PAGES.length} pages at twice their size; no motion where none is wanted`);
});
