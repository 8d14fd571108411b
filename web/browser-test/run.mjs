// Checks the page of a running server, the real one or the mock, in a browser.
//   MILLRACE_URL=http://127.0.0.1:8080 SCREENSHOTS=shots npm run test:browser
// EXPECT_FIGURES, a JSON object from metric to exact value, checks only the figures of the page over all days.
// CHROMIUM names the browser (default /usr/bin/chromium), DASHBOARD the page (default: the first of the project).
import { launch, runChecks } from "./browser.mjs";
import { dashboardChecks } from "./dashboard.mjs";
import { figureChecks } from "./figures.mjs";

const base = process.env.MILLRACE_URL?.replace(/\/+$/, "");
if (!base) {
  console.error("MILLRACE_URL is not set: give the address of a running server");
  process.exit(2);
}

const browser = await launch();
try {
  const figures = process.env.EXPECT_FIGURES;
  const checks = figures
    ? await figureChecks(browser, base, JSON.parse(figures))
    : await dashboardChecks(browser, base, process.env.DASHBOARD);
  const passed = await runChecks(checks);
  process.exitCode = passed ? 0 : 1;
} finally {
  await browser.close();
}
