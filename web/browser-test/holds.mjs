// Checks what the page says if the last run is not what readers see, and the list of runs.
import assert from "node:assert/strict";
import { BLOCKED, EARLIER, FAILED, HELD, SUCCEEDED } from "../dev/runs.mjs";
import { getJson } from "./api.mjs";
import { noHorizontalScroll, PHONE, screenshot, settled } from "./browser.mjs";
import { pictures, WIDE, withMock } from "./scene.mjs";

/** Prepares a mock whose last run is `run`. */
const after = (run) => (state) => {
  state.lastRun = state.lastResult = run;
  state.earlier = EARLIER;
};

const HELD_BY_MANY = {
  ...HELD,
  failed_tests: ["a", "b", "c", "d", "e"].map((column) => ({ test: `not_null(fact_orders.${column})`, model: "fact_orders", rows: 2, severity: "error" })),
};

const text = async (locator) => ((await locator.textContent()) ?? "").replace(/\s+/g, " ");
/** The visible text only. */
const seen = async (locator) => (await locator.innerText()).replace(/\s+/g, " ");

export const holdChecks = (browser) => [
  ["a held run is told with its tests and some of their rows, and goes away with the next publish", withMock(browser, after(HELD), async (page, mock) => {
    const banner = page.getByTestId("banner-held");
    await settled(page);
    assert.match(await text(banner), /1 data test failed/, "a warning holds nothing");
    assert.match(await text(banner), /data version 3, published on /);
    const tests = banner.getByTestId("failed-test");
    assert.match(await text(tests.nth(0)), /not_null\(fact_orders\.client_id\) · 1,204 rows/, "what holds comes first");
    assert.match(await text(tests.nth(1)), /1 row \(warning\)/);
    await screenshot(page, "state-held");

    // The rows must not be requested before the reader asks for them.
    const asked = [];
    page.on("request", (request) => request.url().includes("/failures") && asked.push(request.url()));
    const toggle = tests.nth(0).getByTestId("rows-toggle");
    assert.equal(await toggle.getAttribute("aria-expanded"), "false");
    await toggle.focus();
    await page.keyboard.press("Enter");
    const rows = tests.nth(0).getByTestId("failing-rows");
    await rows.waitFor();
    assert.equal(asked.length, 1);
    assert.equal(await toggle.getAttribute("aria-expanded"), "true");
    const head = await rows.locator("th[scope='col']").allTextContents();
    assert.deepEqual(head, ["client_id", "order_id", "order_date", "status", "amount", "note"], "the tested column first");
    assert.equal(await rows.locator("tbody tr").count(), 20);
    assert.match(await text(rows.locator("tbody tr").first()), /^\s*\(none\)\s*1007/);
    assert.match(await text(rows), /<b>à rappeler<\/b>/, "values are text, never markup");
    assert.match(await text(tests.nth(0)), /20 of 1,204 rows/);
    await pictures(page, "held-rows");
    await page.setViewportSize(WIDE);
    await page.keyboard.press("Escape");
    await toggle.click();
    assert.equal(await rows.isVisible(), false);

    // While the next run is in progress, the page still shows the result of the previous one.
    mock.run({ ...HELD, run: "20261101T062001-aaaa", status: "running", held: null, failed_tests: [], finished_at: null });
    await page.getByTestId("run-running").waitFor();
    assert.equal(await banner.count(), 1);
    mock.run({ ...SUCCEEDED, run: "20261101T062001-aaaa" });
    await banner.waitFor({ state: "detached" });
  })],

  ["a screen reader hears of a run that is held while the page is open", withMock(browser, () => undefined, async (page, mock) => {
    await settled(page);
    const announced = page.getByTestId("banner-announced");
    assert.equal(await announced.getAttribute("role"), "status");
    assert.equal(await text(announced), "");
    mock.run(HELD);
    await page.getByTestId("banner-held").waitFor();
    assert.match(await text(announced), /^The last run was held: 1 data test failed, so nothing was published\. The page shows data version 3/);
    assert.equal(await page.getByTestId("banner-held").getAttribute("role"), "region", "and not its rows when they come");
  })],

  ["rows that are gone are said to be", withMock(browser, (state) => {
    after(HELD)(state);
    state.rowsGone = true;
  }, async (page) => {
    await page.getByTestId("rows-toggle").first().click();
    assert.match(await text(page.getByTestId("rows-gone")), /another run has begun/);
  })],

  ["many failed tests are folded", withMock(browser, after(HELD_BY_MANY), async (page) => {
    const banner = page.getByTestId("banner-held");
    assert.match(await text(banner), /5 data tests failed/);
    assert.equal(await banner.getByTestId("rows-toggle").first().isVisible(), false);
    await banner.locator("summary").click();
    await banner.getByTestId("rows-toggle").first().waitFor();
  })],

  ["a run that something is in the way of says what, and what to do", withMock(browser, after({ ...HELD, failed_tests: [], held: BLOCKED }), async (page) => {
    const banner = page.getByTestId("banner-held");
    assert.match(await text(banner), /view reporting\.monthly of bob depends on column/);
    assert.match(await text(banner), /then run millrace run/);
    await settled(page);
    await pictures(page, "blocked");
  })],

  ["a rollback is told with the version that is shown, and since when", withMock(browser, (state) => {
    after({ ...HELD, failed_tests: [], held: { by: "rollback", data_version: 4 } })(state);
    state.publication = { ...state.publication, data_version: 4 };
    state.rollback = { data_version: 4, brought_back: 2, since: "2026-11-01T06:03:00Z" };
  }, async (page, mock) => {
    const banner = page.getByTestId("banner-rollback");
    assert.match(await text(banner), /kept on data version 4, which brought back data version 2 on .*2026/);
    assert.match(await text(banner), /waits\. millrace rollback --release/);
    await settled(page);
    await pictures(page, "rollback");
    mock.change((state) => (state.rollback = null));
    await banner.waitFor({ state: "detached" });
    assert.match(await text(page.getByTestId("banner-held")), /has been lifted; the next run publishes/);
  })],

  ["a failed run is told with code and hint, one that died as such", withMock(browser, after(FAILED), async (page, mock) => {
    const banner = page.getByTestId("banner-failed");
    assert.match(await text(banner), /source-unreachable/);
    assert.match(await text(banner), /millrace doctor/);
    await settled(page);
    await pictures(page, "failed");
    mock.run({ ...FAILED, error: null, finished_at: null });
    await page.waitForFunction(() => /its process is gone/.test(document.querySelector("[data-testid='banner-failed']")?.textContent ?? ""));
  })],

  ["banners fit a phone, in French", withMock(browser, after(HELD), async (page) => {
    await settled(page);
    await page.getByTestId("rows-toggle").first().click();
    await page.getByTestId("failing-rows").waitFor();
    await noHorizontalScroll(page);
    assert.match(await text(page.getByTestId("banner-held")), /1 test de données a échoué/);
    await screenshot(page, "phone-held");
  }, { viewport: PHONE, phone: true, locale: "fr-FR" })],

  ["the age of the data opens: last result, next run, all runs", withMock(browser, after(HELD), async (page, mock) => {
    await settled(page);
    await page.getByTestId("data-age").click();
    assert.match(await text(page.getByTestId("next-run")), /in 6 min.*\*\/15 \* \* \* \* Europe\/Paris/);
    assert.equal(await page.getByTestId("last-result").getByTestId("run-status").getAttribute("data-value"), "held");
    await pictures(page, "data-age");
    await page.getByTestId("data-age").focus();
    if ((await page.getByRole("dialog").count()) === 0) await page.getByTestId("data-age").click();
    mock.change((state) => (state.schedule = { ...state.schedule, next_run_at: null }));
    await page.waitForFunction(() => /does not keep/.test(document.querySelector("[data-testid='next-run']")?.textContent ?? ""));
    await page.getByRole("dialog").getByRole("link", { name: "All runs" }).click();
    await page.waitForURL(`${mock.url}/runs`);
    await page.getByTestId("runs-table").waitFor();
  })],

  ["the ledger lists runs with why, result, time and rows, and opens one in full", withMock(browser, after(HELD), async (page, mock) => {
    const table = page.getByTestId("runs-table");
    await table.waitFor();
    const { runs } = await getJson(mock.url, "/runs");
    const rows = table.getByTestId("run");
    assert.deepEqual(await rows.evaluateAll((all) => all.map((row) => row.dataset.run)), runs.map(({ run }) => run));
    assert.match(await seen(rows.nth(0)), /Schedule Held 812ms 120/);
    assert.match(await seen(rows.nth(1)), /Published .*42 in quarantine/);
    assert.match(await seen(rows.nth(2)), /Retry 1, for .* Failed/);
    assert.match(await seen(rows.nth(4)), /Command line.*3m 4s.*51,080 1,007 removed/);
    assert.equal((await seen(table)).match(/removed/g).length, 1, "said where there are some");
    assert.match(await seen(rows.nth(5)), /Caught up/);
    assert.match(await text(page.getByTestId("next-run")), /Next run: .*in 6 min/);
    await pictures(page, "runs");
    await page.setViewportSize(WIDE);
    await rows.nth(0).getByRole("button").first().click();
    await page.waitForURL(`${mock.url}/runs/${HELD.run}`);
    const details = page.getByTestId("run-details");
    await details.waitFor();
    assert.match(await seen(details), /3 passed, 2 found rows/);
    assert.match(await seen(details), /crm\.clients 0 0 2,000/, "without a column for what nothing was removed from");
    assert.match(await seen(details), /fact_orders Built 51,200 .* its SQL or what it reads has changed/);
    await details.getByTestId("rows-toggle").first().click();
    await details.getByTestId("failing-rows").waitFor();
    await pictures(page, "run-open");
    await rows.nth(2).getByRole("button").first().click();
    await page.waitForURL(`${mock.url}/runs/${FAILED.run}`);
    await page.waitForFunction(() => /millrace doctor/.test(document.querySelector("[data-testid='run-details']")?.textContent ?? ""));
    assert.equal(await details.count(), 1, "one at a time");
    await rows.nth(4).getByRole("button").first().click();
    await page.waitForFunction(() => /crm\.clients/.test(document.querySelector("[data-testid='run-details']")?.textContent ?? ""));
    assert.match(await seen(details), /Quarantine Removed In the table .*crm\.clients 0 0 1,007 2,000/);
    await pictures(page, "run-removed");
    await page.setViewportSize(WIDE);
    await rows.nth(2).getByRole("button").first().click();
    await page.waitForURL(`${mock.url}/runs/${FAILED.run}`);
    // A run that begins appears without a reload.
    mock.run({ ...SUCCEEDED, run: "20261101T062001-aaaa", status: "running", finished_at: null });
    await page.locator("[data-testid='run'][data-run='20261101T062001-aaaa'] [data-value='running']").waitFor();
    await page.reload();
    await details.waitFor();
    assert.match(await text(details), /source-unreachable/, "the address alone restores it");
  }, { path: "/runs" })],

  ["a project that never ran says so in the ledger", withMock(browser, (state) => {
    state.lastRun = state.lastResult = state.publication = state.schedule = null;
    state.earlier = [];
  }, async (page) => {
    await page.getByTestId("runs-empty").waitFor();
    assert.equal(await page.getByTestId("next-run").count(), 0);
  }, { path: "/runs" })],
];
