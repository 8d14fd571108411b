// Accessibility: axe-core checks every page in both languages and both themes, including what opens on it.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { settled } from "./browser.mjs";
import { withMock } from "./scene.mjs";

const source = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/**
 * The violations that axe finds, each as one line. `label-content-name-mismatch` is an experimental rule,
 * which is off by default.
 */
async function breaches(page) {
  // The content security policy of the page allows no foreign scripts, but `evaluate` of the browser's
  // debugging protocol is not subject to it.
  await page.evaluate(source);
  return page.evaluate(async () => {
    const options = { rules: { "label-content-name-mismatch": { enabled: true } }, resultTypes: ["violations"] };
    const { violations } = await globalThis.axe.run(document, options);
    return violations.flatMap(({ id, nodes }) => nodes.map(({ target, html }) => `${id}: ${target.join(" ")} ${html.slice(0, 160)}`));
  });
}

/** Name, address, what to open before axe runs, and how to prepare the mock's state. */
const pages = [
  ["dashboard", "/d/sales"],
  ["filter", "/d/sales", (page) => page.getByTestId("filter-country").click()],
  ["range", "/d/sales", (page) => page.getByTestId("range-picker").click()],
  ["age of the data", "/d/sales", (page) => page.getByTestId("data-age").click()],
  ["tables in place of charts", "/d/sales", async (page) => {
    for (const toggle of await page.getByTestId("table-twin-toggle").all()) await toggle.click();
  }],
  ["what figures mean", "/d/sales", async (page) => {
    for (const about of await page.getByTestId("tile-about").all()) await about.click();
  }],
  ["dashboards", "/", null, (state) => (state.others = ["Two", "Three"])],
  ["many dashboards", "/", (page) => page.getByTestId("nav-dashboards").click(), (state) => (state.others = Array.from({ length: 16 }, (_, at) => `Page ${at}`))],
  ["runs", "/runs"],
  ["a run", "/runs/20261101T060000-4f2a"],
  ["quarantine", "/quarantine"],
  ["no page", "/no/such/page"],
];

export const axeChecks = (browser) =>
  pages.flatMap(([name, path, act, prepare]) =>
    ["en-GB", "fr-FR"].map((locale) => [
      `axe finds nothing: ${name} (${locale})`,
      withMock(browser, (state) => {
        state.notices = [{ code: "schema-drift", message: "stream `files.orders` has a new column `note`", hint: "Run `millrace capture`.", stream: "files.orders" }];
        prepare?.(state);
      }, async (page) => {
        await page.getByRole("heading", { level: 1 }).waitFor();
        if (path.startsWith("/d/")) await settled(page);
        await act?.(page);
        for (const theme of ["light", "dark"]) {
          await page.evaluate((choice) => (document.documentElement.dataset.theme = choice), theme);
          assert.deepEqual(await breaches(page), [], theme);
        }
      }, { path, locale }),
    ]),
  );
