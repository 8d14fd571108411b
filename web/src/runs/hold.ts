// Why readers do not see the result of the last run. Pure.

import type { ApiError, Project, Rollback, Run, TestResult } from "../api/schema.gen";

/**
 * A reason why readers do not see the result of the last run:
 *
 * - `rollback`: a rollback keeps them on an earlier version. `run` is the last run if it waits for the
 *   release.
 * - `lifted`: a rollback held the last run and has been released since.
 * - `tests`: data tests failed. `failed` counts those of severity `error`.
 * - `sources`: a source has lost data, so nothing was built or published.
 * - `blocked`: something keeps the run, which is built and tested, from being published.
 * - `failed`: the run failed. `error` is `null` if its process died.
 */
export type Hold =
  | { kind: "rollback"; rollback: Rollback; run: Run | null }
  | { kind: "lifted"; run: Run }
  | { kind: "tests"; run: Run; tests: TestResult[]; failed: number }
  | { kind: "sources"; run: Run; problems: ApiError[] }
  | { kind: "blocked"; run: Run; what: string[]; hint: string }
  | { kind: "failed"; run: Run; error: ApiError | null };

/** Sorts failed tests: those that hold the publish (`error`) before those that only warn. */
export function bySeverity(tests: readonly TestResult[]): TestResult[] {
  const holds = tests.filter((test) => test.severity === "error");
  return [...holds, ...tests.filter((test) => test.severity !== "error")];
}

/**
 * The holds to show above the numbers. A rollback is always among them, whatever the result of the last run.
 */
export function holdsOf({ rollback, last_result: run }: Project): Hold[] {
  const waits = run?.status === "held" && run.held?.by === "rollback";
  const holds: Hold[] = rollback ? [{ kind: "rollback", rollback, run: waits ? run : null }] : [];
  if (run?.status === "failed") holds.push({ kind: "failed", run, error: run.error });
  if (run?.status !== "held") return holds;
  switch (run.held?.by) {
    case "sources":
      holds.push({ kind: "sources", run, problems: run.held.problems });
      break;
    case "blocked":
      holds.push({ kind: "blocked", run, what: run.held.what, hint: run.held.hint });
      break;
    case "rollback":
      if (!rollback) holds.push({ kind: "lifted", run });
      break;
    default: {
      const tests = bySeverity(run.failed_tests);
      holds.push({ kind: "tests", run, tests, failed: tests.filter(({ severity }) => severity === "error").length });
    }
  }
  return holds;
}
