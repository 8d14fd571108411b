// The current time as reactive state, for texts such as "5 minutes ago".

const TICK_MS = 10_000;

/** Updates every ten seconds, which is enough for ages in minutes. */
class Clock {
  now = $state(Date.now());

  constructor() {
    setInterval(() => (this.now = Date.now()), TICK_MS);
    // Browsers throttle the timers of hidden tabs, so the time is updated when the tab becomes visible.
    document.addEventListener("visibilitychange", () => (this.now = Date.now()));
  }
}

export const clock = new Clock();
