// Checks that the page says so if it cannot show everything, or not in the way that the tile asks for: cut
// lists, long tables, prints, incomplete steps, missing rows.
import assert from "node:assert/strict";
import { newReader, noHorizontalScroll, PHONE, screenshot, settled } from "./browser.mjs";
import { withMock } from "./scene.mjs";

const LAND = (at) => `Land ${String(at).padStart(4, "0")}`;

/**
 * Gives each order a country of its own, so that the server cuts the list, and the last one a name with
 * accents.
 */
function manyCountries(state) {
  state.orders.forEach((order, at) => (order.country = LAND(at)));
  state.orders.at(-1).country = "Îles Åland";
  state.mostOptions = 1000;
}

/** Replaces the answer of a table by ten thousand rows. */
const long = (result, { kind }) => {
  if (kind !== "table") return result;
  const count = 10_000;
  const data = result.columns.map(({ role }, column) => Array.from({ length: count }, (_, row) => (role === "dimension" ? `Row ${row} ${column}` : row)));
  return { ...result, data, rows: count };
};

/** Replaces the answer of the ring by one with negative values. */
const negative = (result, { id }) =>
  id === "3-2" ? { ...result, data: [["a", "b", "c"], [-5, -3, 4], [null, null, null]], rows: 3, total: { orders: -4 } } : result;

export const honestChecks = (browser) => [
  ["a filter's list that is cut says so, and a search looks through all", withMock(browser, manyCountries, async (page, mock) => {
    await settled(page);
    const total = new Intl.NumberFormat("en-GB").format(mock.state.orders.length);
    await page.getByTestId("filter-country").click();
    const note = page.getByTestId("filter-note");
    assert.equal(await note.textContent(), `The first 1,000 of ${total}. A search looks through all of them.`);
    const search = page.getByRole("searchbox");
    await search.fill("iles aland");
    await page.getByTestId("filter-option").first().waitFor();
    assert.deepEqual(await page.getByTestId("filter-option").evaluateAll((boxes) => boxes.map((box) => box.dataset.value)), ['"Îles Åland"']);
    await page.waitForFunction(() => document.querySelector("[data-testid='filter-note']").textContent === "");
    await screenshot(page, "filter-found");
    await page.getByTestId("filter-option").check();
    await page.waitForURL((url) => url.searchParams.get("country") === "Îles Åland");
    await search.fill("no such land");
    await page.getByText("Nothing matches").waitFor();
    await search.fill("land");
    await page.waitForFunction((wanted) => document.querySelector("[data-testid='filter-note']").textContent === wanted, `The first 1,000 of ${total} that match`);
    await screenshot(page, "filter-cut");
    await page.route("**/options?*", (route) => route.abort());
    await search.fill("land 1");
    await page.waitForFunction(() => /can't be reached/.test(document.querySelector("[data-testid='filter-note']").textContent));
  })],

  ["a search is made again when a publish brings other values", withMock(browser, manyCountries, async (page, mock) => {
    await settled(page);
    await page.getByTestId("filter-country").click();
    await page.getByRole("searchbox").fill("iles");
    await page.getByTestId("filter-option").first().waitFor();
    mock.publish(7);
    manyCountries(mock.state);
    mock.state.orders.at(-1).country = "Îles Neuves";
    await page.waitForFunction(() => {
      const boxes = [...document.querySelectorAll("[data-testid='filter-option']")];
      return boxes.map((box) => box.dataset.value).join() === '"Îles Neuves"';
    });
  })],

  ["a list that is whole is searched on the page alone", withMock(browser, () => undefined, async (page, mock) => {
    await settled(page);
    await page.getByTestId("filter-country").click();
    await page.getByRole("searchbox").fill("etats");
    assert.equal(await page.getByTestId("filter-option").count(), 1);
    assert.equal(await page.getByTestId("filter-note").textContent(), "");
    assert.deepEqual(mock.state.searches, []);
  })],

  ["ten thousand rows are in the page by the hundred, all of them on paper", withMock(browser, (state) => (state.alter = long), async (page) => {
    await settled(page);
    const table = page.getByTestId("data-table");
    const rows = table.locator("tbody tr");
    assert.equal(await rows.count(), 200);
    assert.equal(await table.getAttribute("aria-rowcount"), "10001");
    assert.equal(await page.getByTestId("rows-shown").textContent().then((text) => text.trim()), "Rows 1–200 of 10,000");
    await page.getByTestId("rows-after").click();
    assert.equal(await rows.first().getAttribute("aria-rowindex"), "202");
    assert.match(await rows.first().textContent(), /Row 200 0/);
    assert.ok((await page.evaluate(() => document.querySelectorAll("*").length)) < 4000, "few nodes");
    await screenshot(page, "table-paged");
    await page.evaluate(() => dispatchEvent(new Event("beforeprint")));
    assert.equal(await rows.count(), 10_000);
    await page.evaluate(() => dispatchEvent(new Event("afterprint")));
    assert.equal(await rows.count(), 200);
  })],

  ["charts are printed whole, light, and without what only a pointer uses", withMock(browser, () => undefined, async (page) => {
    await settled(page);
    // Does what the browser does: the event first, then the layout of a sheet (A4 less its margins).
    await page.evaluate(() => dispatchEvent(new Event("beforeprint")));
    await page.emulateMedia({ media: "print" });
    await page.setViewportSize({ width: 703, height: 1000 });
    const cut = await page.$$eval("[data-testid='chart']", (charts) =>
      charts.flatMap((chart) => {
        const [inner, tile] = [chart.querySelector("svg").getBoundingClientRect(), chart.closest("section").getBoundingClientRect()];
        return inner.right <= tile.right && inner.width > tile.width * 0.5 * (chart.closest(".ring") ? 0.4 : 1) ? [] : [`${inner.width} in ${tile.width}`];
      }),
    );
    assert.deepEqual(cut, []);
    assert.equal(await page.getByTestId("table-twin-toggle").first().isVisible(), false);
    const clipped = await page.$$eval(".bars, .scroll", (boxes) => boxes.filter((box) => box.scrollHeight > box.clientHeight + 1).length);
    assert.equal(clipped, 0, "nothing is behind a scroll bar");
    await screenshot(page, "print");
  }, { colorScheme: "dark" })],

  ["a ring with negative parts is bars, and says why", withMock(browser, (state) => (state.alter = negative), async (page) => {
    await settled(page);
    const tile = page.getByTestId("tile-3-2");
    assert.equal(await tile.locator(".ring").count(), 0);
    assert.match(await tile.getByTestId("negative").textContent(), /negative/);
    await screenshot(page, "donut-negative");
  })],

  ["what a ring or a figure shows beside the pointer covers no number that it is read with", withMock(browser, () => undefined, async (page) => {
    await settled(page);
    const ring = page.getByTestId("tile-3-2").locator(".ring");
    await ring.scrollIntoViewIfNeeded();
    const box = await ring.boundingBox();
    await page.mouse.move(box.x + box.width * 0.86, box.y + box.height / 2);
    const tip = page.getByTestId("tile-3-2").locator("[style*='z-index: 9999999']");
    await tip.waitFor();
    const below = await page.getByTestId("tile-3-2").locator(".total").evaluate((total) => getComputedStyle(total).zIndex);
    assert.equal(below, "-1", "the number is painted first");
    await screenshot(page, "donut-tip");

    const figure = page.getByTestId("tile-1-1");
    await figure.scrollIntoViewIfNeeded();
    const spark = await figure.getByTestId("chart").boundingBox();
    await page.mouse.move(spark.x + 60, spark.y + 20);
    const shown = figure.locator("[style*='z-index: 9999999']");
    await shown.waitFor();
    const [tipBox, valueBox] = [await shown.boundingBox(), await figure.getByTestId("kpi-value").boundingBox()];
    assert.ok(tipBox.y >= valueBox.y + valueBox.height, "below the figure");
    assert.ok(tipBox.y >= spark.y + spark.height, "and below its line");
    await screenshot(page, "figure-tip");
  })],

  ["weeks and months that are not over are marked", withMock(browser, () => undefined, async (page) => {
    await settled(page);
    assert.match(await page.getByTestId("tile-4-1").getByTestId("partial").textContent(), /Week of 26 Oct 2026 \(rows up to Sat, 31 Oct 2026\)/);
    assert.match(await page.getByTestId("tile-4-2").locator(".chart").getAttribute("aria-label"), /October 2026 \(30 of 31 days\)/);
    assert.equal(await page.getByTestId("tile-2-1").getByTestId("partial").count(), 0, "a day is a day");
    await page.getByTestId("tile-4-2").getByTestId("table-twin-toggle").click();
    assert.match(await page.getByTestId("tile-4-2").locator("tbody td").first().textContent(), /October 2026 \(30 of 31 days\)/);
  })],

  ["before the first day with data there is no line of zeros", withMock(browser, () => undefined, async (page, mock) => {
    const first = mock.state.orders[0].order_date;
    await page.goto(`${mock.url}/d/sales?range=2024-09-01..2024-10-31`);
    await settled(page);
    await page.getByTestId("tile-2-1").getByTestId("table-twin-toggle").click();
    const cells = await page.getByTestId("tile-2-1").locator("tbody tr").evaluateAll((rows) => rows.map((row) => row.lastElementChild.title));
    const before = Math.round((Date.parse(first) - Date.parse("2024-09-01")) / 86_400_000);
    assert.ok(before > 0);
    assert.deepEqual(cells.slice(0, before).filter((value) => value !== ""), []);
    assert.ok(cells.slice(before).every((value) => value !== ""));
    await page.getByTestId("tile-2-1").getByTestId("table-twin-toggle").click();
    await screenshot(page, "before-data");
    await page.goto(`${mock.url}/d/sales?range=2010-01-01..2010-01-31`);
    await page.locator("[data-testid='tile-2-1'][data-state='empty']").waitFor();
    await screenshot(page, "empty-range");
  })],

  ["seventeen dashboards take one line of a phone", withMock(browser, (state) => (state.others = Array.from({ length: 16 }, (_, at) => `Page of a long name ${at + 1}`)), async (page, mock) => {
    await settled(page);
    const { height } = await page.getByRole("banner").boundingBox();
    assert.ok(height < 160, `the head takes ${height} px`);
    await noHorizontalScroll(page);
    await page.getByTestId("nav-dashboards").click();
    assert.equal(await page.getByRole("dialog").getByRole("link").count(), 17);
    await screenshot(page, "phone-dashboards");
    await page.getByRole("dialog").getByRole("link", { name: "Page of a long name 12" }).click();
    await page.waitForURL(`${mock.url}/d/other11`);
    assert.equal(await page.getByRole("dialog").count(), 0);
  }, { viewport: PHONE, phone: true })],

  ["an address that is no page says so and knows the way back", async () => {
    await withMock(browser, () => undefined, async (page, mock) => {
      const answer = await page.goto(`${mock.url}/dashboards/sales`);
      assert.equal(answer.status(), 404);
      await page.getByTestId("not-found").waitFor();
      assert.match(await page.getByTestId("not-found").textContent(), /\/dashboards\/sales/);
      await screenshot(page, "no-page");
      await page.getByTestId("not-found").getByRole("link").first().click();
      await page.waitForURL(`${mock.url}/d/sales`);
    })();
  }],

  ["what figures are short of is told above them and beside them", withMock(browser, (state) => {
    state.notices = [
      { code: "schema-drift", message: "stream `files.orders` has lost its column `note`", hint: "Run `millrace capture`.", stream: "files.orders" },
      { code: "schema-drift", message: "stream `crm.clients` has a new column `age`", hint: null, stream: "crm.clients" },
      { code: "stream-removed", message: "stream `old.orders` is no longer in the project", hint: null, stream: "old.orders" },
    ];
  }, async (page) => {
    await settled(page);
    assert.equal(await page.getByTestId("notices").getByRole("listitem").count(), 1, "that of the stream that it reads");
    assert.match(await page.getByTestId("run-notices").textContent(), /schema-drift.*`?files\.orders/s);
    assert.match(await page.getByTestId("tile-1-1").getByTestId("tile-short").getAttribute("aria-label"), /^42 rows are in quarantine and not in these figures$/);
    assert.equal(await page.getByTestId("tile-2-1").getByTestId("tile-short").count(), 0, "a line has no total");
    await screenshot(page, "shortfall");
  })],

  ["after an upgrade an open page loads the new one, once", async () => {
    await withMock(browser, () => undefined, async (_page, mock) => {
      const { page, context } = await newReader(browser);
      let upgraded = true;
      await page.route("**/assets/engine-*.js", (route) => (upgraded ? route.fulfill({ status: 404, body: "gone" }) : route.continue()));
      // The page after the first load names other files. In truth they are the same ones with a query added.
      await page.route("**/d/sales", async (route) => {
        const answer = await route.fetch();
        const fresh = route.request().isNavigationRequest() && loads++ === 0 ? await answer.text() : (await answer.text()).replace(/src="([^"]+\.js)"/, 'src="$1?2"');
        await route.fulfill({ response: answer, body: fresh });
      });
      let loads = 0;
      await page.goto(`${mock.url}/d/sales`);
      // The page has reloaded once. Its chunk is still missing, so the page says so and does not reload
      // again.
      await page.waitForFunction(() => document.querySelector("script[src$='?2']") !== null);
      await page.getByTestId("undrawn").first().waitFor();
      assert.equal(loads, 2, "the page and one reload");
      await page.screenshot({ path: process.env.SCREENSHOTS ? `${process.env.SCREENSHOTS}/undrawn.png` : undefined });
      upgraded = false;
      await page.getByTestId("undrawn").first().getByRole("button").click();
      await settled(page);
      assert.equal(await page.getByTestId("undrawn").count(), 0);
      await context.close();
    })();
  }],
];
