// Whether charts may animate: follows the reader's setting for reduced motion, also while the page is open.

class Motion {
  readonly #reduced = matchMedia("(prefers-reduced-motion: reduce)");
  allowed = $state(!this.#reduced.matches);

  constructor() {
    this.#reduced.addEventListener("change", (event) => (this.allowed = !event.matches));
  }
}

export const motion = new Motion();
