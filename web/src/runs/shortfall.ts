import type { Project, RunNotice } from "../api/schema";

/** What the figures of a page may be short of. */
export interface Shortfall {
  /** Rows in quarantine of the streams that the page reads. */
  quarantined: number;
  /** Warnings of the last run that are about these streams, or about none in particular. */
  notices: RunNotice[];
  /** The run that gave them. */
  run: string | null;
}

/** `streams` are those that the page reads. */
export function shortfall({ quarantine, last_result: last }: Project, streams: readonly string[]): Shortfall {
  const held = quarantine.streams.filter(({ stream }) => streams.includes(stream));
  const notices = (last?.notices ?? []).filter(({ stream }) => stream === null || streams.includes(stream));
  return { quarantined: held.reduce((sum, { rows }) => sum + rows, 0), notices, run: last?.run ?? null };
}
