import { flushSync } from "svelte";

/**
 * Whether the page is on its way to paper. The browser lays it out anew right after `beforeprint`, so all that is drawn by size has been drawn
 * anew when that returns: `html.printing` (base.css) gives the page the width of a sheet first.
 */
class Print {
  active = $state(false);

  constructor() {
    addEventListener("beforeprint", () => this.#set(true));
    addEventListener("afterprint", () => this.#set(false));
  }

  #set(active: boolean): void {
    document.documentElement.classList.toggle("printing", active);
    flushSync(() => (this.active = active));
  }
}

export const print = new Print();
