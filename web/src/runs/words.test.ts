import { expect, it } from "vitest";
import type { Trigger } from "../api/schema.gen";
import { en, fr } from "../tile/tiles.fixture";
import { run } from "./runs.fixture";
import { durationText, nextRunText, triggerText } from "./words";

const now = Date.parse("2026-11-23T18:10:00Z");

// The tests run in the zone of Los Angeles, eight hours behind UTC.
it.each<[Trigger, string, string, string]>([
  [{ kind: "command", scheduled_for: null, attempt: 1 }, "2026-11-23T18:00:00Z", "Command line", "Ligne de commande"],
  [{ kind: "schedule", scheduled_for: "2026-11-23T18:00:00Z", attempt: 1 }, "2026-11-23T18:00:02Z", "Schedule", "Planification"],
  [{ kind: "retry", scheduled_for: "2026-11-23T18:00:00Z", attempt: 3 }, "2026-11-23T18:05:00Z", "Retry 2, for 10:00", "Nouvel essai 2, pour 10:00"],
  [{ kind: "catch_up", scheduled_for: "2026-11-22T18:00:00Z", attempt: 1 }, "2026-11-23T18:00:00Z", "Caught up, for 22 Nov, 10:00", "Rattrapage, pour 22 nov., 10:00"],
])("says why a run ran: %o", (trigger, started_at, english, french) => {
  expect(triggerText(run({ trigger, started_at }), now, en)).toBe(english);
  expect(triggerText(run({ trigger, started_at }), now, fr)).toBe(french);
});

it("says when the next run starts, where this server starts one", () => {
  const schedule = { cron: "*/15 * * * *", time_zone: "Europe/Paris", next_run_at: "2026-11-23T18:15:30Z" };
  expect(nextRunText(schedule, now, en)).toBe("10:15, in 6 min");
  expect(nextRunText(schedule, now, fr)?.replace("\u00a0", " ")).toBe("10:15, dans 6 min");
  expect(nextRunText({ ...schedule, next_run_at: null }, now, en)).toBeNull();
  expect(nextRunText(null, now, en)).toBeNull();
});

it("says how long a run took, or takes already, or nothing where nobody knows", () => {
  expect(durationText(run(), now, en)).toBe("812ms");
  expect(durationText(run({ status: "running", finished_at: null, duration_ms: 0, started_at: "2026-11-23T18:09:00Z" }), now, en)).toBe("1m 0s");
  expect(durationText(run({ status: "failed", finished_at: null, duration_ms: 0 }), now, en)).toBe("–");
});
