import { getProject } from "../api/client";
import { listen } from "../api/events";
import { asFailure, type Failure } from "../api/failure";
import type { Project } from "../api/schema";

/** The project as the server last described it, kept current by its events. */
class ProjectState {
  current = $state.raw<Project | null>(null);
  failure = $state.raw<Failure | null>(null);
  /** False while events may be missed. */
  connected = $state(true);

  readonly #refresh = () => void this.refresh();

  async refresh(): Promise<void> {
    try {
      this.current = await getProject();
      this.failure = null;
    } catch (error) {
      this.failure = asFailure(error);
    }
  }

  /** Until the returned function is called. */
  follow(): () => void {
    this.#refresh();
    return listen({
      onPublish: ({ data_version, published_at }) => {
        if (this.current) this.current = { ...this.current, publication: { data_version, published_at } };
        // The quarantine and the last run have changed too.
        this.#refresh();
      },
      onRun: (run) => {
        if (this.current) this.current = { ...this.current, last_run: run };
        if (run.status !== "running") this.#refresh();
      },
      onReturn: this.#refresh,
      onConnected: (connected) => (this.connected = connected),
    });
  }
}

export const project = new ProjectState();
