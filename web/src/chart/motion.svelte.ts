class Motion {
  readonly #reduced = matchMedia("(prefers-reduced-motion: reduce)");
  allowed = $state(!this.#reduced.matches);

  constructor() {
    this.#reduced.addEventListener("change", (event) => (this.allowed = !event.matches));
  }
}

export const motion = new Motion();
