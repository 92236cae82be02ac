// Ten thousand unicorns: what a frame costs in a browser that draws in software.

import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { open, part, pictures, put, reading, test, until } from "./rig.mjs";

const MANY = 10_000;
const FRAMES = 120;

await test(async ({ folder, browser, start }) => {
  writeFileSync(join(folder, "gallop.toml"), "[streams.wildrydes]\nshards = 4\n[kinesis]\nshard_quotas = false\n");
  const server = start("serve", "--port", "0", "--data", folder);
  const url = await server.url();
  const { page, wrong } = await open(browser, `${url}/`, { reducedMotion: "no-preference" });
  let going = true, sent = 0;
  const feeding = (async () => {
    for (let round = 0; going; round++) {
      for (let at = 0; at < MANY && going; at += 500) {
        const all = Array.from({ length: 500 }, (_, n) => {
          const number = at + n, angle = number * 2.4, far = Math.sqrt(number) * 0.0006 + round * 0.0003;
          return { ...reading(`unicorn-${number}`), Latitude: 40.7492 + far * Math.sin(angle), Longitude: -73.9852 + far * Math.cos(angle), HealthPoints: 40 + (number % 120) };
        });
        await put(url, "wildrydes", all);
        sent += all.length;
      }
    }
  })();
  await page.waitForFunction((many) => globalThis.gallopMap?.unicorns.size === many, MANY);
  await page.evaluate(() => { gallopMap.times.length = 0; });
  await page.waitForFunction((frames) => gallopMap.times.length >= frames, FRAMES, { polling: "raf" });
  const times = await page.evaluate(() => [...gallopMap.times]);
  await page.screenshot({ path: join(pictures, "crowd.png") });
  going = false;
  await feeding;
  console.log(`${MANY} unicorns, ${sent} records: a frame takes p50 ${part(times, 0.5).toFixed(1)} ms, p95 ${part(times, 0.95).toFixed(1)} ms`);
  assert.ok(part(times, 0.5) < 1_000, "even a busy machine draws a frame a second");
  assert.deepEqual(wrong, []);
});
