// Checks that an open page of the real server follows the project while it publishes, is held, and changes.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expectedKpis, fetchData, getJson } from "./api.mjs";
import { kpiValues, newReader, screenshot, settled } from "./browser.mjs";

/**
 * `binary` is the millrace program, and `folder` the project: a copy of examples/shop that the server at
 * `base` serves. The checks change its files.
 */
export function liveChecks(browser, base, binary, folder) {
  const orders = join(folder, "data", "commandes.json");

  /**
   * Starts a run, which the server carries out, and returns the exit code: 0 after a publish, 1 if the run
   * was held.
   */
  const run = () =>
    new Promise((resolve) => {
      execFile(binary, ["run", "--json", "--project", folder], (error) => resolve(error ? error.code : 0));
    });

  const shows = (page, version) => page.locator(`[data-testid='data-version'][data-value='${version}']`).waitFor();

  /** Fails if the figures of the page differ from the server's. Returns the data version. */
  async function sameNumbers(page, name) {
    await settled(page);
    const dashboard = await getJson(base, `/dashboards/${encodeURIComponent(name)}`);
    const { start, results } = await fetchData(base, name, { range: "all" });
    assert.deepEqual(await kpiValues(page), expectedKpis(dashboard, results));
    return start.data_version;
  }

  return [
    ["an open page follows the project: a publish, a held run with its rows, a dashboard that has changed", async () => {
      const { dashboards, publication } = await getJson(base, "/project");
      const { name, title } = dashboards[0];
      const { page, context, problems } = await newReader(browser);
      try {
        await page.goto(`${base}/d/${encodeURIComponent(name)}?range=all`);
        await settled(page);
        const first = publication.data_version;
        const before = await kpiValues(page);
        await page.evaluate(() => (globalThis.same = true));

        const text = await readFile(orders, "utf8");
        const more = text.replace(/"Quantite":\s*\d+/, '"Quantite": 77');
        assert.notEqual(more, text);
        await writeFile(orders, more);
        assert.equal(await run(), 0);
        await shows(page, first + 1);
        assert.equal(await sameNumbers(page, name), first + 1);
        const between = await kpiValues(page);
        assert.notDeepEqual(between, before);

        await writeFile(orders, more.replace("Validee", "Perdue").replace("Validee", "Perdue"));
        assert.equal(await run(), 1, "held");
        const banner = page.getByTestId("banner-held");
        await banner.waitFor();
        const failed = banner.getByTestId("failed-test").filter({ hasText: "accepted_values(fact_orders.status)" });
        assert.match((await failed.textContent()) ?? "", /2 rows/);
        await failed.getByTestId("rows-toggle").click();
        const rows = failed.getByTestId("failing-rows");
        await rows.waitFor();
        assert.equal(await rows.locator("th[scope='col']").first().textContent(), "status");
        assert.deepEqual(await rows.locator("tbody tr td:first-child").allTextContents(), ["Perdue", "Perdue"]);
        await screenshot(page, "live-held");
        assert.deepEqual(await kpiValues(page), between, "readers see what they saw");

        const path = join(folder, "dashboards", (await readdir(join(folder, "dashboards")))[0]);
        const dashboard = await readFile(path, "utf8");
        const renamed = dashboard.replace(new RegExp(`\\b${title.en}\\b`), "Renamed");
        assert.notEqual(renamed, dashboard);
        await writeFile(path, renamed);
        await writeFile(orders, text);
        assert.equal(await run(), 0);
        await shows(page, first + 2);
        await banner.waitFor({ state: "detached" });
        await page.getByRole("heading", { level: 1, name: "Renamed" }).waitFor();
        await sameNumbers(page, name);
        assert.deepEqual(await kpiValues(page), before);
        assert.equal(await page.evaluate(() => globalThis.same), true, "nobody has reloaded the page");

        await page.goto(`${base}/runs`);
        const results = page.getByTestId("run-status");
        await results.first().waitFor();
        const told = await results.evaluateAll((marks) => marks.map((mark) => mark.dataset.value));
        assert.deepEqual(told.slice(0, 3), ["succeeded", "held", "succeeded"]);
        await screenshot(page, "live-runs");
        assert.deepEqual(problems, [], "no errors in the console");
      } finally {
        await context.close();
      }
    }],
  ];
}
