import { describe, expect, it } from "vitest";
import type { Held, TestResult } from "../api/schema.gen";
import { bySeverity, holdsOf } from "./hold";
import { project, run } from "./runs.fixture";

const warning: TestResult = { test: "unique(a.b)", model: "a", rows: 1, severity: "warn" };
const failure: TestResult = { test: "not_null(a.b)", model: "a", rows: 4, severity: "error" };
const held = (by: Held, failed_tests: TestResult[] = []) => run({ status: "held", held: by, failed_tests });
const rollback = { data_version: 4, brought_back: 2, since: "2026-11-23T13:00:00Z" };

describe("what is told above the numbers", () => {
  it("is nothing where readers see what the last run made, or nothing ran", () => {
    for (const last_result of [null, run(), run({ status: "unchanged" }), run({ failed_tests: [warning] })]) {
      expect(holdsOf(project({ last_result }))).toEqual([]);
    }
  });

  it("is the data tests, and how many of them hold", () => {
    const [hold, ...others] = holdsOf(project({ last_result: held({ by: "tests" }, [warning, failure]) }));
    expect(others).toEqual([]);
    expect(hold).toMatchObject({ kind: "tests", failed: 1, tests: [failure, warning] });
  });

  it("is what a source has lost", () => {
    const problems = [{ code: "stream-emptied", message: "stream `s.t` has no rows any more", hint: null, stream: "s.t" }];
    expect(holdsOf(project({ last_result: held({ by: "sources", problems }) }))).toMatchObject([{ kind: "sources", problems }]);
  });

  it("is who is in the way", () => {
    const last_result = held({ by: "blocked", what: ["view `v`"], hint: "Drop it." });
    expect(holdsOf(project({ last_result }))).toMatchObject([{ kind: "blocked", what: ["view `v`"], hint: "Drop it." }]);
  });

  it("is a rollback, whatever the last run came to", () => {
    const waits = held({ by: "rollback", data_version: 4 });
    expect(holdsOf(project({ rollback, last_result: run() }))).toEqual([{ kind: "rollback", rollback, run: null }]);
    expect(holdsOf(project({ rollback, last_result: waits }))).toEqual([{ kind: "rollback", rollback, run: waits }]);
    expect(holdsOf(project({ last_result: waits }))).toEqual([{ kind: "lifted", run: waits }]);
    const both = holdsOf(project({ rollback, last_result: held({ by: "tests" }, [failure]) }));
    expect(both.map(({ kind }) => kind)).toEqual(["rollback", "tests"]);
  });

  it("is an error, also one that nobody could write down", () => {
    const error = { code: "source-unreachable", message: "m", hint: null };
    expect(holdsOf(project({ last_result: run({ status: "failed", error }) }))).toMatchObject([{ kind: "failed", error }]);
    expect(holdsOf(project({ last_result: run({ status: "failed" }) }))).toMatchObject([{ kind: "failed", error: null }]);
  });
});

it("puts tests that hold before those that warn", () => {
  expect(bySeverity([warning, failure])).toEqual([failure, warning]);
});
