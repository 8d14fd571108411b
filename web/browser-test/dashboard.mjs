// Checks of a dashboard that hold on any server with a publication, the real one or the mock.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { expectedKpis, fetchData, getJson } from "./api.mjs";
import { DESKTOP, kpiValues, newReader, noHorizontalScroll, PHONE, screenshot, settled, tileStates } from "./browser.mjs";

const inEnglish = (text) => text.en ?? Object.values(text)[0];
const inFrench = (text) => text.fr ?? inEnglish(text);
const digits = (text) => text.replace(/\D/g, "");

/**
 * The checks of one dashboard: `wanted`, or the first of the project. Each opens the page as a new reader and
 * fails on any console error.
 */
export async function dashboardChecks(browser, base, wanted) {
  const project = await getJson(base, "/project");
  const name = wanted ?? project.dashboards[0]?.name;
  assert.ok(name, "the project has a dashboard");
  const dashboard = await getJson(base, `/dashboards/${encodeURIComponent(name)}`);
  const address = `${base}/d/${encodeURIComponent(name)}`;

  async function withPage(options, check, path = address) {
    const reader = await newReader(browser, options);
    try {
      await reader.page.goto(path);
      await settled(reader.page);
      await check(reader.page, reader);
      assert.deepEqual(reader.problems, [], "no errors in the console");
    } finally {
      await reader.context.close();
    }
  }

  const filter = dashboard.filters.find((one) => one.name === "country") ?? dashboard.filters[0];

  return [
    ["every tile reaches the data state", () =>
      withPage({}, async (page) => {
        const tiles = await tileStates(page);
        assert.deepEqual(
          tiles,
          dashboard.rows.flat().map(({ id, kind }) => ({ id, kind, state: "data" })),
        );
        await screenshot(page, "dashboard-light");
      })],

    ["the numbers and the data version are the server's", () =>
      withPage({}, async (page) => {
        const { start, results } = await fetchData(base, name);
        for (const tile of dashboard.rows.flat().filter((one) => one.kind === "area" || one.kind === "line")) {
          assert.equal(results[tile.id].columns[0].type, "date", "a line over time has days");
        }
        const expected = expectedKpis(dashboard, results);
        assert.deepEqual(await kpiValues(page), expected);
        assert.equal(await page.getByTestId("data-version").getAttribute("data-value"), String(start.data_version));
        assert.equal(await page.getByTestId("project-name").textContent(), project.name);
        const published = await page.getByTestId("published-at").getAttribute("datetime");
        assert.equal(published, start.published_at);
      })],

    ["a held run is told with its tests, and no other run is", () =>
      withPage({}, async (page) => {
        const banner = page.getByTestId("banner-held");
        const held = project.last_result?.status === "held";
        assert.equal(await banner.count(), held ? 1 : 0);
        if (!held) return;
        for (const { test } of project.last_result.failed_tests) assert.ok((await banner.textContent()).includes(test), test);
      })],

    ["every chart is named by a sentence with a number", () =>
      withPage({}, async (page) => {
        const names = await page.$$eval("[role='img']", (charts) => charts.map((chart) => chart.getAttribute("aria-label")));
        assert.ok(names.length > 0, "there are charts");
        for (const label of names) assert.match(label ?? "", /\d.*\.$/);
      })],

    ["the browser's language is taken, French is chosen and remembered", () =>
      withPage({}, async (page) => {
        const title = page.getByRole("heading", { level: 1 });
        assert.equal(await page.locator("html").getAttribute("lang"), "en");
        assert.equal(await title.textContent(), inEnglish(dashboard.title));
        const kpi = page.getByTestId("kpi-value").first();
        const english = await kpi.textContent();
        const exact = await kpi.getAttribute("data-value");
        await page.getByTestId("language-fr").click();
        await page.locator("html[lang='fr']").waitFor();
        assert.equal(await title.textContent(), inFrench(dashboard.title));
        assert.equal(digits(await kpi.textContent()), digits(english), "the same digits");
        assert.equal(await kpi.getAttribute("data-value"), exact);
        await screenshot(page, "dashboard-french");
        await page.reload();
        await settled(page);
        assert.equal(await title.textContent(), inFrench(dashboard.title));
      })],

    ["a French browser gets French at once", () =>
      withPage({ locale: "fr-FR" }, async (page) => {
        assert.equal(await page.locator("html").getAttribute("lang"), "fr");
        const revenue = dashboard.rows.flat().find((tile) => tile.metric?.format?.currency === "EUR" && tile.kind === "kpi");
        if (revenue) assert.match(await page.locator(`[data-testid="tile-${revenue.id}"] [data-testid="kpi-value"]`).textContent(), /,\d\d\s€/u);
      })],

    ["the dark theme is chosen and remembered, and the system's is followed", () =>
      withPage({}, async (page) => {
        const ground = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
        const light = await ground();
        await page.getByTestId("theme-dark").click();
        const dark = await ground();
        assert.notEqual(dark, light);
        await settled(page);
        await screenshot(page, "dashboard-dark");
        await page.reload();
        await settled(page);
        assert.equal(await ground(), dark);
        await page.getByTestId("theme-system").click();
        assert.equal(await ground(), light);
        await page.emulateMedia({ colorScheme: "dark" });
        assert.equal(await ground(), dark);
      })],

    ["a chart turns into a table of the same values, and into CSV", () =>
      withPage({}, async (page) => {
        const { results } = await fetchData(base, name);
        const chart = dashboard.rows.flat().find((tile) => tile.kind !== "kpi" && tile.kind !== "table");
        assert.ok(chart, "there is a chart");
        const tile = page.getByTestId(`tile-${chart.id}`);
        await tile.getByTestId("table-twin-toggle").click();
        const rows = tile.locator("tbody tr");
        assert.equal(await rows.count(), results[chart.id].rows);
        const column = results[chart.id].columns.findIndex((one) => one.role === "metric");
        const values = await tile.locator(`tbody tr td:nth-child(${column + 1})`).evaluateAll((cells) => cells.map((cell) => cell.title));
        assert.deepEqual(values, results[chart.id].data[column].map((value) => (value === null ? "" : String(value))));
        const [download] = await Promise.all([page.waitForEvent("download"), tile.getByTestId("csv-download").click()]);
        const csv = await readFile(await download.path(), "utf8");
        assert.equal(csv.trim().split("\r\n").length, results[chart.id].rows + 1);
        await screenshot(page, "dashboard-table-twin");
        await tile.getByTestId("table-twin-toggle").click();
        await tile.getByTestId("chart").locator("svg").waitFor();
        assert.equal(await rows.count(), 0);
      })],

    ["a filter changes the address and the numbers, back undoes it, and the address alone restores it", async () => {
      assert.ok(filter, "the dashboard has a filter");
      await withPage({}, async (page) => {
        const all = await fetchData(base, name);
        const value = all.start.options[filter.name].find((option) => option !== null);
        const some = await fetchData(base, name, { filters: { [filter.name]: [value] } });
        const before = expectedKpis(dashboard, all.results);
        const after = expectedKpis(dashboard, some.results);
        assert.notDeepEqual(after, before, "the filter matters");

        const shows = (expected) =>
          page.waitForFunction((wanted) => {
            const one = (id) => document.querySelector(`[data-testid="tile-${id}"] [data-testid="kpi-value"]`)?.dataset.value ?? "";
            return Object.entries(wanted).every(([id, text]) => one(id) === text);
          }, expected);

        await page.getByTestId(`filter-${filter.name}`).click();
        await page.locator(`[data-testid="filter-option"][data-value='${JSON.stringify(value)}']`).check();
        await page.waitForURL((url) => url.searchParams.get(filter.name) === String(value));
        await shows(after);
        await settled(page);
        await screenshot(page, "dashboard-filter-open");
        await page.keyboard.press("Escape");
        assert.equal(await page.getByRole("dialog").count(), 0, "Escape closes the list");

        await page.goBack();
        await shows(before);
        assert.equal(new URL(page.url()).search, "");
        await page.goForward();
        await shows(after);
        await page.reload();
        await shows(after);
        assert.deepEqual(await kpiValues(page), after);
      });
    }],

    ["another range is asked for by name and by dates", () =>
      withPage({}, async (page) => {
        // Choose a range other than the dashboard's own, which is not written into the address.
        const range = dashboard.time.range === "last 90 days" ? "last 7 days" : "last 90 days";
        await page.getByTestId("range-picker").click();
        await page.getByTestId(`range-${range.replaceAll(" ", "-")}`).click();
        await page.waitForURL((url) => url.searchParams.get("range") === range);
        await settled(page);
        const { start, results } = await fetchData(base, name, { range });
        assert.deepEqual(await kpiValues(page), expectedKpis(dashboard, results));
        await screenshot(page, "dashboard-90-days");

        await page.getByTestId("range-picker").click();
        await page.getByTestId("range-from").fill(start.range.from);
        await page.getByTestId("range-to").fill(start.range.from);
        await page.getByTestId("range-apply").click();
        await page.waitForURL((url) => url.searchParams.get("range") === `${start.range.from}..${start.range.from}`);
        await settled(page);
        const day = await fetchData(base, name, { range: { from: start.range.from, to: start.range.from } });
        assert.deepEqual(await kpiValues(page), expectedKpis(dashboard, day.results));
      })],

    ["the whole history is drawn", () =>
      withPage({}, async (page) => {
        const states = await tileStates(page);
        assert.ok(states.every(({ state }) => state === "data"));
        await screenshot(page, "dashboard-all");
      }, `${address}?range=all`)],

    ["the keyboard alone opens a tile's table", () =>
      withPage({}, async (page) => {
        const toggle = page.getByTestId("table-twin-toggle").first();
        await page.locator("main").focus();
        const focused = () => toggle.evaluate((button) => button === document.activeElement);
        for (let presses = 0; presses < 30 && !(await focused()); presses++) await page.keyboard.press("Tab");
        assert.ok(await focused(), "Tab reaches the button");
        const outline = await toggle.evaluate((button) => getComputedStyle(button).outlineStyle);
        assert.notEqual(outline, "none", "and shows that it does");
        await page.keyboard.press("Enter");
        await page.getByTestId("data-table").first().waitFor();
      })],

    ...["light", "dark"].map((colorScheme) => [`a phone has no horizontal scroll (${colorScheme})`, () =>
      withPage({ viewport: PHONE, phone: true, colorScheme }, async (page) => {
        await noHorizontalScroll(page);
        assert.equal((await tileStates(page)).length, dashboard.rows.flat().length);
        await screenshot(page, `phone-${colorScheme}`);
        await page.getByTestId("range-picker").click();
        await page.getByRole("dialog").waitFor();
        await noHorizontalScroll(page);
        const toggles = page.getByTestId("table-twin-toggle");
        await page.keyboard.press("Escape");
        for (const toggle of await toggles.all()) await toggle.click();
        await noHorizontalScroll(page);
      })]),

    ["charts follow the window, wider and narrower", () =>
      withPage({ viewport: { width: 1800, height: 900 } }, async (page) => {
        await screenshot(page, "dashboard-wide");
        for (const viewport of [PHONE, DESKTOP, { width: 768, height: 900 }]) {
          await page.setViewportSize(viewport);
          await page.waitForFunction(() =>
            [...document.querySelectorAll("[data-testid='chart']")].every((chart) => {
              const svg = chart.querySelector("svg");
              return svg && Math.abs(svg.getBoundingClientRect().width - chart.clientWidth) <= 1;
            }),
          );
          await noHorizontalScroll(page);
        }
        await screenshot(page, "dashboard-tablet");
      })],

    ["the quarantine page lists what the server has", async () => {
      const quarantine = await getJson(base, "/quarantine?limit=500");
      const { page, context, problems } = await newReader(browser);
      await page.goto(`${base}/quarantine`);
      if (quarantine.total === 0) {
        await page.getByTestId("quarantine-empty").waitFor();
      } else {
        await page.getByTestId("quarantine-table").waitFor();
        assert.equal(await page.getByTestId("quarantine-table").locator("tbody tr").count(), quarantine.rows.length);
        await page.goto(address);
        assert.equal(await page.getByTestId("quarantine-rows").getAttribute("data-value"), String(quarantine.total));
        await page.getByTestId("quarantine-notice").getByRole("link").click();
        await page.waitForURL(`${base}/quarantine`);
        await page.getByTestId("quarantine-table").waitFor();
        await page.setViewportSize(PHONE);
        await noHorizontalScroll(page);
        await page.setViewportSize(DESKTOP);
      }
      await screenshot(page, "quarantine");
      assert.deepEqual(problems, []);
      await context.close();
    }],
  ];
}
