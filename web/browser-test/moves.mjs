// Checks that an open page follows publishes, changed dashboards and restarts of the server without a reload.
import assert from "node:assert/strict";
import { expectedKpis, fetchData } from "./api.mjs";
import { kpiValues, screenshot, settled } from "./browser.mjs";
import { allIn, closedGate, states, withMock } from "./scene.mjs";
import { sales } from "../dev/dashboard.mjs";

const shows = (page, version) => page.locator(`[data-testid='data-version'][data-value='${version}']`).waitFor();
const connected = (page) => page.waitForFunction(() => !/does not update/.test(document.querySelector("[data-testid='data-age']")?.textContent ?? ""));

/**
 * Records in the page everything that a reader would see as flicker: a tile without its numbers, or a figure
 * without its value.
 */
const watch = (page) =>
  page.evaluate(() => {
    globalThis.flickers = [];
    const look = () => {
      for (const tile of document.querySelectorAll("[data-testid^='tile-'][data-state]")) {
        if (tile.dataset.state === "loading" || tile.dataset.state === "error") globalThis.flickers.push(`${tile.dataset.testid} ${tile.dataset.state}`);
        if (tile.dataset.kind === "kpi" && !tile.querySelector("[data-testid='kpi-value']")) globalThis.flickers.push(`${tile.dataset.testid} empty`);
      }
    };
    new MutationObserver(look).observe(document.body, { subtree: true, childList: true, attributes: true });
  });
const flickers = (page) => page.evaluate(() => globalThis.flickers);

export const moveChecks = (browser) => [
  ["a publish brings new numbers; until they come the old ones stay, marked", withMock(browser, () => undefined, async (page, mock) => {
    await settled(page);
    await watch(page);
    const before = await kpiValues(page);
    const open = closedGate(mock.state);
    mock.publish(7);
    await allIn(page, "stale");
    assert.deepEqual(await kpiValues(page), before);
    assert.equal(await page.getByTestId("data-version").getAttribute("data-value"), "3", "the version of what is shown");
    await screenshot(page, "state-stale");
    open();
    await shows(page, 4);
    await settled(page);
    const { results } = await fetchData(mock.url, "sales");
    assert.deepEqual(await kpiValues(page), expectedKpis(sales, results));
    assert.notDeepEqual(await kpiValues(page), before);
    assert.deepEqual(await flickers(page), []);
  })],

  ["a hundred publishes, one after the other: the page ends with the last", withMock(browser, () => undefined, async (page, mock) => {
    await settled(page);
    await watch(page);
    for (let seed = 1; seed <= 100; seed++) mock.publish(seed);
    await shows(page, 103);
    await settled(page);
    const { results } = await fetchData(mock.url, "sales");
    assert.deepEqual(await kpiValues(page), expectedKpis(sales, results));
    assert.deepEqual(await flickers(page), []);
  })],

  ["a server that starts again: what was published meanwhile is there without a reload", withMock(browser, () => undefined, async (page, mock) => {
    await settled(page);
    await watch(page);
    await page.evaluate(() => (globalThis.same = true));
    const start = await mock.stop();
    await page.waitForFunction(() => /does not update/.test(document.querySelector("[data-testid='data-age']")?.textContent ?? ""));
    await screenshot(page, "state-offline");
    mock.publish(7);
    await start();
    await shows(page, 4);
    await settled(page);
    await connected(page);
    const { results } = await fetchData(mock.url, "sales");
    assert.deepEqual(await kpiValues(page), expectedKpis(sales, results));
    assert.deepEqual(await flickers(page), []);
    assert.equal(await page.evaluate(() => globalThis.same), true, "the page is the same");
    // The event stream works again.
    mock.publish(8);
    await shows(page, 5);
  })],

  ["a publish whose numbers could not be had is asked for again when the server is back", withMock(browser, () => undefined, async (page, mock) => {
    await settled(page);
    await page.route("**/data", (route) => route.abort());
    mock.publish(7);
    await page.getByTestId("error").waitFor();
    assert.deepEqual(await states(page), ["stale"]);
    await page.unroute("**/data");
    const start = await mock.stop();
    await start();
    await shows(page, 4);
    await settled(page);
    assert.equal(await page.getByTestId("error").count(), 0);
  })],

  ["a dashboard that has changed is drawn anew, and what it keeps stays", withMock(browser, () => undefined, async (page, mock) => {
    await settled(page);
    const open = closedGate(mock.state);
    mock.change(({ dashboard }) => {
      dashboard.title = { en: "Trade", fr: "Commerce" };
      // A row at the top moves all other rows, which changes the ids of their tiles.
      const [kpis, ...others] = dashboard.rows;
      const moved = others.map((row, index) => row.map((tile, at) => ({ ...tile, id: `${index + 3}-${at + 1}` })));
      const added = { ...kpis[1], id: "1-1", title: { en: "Orders first", fr: "Commandes d'abord" }, grain: "week" };
      dashboard.rows = [[added], kpis.slice(0, 3).map((tile, at) => ({ ...tile, id: `2-${at + 1}` })), ...moved];
    });
    await page.getByRole("heading", { level: 1, name: "Trade" }).waitFor();
    await page.waitForFunction(() => document.querySelector("[data-testid='tile-1-1']")?.dataset.state === "loading");
    const shown = await states(page);
    assert.deepEqual(shown.sort(), ["loading", "stale"], "the new tile loads, the others keep their numbers");
    open();
    await settled(page);
    const { results } = await fetchData(mock.url, "sales");
    assert.deepEqual(await kpiValues(page), expectedKpis(mock.state.dashboard, results));
    assert.deepEqual(await states(page), ["data"]);
    assert.equal(await page.getByTestId("tile-2-4").count(), 0, "and what it no longer has is gone");
  })],

  ["a dashboard that changed while the server was away is drawn anew", withMock(browser, () => undefined, async (page, mock) => {
    await settled(page);
    const start = await mock.stop();
    mock.state.dashboard.title = { en: "Trade", fr: "Commerce" };
    mock.state.dashboard.rows.pop();
    await start();
    await page.getByRole("heading", { level: 1, name: "Trade" }).waitFor();
    await page.getByTestId("tile-5-1").waitFor({ state: "detached" });
    await settled(page);
    assert.deepEqual(await states(page), ["data"]);
  })],
];
