// The checks of run.mjs against the mock server, and those that need a server whose state can be changed.
//   npm run build && SCREENSHOTS=shots npm run test:browser:mock
import { startMock } from "../dev/mock.mjs";
import { launch, runChecks } from "./browser.mjs";
import { dashboardChecks } from "./dashboard.mjs";
import { stateChecks } from "./states.mjs";

const mock = await startMock();
const browser = await launch();
try {
  const checks = [...(await dashboardChecks(browser, mock.url)), ...stateChecks(browser)];
  process.exitCode = (await runChecks(checks)) ? 0 : 1;
} finally {
  await browser.close();
  await mock.close();
}
