import { getProject } from "../api/client";
import { listen } from "../api/events";
import { asFailure, type Failure } from "../api/failure";
import type { Project, PublishEvent, Run } from "../api/schema";

/** A page that has been out of sight for longer looks whether it has missed anything. */
const OUT_OF_SIGHT_MS = 30_000;

/** A run that ended is also the last result; what was told of the one before stays while the next runs. */
export function withRun(project: Project, run: Run): Project {
  return { ...project, last_run: run, last_result: run.status === "running" ? project.last_result : run };
}

export function withPublish(project: Project, { data_version, published_at }: PublishEvent): Project {
  return { ...project, publication: { data_version, published_at } };
}

/** The project as the server last described it, kept current by its events. */
class ProjectState {
  current = $state.raw<Project | null>(null);
  failure = $state.raw<Failure | null>(null);
  /** False while events may be missed. */
  connected = $state(true);
  /** Grows whenever what pages consist of may have changed, or news may have been missed. */
  revision = $state(0);

  #asked = 0;

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

  /** Until the returned function is called. */
  follow(): () => void {
    void this.refresh();
    const stop = listen({
      onPublish: (event) => {
        if (this.current) this.current = withPublish(this.current, event);
        // The quarantine and the last run have changed too, and perhaps the dashboards.
        this.#renew();
      },
      onRun: (run) => {
        if (this.current) this.current = withRun(this.current, run);
        // Also where nothing was new: with the run the server has taken up the project's files.
        if (run.status !== "running") this.#renew();
      },
      onProject: () => this.#renew(),
      onReturn: () => this.#renew(),
      onConnected: (connected) => (this.connected = connected),
    });
    // Where another machine publishes, the server finds it when somebody asks.
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
