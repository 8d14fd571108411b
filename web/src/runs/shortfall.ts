import type { ApiError, Project, Run } from "../api/schema";

/** What the figures of a page may be short of. */
export interface Shortfall {
  /** Rows in quarantine of the streams that the page reads. */
  quarantined: number;
  /** Warnings of the last run that are about these streams, or about none in particular. */
  notices: ApiError[];
  /** The run that gave them. */
  run: string | null;
}

function names(notice: ApiError, stream: string): boolean {
  return notice.message.includes(`\`${stream}\``);
}

/** Of `streams`; where a server does not say which those are, of all. */
export function shortfall(project: Project, streams: readonly string[] | undefined): Shortfall {
  const reads = (stream: string) => streams?.includes(stream) ?? true;
  const held = project.quarantine?.streams.filter(({ stream }) => reads(stream)) ?? [];
  const last: Run | null = project.last_result;
  const others = (last?.streams ?? []).map(({ stream }) => stream).filter((stream) => !reads(stream));
  const notices = (last?.notices ?? []).filter(
    (notice) => (streams ?? []).some((stream) => names(notice, stream)) || !others.some((stream) => names(notice, stream)),
  );
  return { quarantined: held.reduce((sum, { rows }) => sum + rows, 0), notices, run: last?.run ?? null };
}
