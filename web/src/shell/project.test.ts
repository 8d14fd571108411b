import { expect, it } from "vitest";
import { project, run } from "../runs/runs.fixture";
import { withPublish, withRun } from "./project.svelte";

it("keeps what came of the last run while the next is under way", () => {
  const held = run({ status: "held", held: { by: "tests" } });
  const running = run({ run: "next", status: "running", finished_at: null });
  const during = withRun(project({ last_run: held, last_result: held }), running);
  expect(during).toMatchObject({ last_run: running, last_result: held });
  const ended = run({ run: "next" });
  expect(withRun(during, ended)).toMatchObject({ last_run: ended, last_result: ended });
});

it("has the new version at once, and all else as it was", () => {
  const before = project({ last_result: run() });
  const after = withPublish(before, { data_version: 4, published_at: "2026-11-23T14:00:00Z" });
  expect(after).toEqual({ ...before, publication: { data_version: 4, published_at: "2026-11-23T14:00:00Z", run: "" } });
});
