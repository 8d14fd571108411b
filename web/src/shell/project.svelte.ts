// The project as reactive state: loaded once, then kept current by the server's events.

import { getProject } from "../api/client";
import { listen } from "../api/events";
import { asFailure, type Failure } from "../api/failure";
import type { Project, PublishEvent, Run } from "../api/schema.gen";

/** If the last request is older than this when the page becomes visible, the page asks again. */
const OUT_OF_SIGHT_MS = 30_000;

/**
 * The project after an event about a run. A run that has ended becomes the last result; while a run is in
 * progress, the result of the previous one stays.
 */
export function withRun(project: Project, run: Run): Project {
  return { ...project, last_run: run, last_result: run.status === "running" ? project.last_result : run };
}

/** The project after a publish, until the server's full answer arrives. */
export function withPublish(project: Project, { data_version, published_at }: PublishEvent): Project {
  // The event does not contain the id of the run, and no page shows it.
  return { ...project, publication: { data_version, published_at, run: "" } };
}

/** The project as the server last described it. */
class ProjectState {
  current = $state.raw<Project | null>(null);
  failure = $state.raw<Failure | null>(null);
  /** `false` while the event stream is interrupted, so that events may be missed. */
  connected = $state(true);
  /**
   * Grows whenever dashboards may have changed or events may have been missed. Pages then load their
   * definition again.
   */
  revision = $state(0);

  // The time of the last request, in milliseconds.
  #asked = 0;

  /** Loads the project. On failure the previous one stays, and `failure` says why. */
  async refresh(): Promise<void> {
    this.#asked = Date.now();
    try {
      this.current = await getProject();
      this.failure = null;
    } catch (error) {
      this.failure = asFailure(error);
    }
  }

  #renew(): void {
    this.revision += 1;
    void this.refresh();
  }

  /** Loads the project and follows the events until the returned function is called. */
  follow(): () => void {
    void this.refresh();
    const stop = listen({
      onPublish: (event) => {
        if (this.current) this.current = withPublish(this.current, event);
        // A publish also changes the quarantine, the last run and perhaps the dashboards.
        this.#renew();
      },
      onRun: (run) => {
        if (this.current) this.current = withRun(this.current, run);
        // Also after a run that found nothing new, because with each run the server reads the files of the
        // project again.
        if (run.status !== "running") this.#renew();
      },
      onProject: () => this.#renew(),
      onReturn: () => this.#renew(),
      onConnected: (connected) => (this.connected = connected),
    });
    // If another machine publishes, the server notices only when a page asks. No event announces it before
    // that.
    const onSeen = () => {
      if (document.visibilityState === "visible" && Date.now() - this.#asked > OUT_OF_SIGHT_MS) void this.refresh();
    };
    document.addEventListener("visibilitychange", onSeen);
    return () => {
      stop();
      document.removeEventListener("visibilitychange", onSeen);
    };
  }
}

export const project = new ProjectState();
