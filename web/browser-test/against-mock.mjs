// Runs the checks of run.mjs against the mock server, and those that need a server whose state a test can
// change.
//   npm run build && SCREENSHOTS=shots npm run test:browser:mock
import { startMock } from "../dev/mock.mjs";
import { axeChecks } from "./axe.mjs";
import { launch, runChecks } from "./browser.mjs";
import { clickChecks } from "./clicks.mjs";
import { dashboardChecks } from "./dashboard.mjs";
import { holdChecks } from "./holds.mjs";
import { honestChecks } from "./honest.mjs";
import { moveChecks } from "./moves.mjs";
import { stateChecks } from "./states.mjs";

const mock = await startMock();
const browser = await launch();
try {
  const own = [...clickChecks(browser), ...honestChecks(browser), ...axeChecks(browser), ...stateChecks(browser), ...holdChecks(browser), ...moveChecks(browser)];
  const all = [...(await dashboardChecks(browser, mock.url)), ...own];
  // ONLY selects the checks whose names contain its text.
  const checks = all.filter(([name]) => name.includes(process.env.ONLY ?? ""));
  process.exitCode = (await runChecks(checks)) ? 0 : 1;
} finally {
  await browser.close();
  await mock.close();
}
