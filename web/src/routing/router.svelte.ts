// The current address as reactive state, kept in sync with the browser's history.

import { parseRoute, type Route } from "./route";

/** Navigates without loading the document again. */
class Router {
  #url = $state.raw(new URL(location.href));
  readonly route = $derived<Route>(parseRoute(this.#url.pathname));
  readonly search = $derived(this.#url.search);

  constructor() {
    addEventListener("popstate", () => (this.#url = new URL(location.href)));
  }

  /**
   * Goes to an address. `replace` overwrites the current history entry; it is for changes that the reader
   * would not want to step back through.
   */
  go(href: string, { replace = false } = {}): void {
    const url = new URL(href, this.#url);
    if (url.href === this.#url.href) return;
    history[replace ? "replaceState" : "pushState"](null, "", url);
    this.#url = url;
  }
}

export const router = new Router();

/**
 * The click handler of the document: follows links to pages of this app without loading the document. The
 * browser handles every other click: with a modifier key (another tab or window), to other sites, downloads,
 * fragments of the current page, and paths that are no page.
 */
export function followLink(event: MouseEvent): void {
  if (event.defaultPrevented || event.button !== 0) return;
  if (event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
  const link = (event.target as Element).closest("a");
  if (!link || link.origin !== location.origin || link.target || link.hasAttribute("download")) return;
  if (link.hash && link.pathname === location.pathname) return;
  if (parseRoute(link.pathname).page === "unknown") return;
  event.preventDefault();
  router.go(link.href);
  scrollTo(0, 0);
}
