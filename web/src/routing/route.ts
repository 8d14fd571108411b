// Maps the path of the address to a page and back. Pure: the browser's history is in router.svelte.ts.

/** The page that an address names. `run` is the run whose details are open, or `null` if none is. */
export type Route =
  | { page: "home" }
  | { page: "dashboard"; name: string }
  | { page: "quarantine" }
  | { page: "runs"; run: string | null }
  | { page: "unknown" };

/** Returns the page that a path names. Trailing slashes are ignored. */
export function parseRoute(pathname: string): Route {
  const path = pathname.replace(/\/+$/, "");
  if (path === "") return { page: "home" };
  if (path === "/quarantine") return { page: "quarantine" };
  if (path === "/runs") return { page: "runs", run: null };
  const [, page, encoded] = /^\/(d|runs)\/([^/]+)$/.exec(path) ?? [];
  if (encoded === undefined) return { page: "unknown" };
  try {
    const name = decodeURIComponent(encoded);
    return page === "d" ? { page: "dashboard", name } : { page: "runs", run: name };
  } catch {
    return { page: "unknown" };
  }
}

/** The path of the list of runs with one run open. */
export function runPath(run: string): string {
  return `/runs/${encodeURIComponent(run)}`;
}

export function dashboardPath(name: string): string {
  return `/d/${encodeURIComponent(name)}`;
}
