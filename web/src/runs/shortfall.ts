// What the numbers of a dashboard may be missing. Pure.

import type { Project, RunNotice } from "../api/schema.gen";

/** What the numbers of a dashboard may be missing. */
export interface Shortfall {
  /** The number of rows in quarantine, over the streams that the dashboard reads. */
  quarantined: number;
  /** The warnings of the last run about these streams, and those that are about no stream in particular. */
  notices: RunNotice[];
  /** The id of the run that gave the warnings; `null` if there was no run. */
  run: string | null;
}

/** Selects what concerns a dashboard. `streams` are the streams that it reads. */
export function shortfall({ quarantine, last_result: last }: Project, streams: readonly string[]): Shortfall {
  const held = quarantine.streams.filter(({ stream }) => streams.includes(stream));
  const notices = (last?.notices ?? []).filter(({ stream }) => stream === null || streams.includes(stream));
  return { quarantined: held.reduce((sum, { rows }) => sum + rows, 0), notices, run: last?.run ?? null };
}
