// Texts about runs: result, trigger, duration and the next one. Pure.

import type { Run, RunStatus, Schedule } from "../api/schema.gen";
import { translate, type MessageKey } from "../i18n/catalogue";
import type { Reader } from "../i18n/reader";
import type { IconName } from "../shell/icons";
import { NO_VALUE } from "../value/cell";
import { formatClock, formatDuration, formatUntil } from "../value/date";

/** The result of a run as an icon and a word. Colour alone never carries it. */
export const marks: Record<RunStatus, { icon: IconName; word: MessageKey }> = {
  running: { icon: "turn", word: "status.running" },
  succeeded: { icon: "check", word: "status.succeeded" },
  unchanged: { icon: "equal", word: "status.unchanged" },
  held: { icon: "pause", word: "status.held" },
  failed: { icon: "cross", word: "status.failed" },
};

/** If a run started later than this after its scheduled time, its label names that time. */
const LATE_MS = 60_000;

/**
 * Why a run was started: "Schedule", "Retry 2, for 14:00". The first attempt is not a retry, so the number is
 * one less than `attempt`.
 */
export function triggerText({ trigger, started_at }: Run, now: number, reader: Reader): string {
  const { kind, scheduled_for, attempt } = trigger;
  const { language } = reader;
  const why = translate(language, `trigger.${kind}`) + (kind === "retry" ? ` ${attempt - 1}` : "");
  if (scheduled_for === null || Date.parse(started_at) - Date.parse(scheduled_for) < LATE_MS) return why;
  return translate(language, "trigger.for", { why, time: formatClock(scheduled_for, now, reader) });
}

/** When the next run starts: "14:15, in 6 min". Returns `null` if this server does not run the schedule. */
export function nextRunText(schedule: Schedule | null, now: number, reader: Reader): string | null {
  if (!schedule?.next_run_at) return null;
  const time = formatClock(schedule.next_run_at, now, reader);
  return translate(reader.language, "runs.at", { time, when: formatUntil(schedule.next_run_at, now, reader) });
}

/**
 * The duration of a run. For a run in progress, the time since its start; if the process of the run died, the
 * duration is unknown (`NO_VALUE`).
 */
export function durationText(run: Run, now: number, reader: Reader): string {
  if (run.status === "running") return formatDuration(now - Date.parse(run.started_at), reader);
  return run.finished_at === null ? NO_VALUE : formatDuration(run.duration_ms, reader);
}
