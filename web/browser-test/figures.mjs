// Compares the figures of a real project with values that were computed elsewhere.

import assert from "node:assert/strict";
import { getJson } from "./api.mjs";
import { kpiValues, newReader, screenshot, settled } from "./browser.mjs";

/**
 * Checks the figures of the first dashboard over all days. `expected` maps metrics to exact values that were
 * computed independently of this code.
 */
export async function figureChecks(browser, base, expected) {
  const project = await getJson(base, "/project");
  const name = project.dashboards[0].name;
  const dashboard = await getJson(base, `/dashboards/${encodeURIComponent(name)}`);
  return [
    [`the page shows ${JSON.stringify(expected)}`, async () => {
      const reader = await newReader(browser, {});
      try {
        await reader.page.goto(`${base}/d/${encodeURIComponent(name)}?range=all`);
        await settled(reader.page);
        const values = await kpiValues(reader.page);
        const kpis = dashboard.rows.flat().filter((tile) => tile.kind === "kpi");
        for (const [metric, value] of Object.entries(expected)) {
          const tile = kpis.find((one) => one.metric.name === metric);
          assert.ok(tile, `there is a figure of ${metric}`);
          assert.equal(values[tile.id], value, metric);
        }
        // A chart over time is one line over an axis of days, not one bar per day. The number of SVG paths
        // shows it.
        const area = dashboard.rows.flat().find((tile) => tile.kind === "area");
        const paths = await reader.page.locator(`[data-testid="tile-${area.id}"] svg path`).count();
        assert.ok(paths > 0 && paths < 40, `${paths} shapes in the line over time`);
        await screenshot(reader.page, "twenty-orders");
        assert.deepEqual(reader.problems, [], "no errors in the console");
      } finally {
        await reader.context.close();
      }
    }],
  ];
}
