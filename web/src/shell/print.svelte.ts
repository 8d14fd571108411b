// Whether the page is being printed.

import { flushSync } from "svelte";

/**
 * Charts and tables look different on paper (see `print.active`). The browser lays out the sheet right after
 * `beforeprint`, so everything whose drawing depends on its size must be redrawn before that handler returns.
 * For that, the class `printing` on the root element (base.css) first gives the page the width of a sheet,
 * and `flushSync` runs the effects at once.
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
