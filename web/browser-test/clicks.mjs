// A press anywhere on a control works, with a mouse and with a finger. The checks try each row of pixels,
// because the borders between controls are where a press goes astray.
import assert from "node:assert/strict";
import { PHONE, settled } from "./browser.mjs";
import { withMock } from "./scene.mjs";

/**
 * Where a row of pixels is pressed, as a fraction of its width, in turn: on the box, on the text, and beside
 * it.
 */
const ACROSS = [0.03, 0.2, 0.9];

const devices = [
  ["mouse", {}, (page, x, y) => page.mouse.click(x, y)],
  ["finger", { viewport: PHONE, phone: true }, (page, x, y) => page.touchscreen.tap(x, y)],
];

/** Presses on every row of pixels of `target`. After each press, `check` asserts the effect. */
async function pressEachRow(page, press, target, check) {
  const { height } = await target.boundingBox();
  for (let row = 0; row < Math.floor(height); row++) {
    const across = ACROSS[row % ACROSS.length];
    const box = await target.boundingBox();
    await press(page, box.x + box.width * across, box.y + row + 0.5);
    await check(`row ${row} of ${Math.floor(height)}, at ${across}`);
  }
}

/**
 * Waits for up to two seconds until `ask` returns `wanted`, because a touch reaches the page a little after
 * the call returns.
 */
async function until(ask, wanted, where) {
  const end = performance.now() + 2_000;
  let found = await ask();
  while (found !== wanted && performance.now() < end) found = await ask();
  assert.equal(found, wanted, where);
}

/**
 * Waits for two frames, which is enough for the page to react. For presses that should have no effect, so
 * there is nothing to wait for.
 */
const frames = (page) => page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));

/** The number of open panels. */
const open = (page) => page.getByRole("dialog").count();

export const clickChecks = (browser) =>
  devices.flatMap(([device, options, press]) => {
    const scene = (check) => withMock(browser, () => undefined, check, options);
    return [
      [`each row of pixels of an option chooses it (${device})`, scene(async (page) => {
        await settled(page);
        await page.getByTestId("filter-country").click();
        const labels = page.getByRole("dialog").locator("li label");
        // The first option, one whose name takes two lines on a phone, and the one in italics (NULL).
        for (const at of [0, await labels.count() - 2, await labels.count() - 1]) {
          const label = labels.nth(at);
          await label.scrollIntoViewIfNeeded();
          const box = label.locator("input");
          let wanted = false;
          await pressEachRow(page, press, label, async (where) => {
            wanted = !wanted;
            await until(() => box.isChecked(), wanted, `${where}: the option is ${wanted ? "chosen" : "given up"}`);
            assert.equal(await open(page), 1, `${where}: the list is still open`);
          });
          if (wanted) await box.uncheck();
        }
      })],

      [`a press between the options, on the border and on the search closes nothing (${device})`, scene(async (page) => {
        await settled(page);
        for (const testid of ["filter-country", "range-picker", "data-age"]) {
          await page.getByTestId(testid).click();
          const { x, y, width, height } = await page.getByRole("dialog").boundingBox();
          // Two pixels inside the left and the upper edge, except for the round corners.
          const along = (length, step) => 16 + (length - 32) * (step / 8);
          for (let step = 0; step <= 8; step++) {
            for (const [at, down] of [[x + 2, y + along(height, step)], [x + along(width, step), y + 2]]) {
              await press(page, at, down);
              await frames(page);
              assert.equal(await open(page), 1, `${testid} at ${at}, ${down}`);
            }
          }
          await page.keyboard.press("Escape");
          await until(() => open(page), 0, "Escape closes it");
          assert.equal(await page.getByTestId(testid).evaluate((button) => button === document.activeElement), true, "and the focus is back");
        }
      })],

      [`each row of pixels of a date's label leads to its field (${device})`, scene(async (page) => {
        await settled(page);
        await page.getByTestId("range-picker").click();
        for (const testid of ["range-from", "range-to"]) {
          const label = page.getByRole("dialog").locator("label", { has: page.getByTestId(testid) });
          await label.scrollIntoViewIfNeeded();
          const { x, y, height } = await label.boundingBox();
          for (let row = 0; row < Math.floor(height); row++) {
            await press(page, x + 6, y + row + 0.5);
            await until(() => page.evaluate(() => document.activeElement?.dataset.testid), testid, `row ${row} of ${testid}`);
            await frames(page);
            assert.equal(await open(page), 1, `row ${row}: still open`);
          }
        }
      })],

      [`each row of pixels of a range chooses it (${device})`, scene(async (page) => {
        await settled(page);
        await page.getByTestId("range-picker").click();
        const { height } = await page.getByTestId("range-last-7-days").boundingBox();
        await page.keyboard.press("Escape");
        for (let row = 0; row < Math.floor(height); row++) {
          const name = row % 2 ? "last-90-days" : "last-7-days";
          await page.getByTestId("range-picker").click();
          const box = await page.getByTestId(`range-${name}`).boundingBox();
          await press(page, box.x + box.width * ACROSS[row % ACROSS.length], box.y + row + 0.5);
          await until(() => page.evaluate(() => new URL(location.href).searchParams.get("range")), name.replaceAll("-", " "), `row ${row} of ${name}`);
          await until(() => open(page), 0, `row ${row}: chosen, so it closes`);
          // The answer may move the page under the pointer, so wait for it.
          await settled(page);
        }
      })],

      [`each row of pixels of a run opens and closes it (${device})`, withMock(browser, () => undefined, async (page) => {
        const run = page.getByTestId("run").nth(1);
        const row = run.locator("tr").first();
        await row.waitFor();
        let wanted = false;
        await pressEachRow(page, press, row, async (where) => {
          wanted = !wanted;
          await until(() => run.getByRole("button").first().getAttribute("aria-expanded"), String(wanted), where);
        });
      }, { path: "/runs", ...options })],

      [`a press outside closes a list (${device})`, scene(async (page) => {
        await settled(page);
        await page.getByTestId("filter-country").click();
        await press(page, 4, 4);
        await until(() => open(page), 0, "it closes");
      })],
    ];
  });
