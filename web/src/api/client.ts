// The HTTP client of the page: one function per endpoint of docs/reference/http-api.md.
// Every function rejects with a `Failure` if the server answers with an error status, and with the browser's
// own error if the network fails (`asFailure` turns that into a `Failure` too).

import { Failure, failureOf, localFailure } from "./failure";
import { readNdjson } from "./ndjson";
import type { Dashboard, DataEvent, DataRequest, Failures, FilterOptions, Project, Quarantine, RunDetails, Runs } from "./schema.gen";

/** The path prefix of every endpoint. The page and the API have the same origin. */
export const API = "/api/v1";

async function get<T>(path: string, signal?: AbortSignal): Promise<T> {
  const response = await fetch(API + path, {
    headers: { accept: "application/json" },
    ...(signal && { signal }),
  });
  if (!response.ok) throw await failureOf(response);
  return (await response.json()) as T;
}

export const getProject = (signal?: AbortSignal) => get<Project>("/project", signal);

export const getDashboard = (name: string, signal?: AbortSignal) =>
  get<Dashboard>(`/dashboards/${encodeURIComponent(name)}`, signal);

/**
 * The values of a filter that contain `search`. The page calls it only if the server cut the list of values.
 */
export const getOptions = (dashboard: string, filter: string, search: string, signal?: AbortSignal) =>
  get<FilterOptions>(
    `/dashboards/${encodeURIComponent(dashboard)}/options?filter=${encodeURIComponent(filter)}&search=${encodeURIComponent(search)}`,
    signal,
  );

export const getQuarantine = (limit: number, signal?: AbortSignal) =>
  get<Quarantine>(`/quarantine?limit=${limit}`, signal);

export const getRuns = (limit: number, signal?: AbortSignal) => get<Runs>(`/runs?limit=${limit}`, signal);

export const getRun = (run: string, signal?: AbortSignal) => get<RunDetails>(`/runs/${encodeURIComponent(run)}`, signal);

/**
 * Some of the rows that a data test found in a run. The server answers with status 410 if it no longer has
 * them.
 */
export const getFailures = (run: string, test: string, limit: number, signal?: AbortSignal) =>
  get<Failures>(`/runs/${encodeURIComponent(run)}/failures?test=${encodeURIComponent(test)}&limit=${limit}`, signal);

/**
 * Requests the numbers of a dashboard and calls `onEvent` for each line of the NDJSON answer as it arrives.
 * Rejects if the server sends an `error` line, or if the answer stops before its `end` line, because the
 * numbers would then be incomplete.
 */
export async function postData(
  name: string,
  request: DataRequest,
  onEvent: (event: DataEvent) => void,
  signal: AbortSignal,
): Promise<void> {
  const response = await fetch(`${API}/dashboards/${encodeURIComponent(name)}/data`, {
    method: "POST",
    headers: { "content-type": "application/json", accept: "application/x-ndjson" },
    body: JSON.stringify(request),
    signal,
  });
  if (!response.ok || !response.body) throw await failureOf(response);
  let ended = false;
  for await (const line of readNdjson(response.body)) {
    // Lines that were already buffered when the caller aborted must not reach it.
    signal.throwIfAborted();
    const event = line as DataEvent;
    if (event.type === "error") throw new Failure(event.error, response.status);
    ended ||= event.type === "end";
    onEvent(event);
  }
  if (!ended) throw localFailure("incomplete-answer", "no `end` line");
}
