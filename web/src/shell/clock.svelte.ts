const TICK_MS = 10_000;

/** Now, a few times a minute: for ages that are written in minutes. */
class Clock {
  now = $state(Date.now());

  constructor() {
    setInterval(() => (this.now = Date.now()), TICK_MS);
    // Timers sleep in hidden tabs.
    document.addEventListener("visibilitychange", () => (this.now = Date.now()));
  }
}

export const clock = new Clock();
