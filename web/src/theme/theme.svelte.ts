// The reader's choice of a light or dark theme, and the appearance that follows from it.

import { remember, remembered } from "../shell/memory";
import { palettes, type Appearance } from "./palette";

export type Choice = Appearance | "system";

const KEY = "millrace.theme";
const isChoice = (value: string | null): value is Choice => value === "light" || value === "dark" || value === "system";

/** Remembers the choice in the browser. `data-theme` on the root element carries it to tokens.css. */
class Theme {
  readonly #systemDark = matchMedia("(prefers-color-scheme: dark)");
  #system = $state<Appearance>(this.#systemDark.matches ? "dark" : "light");
  choice = $state<Choice>("system");
  readonly appearance = $derived<Appearance>(this.choice === "system" ? this.#system : this.choice);
  readonly palette = $derived(palettes[this.appearance]);

  constructor() {
    const choice = remembered(KEY);
    if (isChoice(choice)) this.choice = choice;
    this.#apply();
    this.#systemDark.addEventListener("change", (event) => {
      this.#system = event.matches ? "dark" : "light";
    });
  }

  choose(choice: Choice): void {
    this.choice = choice;
    remember(KEY, choice);
    this.#apply();
  }

  #apply(): void {
    document.documentElement.dataset["theme"] = this.choice;
  }
}

export const theme = new Theme();
