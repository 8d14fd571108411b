// Starts one Chromium per script, opens pages that record their errors, and has the helpers that all checks
// share.
import assert from "node:assert/strict";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { chromium } from "playwright-core";

const ARGS = [
  "--no-sandbox",
  "--headless=new",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

export const DESKTOP = { width: 1360, height: 900 };
export const PHONE = { width: 360, height: 740 };

export function launch() {
  return chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ARGS });
}

/**
 * A new browser context without stored preferences, and a page in it. `problems` collects console errors
 * (including refused resources) and exceptions.
 */
export async function newReader(browser, { viewport = DESKTOP, locale = "en-GB", colorScheme = "light", phone = false } = {}) {
  const context = await browser.newContext({
    viewport,
    locale,
    colorScheme,
    // Screenshots then show the end of each animation. This also exercises the page's own handling of the
    // setting.
    reducedMotion: "reduce",
    hasTouch: phone,
    deviceScaleFactor: phone ? 2 : 1,
    acceptDownloads: true,
  });
  const page = await context.newPage();
  page.setDefaultTimeout(20_000);
  const problems = [];
  page.on("console", (message) => {
    if (message.type() === "error") problems.push(`console: ${message.text()} (${message.location().url})`);
  });
  page.on("pageerror", (error) => problems.push(`exception: ${error.message}`));
  return { context, page, problems };
}

/** Writes a screenshot of the full page into the folder SCREENSHOTS; does nothing if that is not set. */
export async function screenshot(page, name) {
  const folder = process.env.SCREENSHOTS;
  if (!folder) return;
  await mkdir(folder, { recursive: true });
  await page.screenshot({ path: join(folder, `${name}.png`), fullPage: true });
}

/** Waits until no tile is loading or stale and every chart is drawn. */
export async function settled(page) {
  await page.waitForFunction(() => {
    const tiles = [...document.querySelectorAll("[data-testid^='tile-'][data-state]")];
    const busy = tiles.some((tile) => tile.dataset.state === "loading" || tile.dataset.state === "stale");
    const drawn = [...document.querySelectorAll("[data-testid='chart']")].every((chart) => chart.querySelector("svg path"));
    return tiles.length > 0 && !busy && drawn;
  });
}

/** The id, kind and state of each tile, in the order of the page. */
export async function tileStates(page) {
  return page.$$eval("[data-testid^='tile-'][data-state]", (tiles) =>
    tiles.map((tile) => ({ id: tile.dataset.testid.slice("tile-".length), kind: tile.dataset.kind, state: tile.dataset.state })),
  );
}

/** The exact value of each figure, by tile. */
export async function kpiValues(page) {
  const entries = await page.$$eval("[data-testid^='tile-'][data-kind='kpi']", (tiles) =>
    tiles.map((tile) => {
      const value = tile.querySelector("[data-testid='kpi-value']");
      return [tile.dataset.testid.slice("tile-".length), value?.dataset.value ?? ""];
    }),
  );
  return Object.fromEntries(entries);
}

/** Fails if the page is wider than its window. */
export async function noHorizontalScroll(page) {
  const { scroll, client } = await page.evaluate(() => ({
    scroll: document.documentElement.scrollWidth,
    client: document.documentElement.clientWidth,
  }));
  assert.ok(scroll <= client, `the page is ${scroll} px wide in a window of ${client} px`);
}

/** Runs named checks in order and continues after a failure. Returns whether all passed. */
export async function runChecks(checks) {
  const failed = [];
  for (const [name, check] of checks) {
    const started = performance.now();
    try {
      await check();
      console.log(`ok   ${name} (${Math.round(performance.now() - started)} ms)`);
    } catch (error) {
      failed.push(name);
      console.log(`FAIL ${name}\n${error.stack ?? error}`);
    }
  }
  console.log(`${checks.length - failed.length} of ${checks.length} browser checks passed`);
  return failed.length === 0;
}
