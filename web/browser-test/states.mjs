// Checks the states that only a mock can be brought into: unpublished, slow, broken, requiring a login.
import assert from "node:assert/strict";
import { fetchData, expectedKpis } from "./api.mjs";
import { kpiValues, screenshot, settled, tileStates } from "./browser.mjs";
import { allIn, closedGate, pictures, states, withMock } from "./scene.mjs";
import { sales } from "../dev/dashboard.mjs";

export const stateChecks = (browser) => [
  ["tiles load in their frames, and each appears as it arrives", withMock(browser, () => undefined, async (page, mock) => {
    await settled(page);
    const open = closedGate(mock.state);
    await page.reload();
    await allIn(page, "loading");
    await screenshot(page, "state-loading");
    mock.state.tilePauseMs = 120;
    open();
    await page.waitForFunction(() => {
      const tiles = [...document.querySelectorAll("[data-testid^='tile-'][data-state]")].map((tile) => tile.dataset.state);
      return tiles.includes("data") && tiles.includes("loading");
    });
    await settled(page);
    assert.deepEqual(await states(page), ["data"]);
  })],

  ["the page and each figure say what they are about", withMock(browser, () => undefined, async (page) => {
    await settled(page);
    assert.equal(await page.getByTestId("dashboard-about").textContent(), sales.about);
    const figure = page.getByTestId("tile-1-1");
    const [about, explained] = [figure.getByTestId("tile-about"), figure.getByTestId("tile-explained")];
    assert.equal(await explained.isVisible(), false);
    assert.equal(await about.getAttribute("title"), sales.rows[0][0].metric.description);
    await about.focus();
    await page.keyboard.press("Enter");
    await explained.waitFor();
    assert.equal((await explained.textContent()).trim(), sales.rows[0][0].metric.description);
    assert.equal(await page.getByTestId("tile-1-3").getByTestId("tile-about").count(), 0, "the project does not say what it means");
    for (const other of ["1-4", "5-1"]) await page.getByTestId(`tile-${other}`).getByTestId("tile-about").click();
    assert.match(await page.getByTestId("tile-5-1").getByTestId("tile-explained").textContent(), /Revenue: .*Orders: /s);
    await pictures(page, "about");
    await about.click();
    assert.equal(await explained.isVisible(), false);
  })],

  ["an outdated answer is given up", withMock(browser, () => undefined, async (page, mock) => {
    await settled(page);
    const open = closedGate(mock.state);
    await page.getByTestId("filter-country").click();
    const options = page.getByTestId("filter-option");
    await options.nth(0).check();
    await options.nth(1).check();
    await options.nth(0).uncheck();
    await page.waitForFunction(() => new URL(location.href).searchParams.getAll("country").length === 1);
    await allIn(page, "stale");
    open();
    await settled(page);
    const second = JSON.parse(await options.nth(1).getAttribute("data-value"));
    const { results } = await fetchData(mock.url, "sales", { filters: { country: [second] } });
    assert.deepEqual(await kpiValues(page), expectedKpis(sales, results));
    await page.keyboard.press("Escape");
    await page.goBack();
    assert.equal(new URL(page.url()).search, "", "one opening of the list is one step back");
  })],

  ["rows without a country can be chosen", withMock(browser, () => undefined, async (page, mock) => {
    await settled(page);
    await page.getByTestId("filter-country").click();
    await page.locator("[data-testid='filter-option'][data-value='null']").check();
    await page.waitForURL((url) => url.searchParams.get("country") === "~null");
    await settled(page);
    assert.deepEqual(mock.state.requests.at(-1).filters, { country: [null] });
    assert.match(await page.getByTestId("filter-country").textContent(), /\(none\)/);
  })],

  ["nothing published yet: the page says what to do, and fills itself", withMock(browser, (state) => (state.publication = null), async (page, mock) => {
    assert.match((await page.getByTestId("banner-unpublished").textContent()) ?? "", /millrace run/);
    assert.equal(mock.state.requests.length, 0);
    await screenshot(page, "state-unpublished");
    mock.publish(1);
    await settled(page);
    assert.deepEqual(await states(page), ["data"]);
    assert.equal(await page.getByTestId("banner-unpublished").count(), 0);
  })],

  ["streams whose deleted rows stay are named, until they are seen to", withMock(browser, (state) => (state.dashboard.deletes_unseen = ["crm.orders", "crm.clients"]), async (page, mock) => {
    const notice = page.getByTestId("deletes-notice");
    await settled(page);
    assert.equal((await notice.textContent())?.trim(), "Rows that were deleted at their source may still be counted here: crm.orders, crm.clients.");
    assert.equal(await notice.getAttribute("role"), "note");
    await pictures(page, "deletes");
    mock.change((state) => (state.dashboard.deletes_unseen = []));
    await notice.waitFor({ state: "detached" });
  })],

  ["one broken tile leaves the others alone", withMock(browser, (state) => {
    state.tileErrors["3-1"] = { code: "warehouse-error", message: "column `contry` does not exist", hint: "Run `millrace check`." };
  }, async (page, mock) => {
    await settled(page);
    const broken = page.getByTestId("tile-3-1");
    assert.equal(await broken.getAttribute("data-state"), "error");
    assert.equal(await broken.getByTestId("error-code").textContent(), "warehouse-error");
    assert.equal(await broken.getByTestId("error-hint").textContent(), "Run millrace check.");
    const others = (await tileStates(page)).filter(({ id }) => id !== "3-1");
    assert.ok(others.every(({ state }) => state === "data"));
    await screenshot(page, "state-tile-error");
    mock.state.tileErrors = {};
    await broken.getByRole("button", { name: "Try again" }).click();
    await page.locator("[data-testid='tile-3-1'][data-state='data']").waitFor();
  })],

  ["a range without data is empty, not zero", withMock(browser, () => undefined, async (page, mock) => {
    await page.goto(`${mock.url}/d/sales?range=2010-01-01..2010-01-31&country=Suisse`);
    await page.locator("[data-testid='tile-3-1'][data-state='empty']").waitFor();
    await page.locator("[data-testid='tile-5-1'][data-state='empty']").waitFor();
    assert.equal(await page.getByTestId("tile-1-1").getAttribute("data-state"), "empty");
    await screenshot(page, "state-empty");
  })],

  ["a server that goes away: the numbers stay, the page says so and recovers", withMock(browser, () => undefined, async (page, mock) => {
    await settled(page);
    const before = await kpiValues(page);
    await page.route("**/data", (route) => route.abort());
    await page.getByTestId("range-picker").click();
    await page.getByTestId("range-last-7-days").click();
    await page.getByTestId("error").waitFor();
    assert.equal(await page.getByTestId("error-code").textContent(), "network-error");
    assert.deepEqual(await states(page), ["stale"]);
    assert.deepEqual(await kpiValues(page), before);
    const range = await page.getByTestId("range-picker").textContent();
    assert.match(range, /Last 7 days/);
    assert.doesNotMatch(range, /2026/, "the days of the former range are not the new one's");
    await screenshot(page, "state-network");
    await page.unroute("**/data");
    await page.getByTestId("error").getByRole("button").click();
    await allIn(page, "data");
    const { results } = await fetchData(mock.url, "sales", { range: "last 7 days" });
    assert.deepEqual(await kpiValues(page), expectedKpis(sales, results));
    assert.equal(await page.getByTestId("error").count(), 0);
  })],

  ["a page that needs a login says so", withMock(browser, (state) => (state.unauthorized = true), async (page) => {
    await page.getByTestId("error").first().waitFor();
    assert.equal(await page.getByTestId("error-code").first().textContent(), "unauthorized");
    assert.equal(await page.getByTestId("error").count(), 1, "once, not for each request");
    await screenshot(page, "state-login");
  })],

  ["the home page goes to the only dashboard", withMock(browser, () => undefined, async (page, mock) => {
    await page.goto(mock.url);
    await page.waitForURL(`${mock.url}/d/sales`);
    await settled(page);
  })],
];
