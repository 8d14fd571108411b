// Gives each check a mock server and a reader of its own.
import { startMock } from "../dev/mock.mjs";
import { sales } from "../dev/dashboard.mjs";
import { newReader, noHorizontalScroll, screenshot, tileStates } from "./browser.mjs";

const NARROW = { width: 390, height: 844 };
export const WIDE = { width: 1280, height: 900 };

const everyTile = sales.rows.flat().length;

/** Wraps a check: `prepare` changes the state of the mock before the page is opened at `path`. */
export function withMock(browser, prepare, check, { path = "/d/sales", ...options } = {}) {
  return async () => {
    const mock = await startMock();
    mock.state.tilePauseMs = 0;
    prepare(mock.state);
    const reader = await newReader(browser, options);
    try {
      await reader.page.goto(mock.url + path);
      await check(reader.page, mock, reader);
    } finally {
      await reader.context.close();
      await mock.close();
    }
  };
}

/** Holds back answers with numbers until the returned function is called. */
export function closedGate(state) {
  let open = () => undefined;
  state.gate = new Promise((resolve) => (open = resolve));
  return () => open();
}

/** The distinct states of all tiles. */
export const states = async (page) => [...new Set((await tileStates(page)).map((tile) => tile.state))];

/** Waits until every tile is in a state. */
export const allIn = (page, state) =>
  page.waitForFunction(
    ([wanted, count]) => document.querySelectorAll(`[data-testid^='tile-'][data-state='${wanted}']`).length === count,
    [state, everyTile],
  );

/** Takes screenshots in light and dark, wide and narrow, and checks that none scrolls horizontally. */
export async function pictures(page, name) {
  for (const [size, viewport] of [["wide", WIDE], ["narrow", NARROW]]) {
    await page.setViewportSize(viewport);
    for (const theme of ["light", "dark"]) {
      await page.getByTestId(`theme-${theme}`).click();
      await noHorizontalScroll(page);
      await screenshot(page, `${name}-${size}-${theme}`);
    }
  }
}
