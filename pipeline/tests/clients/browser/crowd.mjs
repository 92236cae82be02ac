// Ten thousand unicorns: what a frame costs in a browser that draws in software.

import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { open, part, pictures, put, reading, test } from "./rig.mjs";

const MANY = 10_000;
/** Frames that are waited for while the fleet moves. */
const FRAMES = 120;
/** What a frame may cost, in milliseconds: 60 frames a second. */
const FRAME_MAX = 16;
/** Times that a scene is measured, and frames of each: the median of those means counts. */
const ROUNDS = 7;
const ROUND_FRAMES = 20;

/** Milliseconds of the processor that the page's main thread spends on a frame, with every pixel drawn: whoever else wants the processor does not count. */
async function cost(page, cdp, groundToo) {
  const spent = async () => (await cdp.send("Performance.getMetrics")).metrics.find(({ name }) => name === "ThreadTime").value * 1000;
  const rounds = [];
  for (let round = 0; round < ROUNDS; round++) {
    const before = await spent();
    await page.evaluate(([frames, groundToo]) => {
      for (let at = 0; at < frames; at++) {
        gallopMap.fleetIsStale = true;
        if (groundToo) gallopMap.groundIsStale = true;
        gallopMap.frame(performance.now());
        // A pixel that is asked for must have been drawn.
        for (const canvas of [gallopMap.fleet, gallopMap.ground]) canvas.getContext("2d").getImageData(0, 0, 1, 1);
      }
    }, [ROUND_FRAMES, groundToo]);
    rounds.push((await spent() - before) / ROUND_FRAMES);
  }
  return part(rounds, 0.5);
}

await test(async ({ folder, browser, start }) => {
  writeFileSync(join(folder, "gallop.toml"), "[streams.wildrydes]\nshards = 4\n[kinesis]\nshard_quotas = false\n");
  const server = start("serve", "--port", "0", "--data", folder);
  const url = await server.url();
  const { page, wrong } = await open(browser, `${url}/`, { reducedMotion: "no-preference" });
  const cdp = await page.context().newCDPSession(page);
  await cdp.send("Performance.enable", { timeDomain: "threadTicks" });
  let going = true, sent = 0;
  const feeding = (async () => {
    for (let round = 0; going; round++) {
      for (let at = 0; at < MANY && going; at += 500) {
        const all = Array.from({ length: 500 }, (_, n) => {
          const number = at + n, angle = number * 2.4, far = Math.sqrt(number) * 0.0006 + round * 0.0003;
          return { ...reading(`unicorn-${number}`), Latitude: 40.7492 + far * Math.sin(angle), Longitude: -73.9852 + far * Math.cos(angle), HealthPoints: number % 9 ? 140 : 40 + (number % 120) };
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
  going = false;
  await feeding;

  const scenes = [];
  for (const [name, ...buttons] of [["crowd"], ["crowd-near", "Zoom in"], ["crowd-far", "Zoom out", "Zoom out"]]) {
    for (const button of buttons) await page.getByRole("button", { name: button }).click();
    const [fleet, all] = [await cost(page, cdp, false), await cost(page, cdp, true)];
    const drawn = await page.evaluate(() => gallopMap.drawn);
    await page.screenshot({ path: join(pictures, `${name}.png`) });
    scenes.push({ name, fleet, all, ...drawn });
    assert.ok(drawn.marks + drawn.badges > 50, `${name} shows somebody`);
  }
  const text = scenes.map(({ name, fleet, all, marks, badges }) => `${name} (${marks} marks, ${badges} badges) ${fleet.toFixed(1)} ms, ${all.toFixed(1)} ms with the ground`);
  console.log(`${MANY} unicorns, ${sent} records; processor time of a frame: ${text.join("; ")}; beside the feed a frame took p50 ${part(times, 0.5).toFixed(1)} ms, p95 ${part(times, 0.95).toFixed(1)} ms`);
  assert.ok(scenes.some(({ marks }) => marks > MANY / 4) && scenes.some(({ badges }) => badges > 50), "both are measured");
  for (const { name, fleet, all } of scenes) assert.ok(fleet <= FRAME_MAX && all <= FRAME_MAX, `${name}: a frame costs ${all} ms`);
  assert.deepEqual(wrong, []);
});
