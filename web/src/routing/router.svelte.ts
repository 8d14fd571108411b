import { parseRoute, type Route } from "./route";

class Router {
  #url = $state.raw(new URL(location.href));
  readonly route = $derived<Route>(parseRoute(this.#url.pathname));
  readonly search = $derived(this.#url.search);

  constructor() {
    addEventListener("popstate", () => (this.#url = new URL(location.href)));
  }

  /** `replace` takes no step in the history, for what the reader would not want to go back through. */
  go(href: string, { replace = false } = {}): void {
    const url = new URL(href, this.#url);
    if (url.href === this.#url.href) return;
    history[replace ? "replaceState" : "pushState"](null, "", url);
    this.#url = url;
  }
}

export const router = new Router();

/** Keeps a click on a link inside the page, unless the reader asks for a new tab or window. */
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
