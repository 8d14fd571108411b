export type Route =
  | { page: "home" }
  | { page: "dashboard"; name: string }
  | { page: "quarantine" }
  | { page: "unknown" };

export function parseRoute(pathname: string): Route {
  const path = pathname.replace(/\/+$/, "");
  if (path === "") return { page: "home" };
  if (path === "/quarantine") return { page: "quarantine" };
  const name = /^\/d\/([^/]+)$/.exec(path)?.[1];
  if (name === undefined) return { page: "unknown" };
  try {
    return { page: "dashboard", name: decodeURIComponent(name) };
  } catch {
    return { page: "unknown" };
  }
}

export function dashboardPath(name: string): string {
  return `/d/${encodeURIComponent(name)}`;
}
