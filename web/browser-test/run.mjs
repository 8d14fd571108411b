// Checks the page of a running server, the real one or the mock, in a browser.
//   MILLRACE_URL=http://127.0.0.1:8080 SCREENSHOTS=shots npm run test:browser
// EXPECT_FIGURES, a JSON object from metric to exact value, checks only the figures of the page over all days.
// LIVE_PROJECT, the folder of the project, and MILLRACE, the program, check how an open page follows runs.
// CHROMIUM names the browser (default /usr/bin/chromium), DASHBOARD the page (default: the first of the project).
import { launch, runChecks } from "./browser.mjs";
import { dashboardChecks } from "./dashboard.mjs";
import { figureChecks } from "./figures.mjs";
import { liveChecks } from "./live.mjs";

const base = process.env.MILLRACE_URL?.replace(/\/+$/, "");
if (!base) {
  console.error("MILLRACE_URL is not set: give the address of a running server");
  process.exit(2);
}

const browser = await launch();
try {
  const { EXPECT_FIGURES: figures, LIVE_PROJECT: folder, MILLRACE: binary = "millrace", DASHBOARD: wanted } = process.env;
  const checks = folder
    ? liveChecks(browser, base, binary, folder)
    : figures
      ? await figureChecks(browser, base, JSON.parse(figures))
      : await dashboardChecks(browser, base, wanted);
  const passed = await runChecks(checks);
  process.exitCode = passed ? 0 : 1;
} finally {
  await browser.close();
}
