// Whoever starts the demo and opens its page: how soon they see what.

import assert from "node:assert/strict";
import { join } from "node:path";
import { open, part, pictures, test, until } from "./rig.mjs";

await test(async ({ folder, browser, start }) => {
  const demo = start("demo", "--port", "0", "--data", join(folder, "demo"));
  const url = await demo.url();
  assert.ok(demo.out.some((line) => line.includes(`${url}/`)), "the demo names the page");
  const begin = Date.now();
  const { page, wrong } = await open(browser, `${url}/`);
  await page.waitForFunction(() => globalThis.gallopMap?.unicorns.size > 0 && gallopMap.times.length > 0, null, { polling: "raf" });
  const first = Date.now() - begin;
  // Each record's own way: from its arrival at the server to the frame that shows it.
  const delays = await page.evaluate(async () => {
    const seen = new Map(), delays = [];
    while (delays.length < 200) {
      await new Promise(requestAnimationFrame);
      const at = Date.now();
      for (const { name, arrivedAt } of gallopMap.unicorns.values()) {
        if (seen.has(name) && seen.get(name) !== arrivedAt) delays.push(at - arrivedAt);
        seen.set(name, arrivedAt);
      }
    }
    return delays;
  });
  await page.goto(`${url}/#/windows`);
  await page.getByRole("img", { name: /^Distance, sum: \d/ }).first().waitFor();
  const aggregate = Date.now() - begin;
  const rows = await page.getByText(/rows in it/).first().textContent();
  assert.match(rows, /[1-9]\d* rows/);
  await page.screenshot({ path: join(pictures, "first-window.png") });
  const paint = await page.evaluate(() => performance.getEntriesByName("first-contentful-paint")[0]?.startTime ?? 0);
  console.log(`first paint ${Math.round(paint)} ms, first unicorn ${first} ms, record to pixel p50 ${part(delays, 0.5)} ms, p99 ${part(delays, 0.99)} ms, first aggregate ${aggregate} ms`);
  assert.deepEqual(wrong, []);
  assert.ok(first < 30_000 && part(delays, 0.99) < 10_000 && aggregate < 60_000, "even a busy machine is sooner");
});
