import { remembered, remember } from "./memory";

/** For which page the reload has been tried, so that it is tried once. */
const KEY = "millrace.reloaded";

/** The scripts that a page names, which are its version: their names hold hashes. */
export function scriptsOf(html: string): string {
  return [...html.matchAll(/<script[^>]*\ssrc="([^"]+)"/g)].map(([, src]) => src).join(" ");
}

/**
 * Whether the server has other files than the page that is open: after an upgrade the parts of a page that it has not loaded yet are gone.
 * The server says so, not the failure: a connection that breaks looks the same, and a reload would leave the reader with nothing.
 */
class Outdated {
  found = $state(false);

  /** A part of the page could not be loaded. Says whether that is because there is a newer page; then it is loaded, once. */
  async look(reload = () => location.reload()): Promise<boolean> {
    const response = await fetch(location.pathname, { headers: { accept: "text/html" }, cache: "no-store" }).catch(() => null);
    if (!response) return false;
    const theirs = scriptsOf(await response.text());
    if (theirs === "" || theirs === scriptsOf(document.head.innerHTML)) return false;
    this.found = true;
    if (remembered(KEY, () => sessionStorage) !== theirs) {
      remember(KEY, theirs, () => sessionStorage);
      // Where nothing can be kept, it would be loaded again and again; then the page says what it lacks, and the reader loads it.
      if (remembered(KEY, () => sessionStorage) === theirs) reload();
    }
    return true;
  }
}

export const outdated = new Outdated();
