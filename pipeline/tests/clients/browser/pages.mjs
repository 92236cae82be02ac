// Every page, light and dark: nothing that axe finds wrong, nothing from elsewhere, no more bytes than promised.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { freeUdpPort, open, pictures, rest, test, write } from "./rig.mjs";

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const PAGES = ["map", "fleet", "windows", "pipeline", "streams", "records", "sql", "sensors", "health"];
/** Bytes on the wire until the map is there, and of everything. */
const FIRST_MAX = 100_000;
const ALL_MAX = 220_000;

/** What each page has when it is ready. */
const ready = {
  map: (page) => page.waitForFunction(() => globalThis.gallopMap?.unicorns.size > 0),
  fleet: (page) => page.getByRole("rowheader", { name: "Shadowfax" }).waitFor(),
  windows: (page) => page.getByRole("img", { name: /^Distance, sum: \d/ }).first().waitFor(),
  pipeline: (page) => page.getByText("raw-to-archive").waitFor(),
  streams: async (page) => { await page.getByRole("button", { name: "Split shardId-000000000000" }).first().click(); await page.getByRole("button", { name: "Split now", disabled: false }).waitFor(); },
  records: async (page) => { await page.locator("button.link").first().click(); await page.getByRole("complementary", { name: "Record" }).waitFor(); },
  sql: async (page) => { await page.locator(".cm-content").waitFor(); await page.getByRole("button", { name: "Run" }).click(); await page.getByText(/\d+ rows in/).waitFor(); },
  sensors: (page) => page.getByRole("link", { name: "yard" }).waitFor(),
  health: async (page) => { await page.getByRole("rowheader", { name: "PutRecords", exact: true }).waitFor(); await page.getByText(/\d+ (checks )?passed/).first().waitFor(); },
};

/** What stands in a page only when it is asked for. */
const parts = {
  map: {
    card: async (page) => { await page.getByLabel("Find a unicorn").fill("Shadow"); await page.keyboard.press("Enter"); await page.getByRole("region", { name: "Unicorn" }).waitFor(); },
    replay: async (page) => { await page.getByRole("button", { name: "Replay the last minutes" }).click(); await page.getByRole("slider", { name: "Time" }).waitFor(); },
  },
  health: { well: async (page) => { await page.getByText(/\d+ passed/).click(); await page.getByRole("region", { name: "Checks that passed" }).waitFor(); } },
  sql: {
    chart: async (page) => { await page.getByRole("button", { name: "Chart" }).click(); await page.getByRole("region", { name: "Chart" }).waitFor(); },
    wrong: async (page) => { await write(page, "SELECT Nam FROM wildrydes"); await page.keyboard.press("Control+Enter"); await page.getByText("did you mean `Name`?").waitFor(); },
  },
};

await test(async ({ folder, browser, start }) => {
  const demo = start("demo", "--port", "0", "--data", join(folder, "demo"));
  const url = await demo.url();
  // No datagram is sent: whichever port is free will do.
  await rest(url, "PUT", "v1/sensor/schemas/7", { fields: [{ name: "rpm", kind: "u16" }] });
  await rest(url, "PUT", `v1/sensor/ports/${await freeUdpPort()}`, { stream: "yard", schema: 7 });
  const violations = [];
  const look = async (page, name, colorScheme) => {
    await page.screenshot({ path: join(pictures, `${name}-${colorScheme}.png`) });
    await page.evaluate(axe);
    const found = await page.evaluate(() => axe.run());
    violations.push(...found.violations.map(({ id, nodes }) => `${name}, ${colorScheme}: ${id}: ${nodes[0].html.slice(0, 160)} ${nodes[0].failureSummary}`));
  };
  for (const colorScheme of ["light", "dark"]) {
    const { page, wrong } = await open(browser, `${url}/`, { colorScheme });
    for (const name of PAGES) {
      await page.goto(`${url}/#/${name}`);
      await ready[name](page);
      await look(page, name, colorScheme);
      for (const [part, open] of Object.entries(parts[name] ?? {})) {
        await open(page);
        await look(page, `${name}-${part}`, colorScheme);
      }
    }
    assert.deepEqual(wrong, []);
    await page.context().close();
  }
  assert.deepEqual(violations, []);

  const { page: phone } = await open(browser, `${url}/`, { viewport: { width: 390, height: 780 } });
  for (const name of PAGES) {
    await phone.goto(`${url}/#/${name}`);
    await ready[name](phone);
    await phone.screenshot({ path: join(pictures, `${name}-phone.png`) });
    const over = await phone.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    assert.ok(over <= 0, `${name} is ${over} pixels wider than a phone`);
  }
  await phone.context().close();

  // Bytes, as a browser that has nothing gets them.
  const { page } = await open(browser, `${url}/`);
  const cdp = await page.context().newCDPSession(page);
  await cdp.send("Network.enable");
  await cdp.send("Network.setCacheDisabled", { cacheDisabled: true });
  const names = new Map();
  let bytes = 0;
  cdp.on("Network.responseReceived", ({ requestId, response }) => names.set(requestId, response.url));
  cdp.on("Network.loadingFinished", ({ requestId, encodedDataLength }) => {
    if (/\/$|\/assets\//.test(names.get(requestId) ?? "")) bytes += encodedDataLength;
  });
  await page.reload();
  await ready.map(page);
  const first = bytes;
  for (const name of PAGES) { await page.goto(`${url}/#/${name}`); await ready[name](page); }
  console.log(`first paint ${first} bytes, everything ${bytes} bytes, ${PAGES.length} pages without violations in light and dark`);
  assert.ok(first > 10_000 && first <= FIRST_MAX && bytes <= ALL_MAX);

  // A file is asked for again only when it has changed.
  const again = await fetch(`${url}/`);
  const tag = again.headers.get("etag");
  assert.equal((await fetch(`${url}/`, { headers: { "if-none-match": tag } })).status, 304);
  const asset = (await again.text()).match(/assets\/\w+\/app\.js/)[0];
  assert.match((await fetch(`${url}/${asset}`)).headers.get("cache-control"), /immutable/);
  assert.equal((await fetch(`${url}/assets/0/none.js`)).status, 404);

  // The page's own code is of the types that its comments say.
  const tsc = join(import.meta.dirname, "node_modules/.bin/tsc");
  const types = "--ignoreConfig --strict false --allowJs --checkJs --noEmit --target es2022 --module esnext --moduleResolution bundler --lib es2023,dom,dom.iterable";
  const checked = spawnSync(tsc, [...types.split(" "), join(process.env.WEB, "app.js")], { encoding: "utf8" });
  assert.equal(checked.status, 0, checked.stdout + checked.stderr);

  // Libraries are what LOCK says.
  const vendor = join(process.env.WEB, "vendor");
  for (const line of readFileSync(join(vendor, "LOCK"), "utf8").split("\n").filter((line) => line && !line.startsWith("#"))) {
    const [file, hash] = line.split(" ");
    assert.equal(createHash("sha256").update(readFileSync(join(vendor, file))).digest("hex"), hash, file);
  }
});
