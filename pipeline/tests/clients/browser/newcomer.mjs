// Whoever starts the demo and opens its page: how soon they see what.

import assert from "node:assert/strict";
import { join } from "node:path";
import { open, part, pictures, test } from "./rig.mjs";

/** What is promised, in milliseconds: the first unicorn on the map, a record's way to its pixel, the first window. */
const FIRST_MAX = 2_000;
const PIXEL_MAX = 500;
const AGGREGATE_MAX = 15_000;
/** A moment at which the machine does something else is not the page's: so many newcomers may come. */
const NEWCOMERS_MAX = 3;
/** Records whose way is measured. */
const RECORDS = 200;

/** Starts the demo, opens its page as somebody who has nothing of it, and measures. */
async function newcomer(folder, browser, start) {
  const demo = start("demo", "--port", "0", "--data", folder);
  const url = await demo.url();
  assert.ok(demo.out.some((line) => line.includes(`${url}/`)), "the demo names the page");
  const begin = Date.now();
  const { page, wrong } = await open(browser, `${url}/`);
  await page.waitForFunction(() => globalThis.gallopMap?.unicorns.size > 0 && gallopMap.times.length > 0, null, { polling: "raf" });
  const first = Date.now() - begin;
  // Each record's own way: from its arrival at the server to the frame that shows it.
  const delays = await page.evaluate(async (many) => {
    const seen = new Map(), delays = [];
    while (delays.length < many) {
      await new Promise(requestAnimationFrame);
      const at = Date.now();
      for (const { name, arrivedAt } of gallopMap.unicorns.values()) {
        if (seen.has(name) && seen.get(name) !== arrivedAt) delays.push(at - arrivedAt);
        seen.set(name, arrivedAt);
      }
    }
    return delays;
  }, RECORDS);
  await page.goto(`${url}/#/windows`);
  await page.getByRole("img", { name: /^Distance, sum: \d/ }).first().waitFor();
  const aggregate = Date.now() - begin;
  assert.match(await page.getByText(/rows in it/).first().textContent(), /[1-9]\d* rows/);
  await page.screenshot({ path: join(pictures, "first-window.png") });
  const paint = await page.evaluate(() => performance.getEntriesByName("first-contentful-paint")[0]?.startTime ?? 0);
  assert.deepEqual(wrong, []);
  await page.context().close();
  await demo.stop();
  const pixel = part(delays, 0.99);
  console.log(`first paint ${Math.round(paint)} ms, first unicorn ${first} ms, record to pixel p50 ${part(delays, 0.5)} ms, p99 ${pixel} ms, first aggregate ${aggregate} ms`);
  return first <= FIRST_MAX && pixel <= PIXEL_MAX && aggregate <= AGGREGATE_MAX;
}

await test(async ({ folder, browser, start }) => {
  for (let number = 1; !await newcomer(join(folder, `demo-${number}`), browser, start); number++) {
    assert.ok(number < NEWCOMERS_MAX, `none of ${NEWCOMERS_MAX} newcomers saw it as soon as promised`);
  }
});
