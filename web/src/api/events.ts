import { API } from "./client";
import type { PublishEvent, Run } from "./schema";

export interface Listener {
  onPublish(event: PublishEvent): void;
  onRun(run: Run): void;
  /** Something else about the project is new: its files, its schedule, a rollback. */
  onProject(): void;
  /** The stream is open again after a pause in which events may have been missed. */
  onReturn(): void;
  onConnected(connected: boolean): void;
}

const FIRST_PAUSE_MS = 1_000;
const LONGEST_PAUSE_MS = 30_000;

/**
 * Listens until the returned function is called. The browser reconnects by itself after a broken connection, but gives
 * up for good after an error status (a server that restarts behind a proxy): then a new stream is opened, with pauses
 * that double.
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
