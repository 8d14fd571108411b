import type { ApiError, Project, Rollback, Run, TestResult } from "../api/schema";

/** Why readers do not see what the last run made. */
export type Hold =
  | { kind: "rollback"; rollback: Rollback; run: Run | null }
  | { kind: "lifted"; run: Run }
  | { kind: "tests"; run: Run; tests: TestResult[]; failed: number }
  | { kind: "sources"; run: Run; problems: ApiError[] }
  | { kind: "blocked"; run: Run; what: string[]; hint: string }
  | { kind: "failed"; run: Run; error: ApiError | null };

/** Those that hold come before those that only warn. */
export function bySeverity(tests: readonly TestResult[]): TestResult[] {
  const holds = tests.filter((test) => test.severity === "error");
  return [...holds, ...tests.filter((test) => test.severity !== "error")];
}

/** All that is to be told above the numbers; a rollback holds whatever the last run came to. */
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
