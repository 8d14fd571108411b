// Finds out whether the server has been upgraded since the page was opened.

import { remembered, remember } from "./memory";

/** The storage key for the version that a reload was tried for, so that each is tried only once. */
const KEY = "millrace.reloaded";

/**
 * The scripts that an HTML page names, as one text. It identifies the version of the page, because the names
 * contain hashes. Empty if there are none.
 */
export function scriptsOf(html: string): string {
  return [...html.matchAll(/<script[^>]*\ssrc="([^"]+)"/g)].map(([, src]) => src).join(" ");
}

/**
 * After an upgrade of the server, the chunks that an open page has not loaded yet no longer exist.
 *
 * A failed import alone does not prove an upgrade, because a broken connection looks the same, and a reload
 * would then leave the reader without a page. So this class asks the server which scripts its page has.
 */
class Outdated {
  found = $state(false);

  /**
   * Called when a chunk of the page could not be loaded. Returns whether the server has a newer page. If so,
   * it reloads the page, but only once per version.
   */
  async look(reload = () => location.reload()): Promise<boolean> {
    const response = await fetch(location.pathname, { headers: { accept: "text/html" }, cache: "no-store" }).catch(() => null);
    if (!response) return false;
    const theirs = scriptsOf(await response.text());
    if (theirs === "" || theirs === scriptsOf(document.head.innerHTML)) return false;
    this.found = true;
    if (remembered(KEY, () => sessionStorage) !== theirs) {
      remember(KEY, theirs, () => sessionStorage);
      // Without storage the page would reload again and again, so it reloads only if the value was really
      // stored. Otherwise the page says what it lacks, and the reader reloads.
      if (remembered(KEY, () => sessionStorage) === theirs) reload();
    }
    return true;
  }
}

export const outdated = new Outdated();
