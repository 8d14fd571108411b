// The stream of server-sent events (`GET /events`), with reconnects.

import { API } from "./client";
import type { PublishEvent, Run } from "./schema.gen";

/** The callbacks of `listen`, one per kind of event. */
export interface Listener {
  onPublish(event: PublishEvent): void;
  onRun(run: Run): void;
  /** Something else about the project has changed: its files, its schedule or a rollback. */
  onProject(): void;
  /** The stream is open again after an interruption in which events may have been missed. */
  onReturn(): void;
  /** Called with `false` when the connection breaks, and with `true` each time the stream opens. */
  onConnected(connected: boolean): void;
}

/** The backoff between reconnects: it starts at the first value and doubles up to the second. */
const FIRST_PAUSE_MS = 1_000;
const LONGEST_PAUSE_MS = 30_000;

/**
 * Listens until the returned function is called.
 *
 * The browser reconnects after a broken connection without our help. After an error status (for example from
 * a proxy while the server restarts) it closes the `EventSource` for good. This function then opens another
 * one, with exponential backoff. `open` is an argument so that tests can pass their own source.
 */
export function listen(listener: Listener, open = (url: string) => new EventSource(url)): () => void {
  let source: EventSource;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let pause = FIRST_PAUSE_MS;
  let interrupted = false;

  const connect = () => {
    source = open(`${API}/events`);
    source.addEventListener("open", () => {
      pause = FIRST_PAUSE_MS;
      listener.onConnected(true);
      if (interrupted) listener.onReturn();
      interrupted = false;
    });
    source.addEventListener("publish", (event) => listener.onPublish(JSON.parse(event.data) as PublishEvent));
    source.addEventListener("run", (event) => listener.onRun(JSON.parse(event.data) as Run));
    source.addEventListener("project", () => listener.onProject());
    source.addEventListener("error", () => {
      interrupted = true;
      listener.onConnected(false);
      // Any other state means that the browser is already reconnecting.
      if (source.readyState !== source.CLOSED) return;
      timer = setTimeout(connect, pause);
      pause = Math.min(pause * 2, LONGEST_PAUSE_MS);
    });
  };

  connect();
  return () => {
    clearTimeout(timer);
    source.close();
  };
}
