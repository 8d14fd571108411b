import { getDashboard, postData } from "../api/client";
import { asFailure, type Failure, isAbort } from "../api/failure";
import type { Dashboard, DataEvent, DataStart } from "../api/schema";
import { beginReload, carryTiles, failAll, finish, initialTiles, receive, type Tiles } from "./tileState";
import { dataRequest, type UrlState } from "./urlState";

const MISSING = { code: "missing-tile", message: "" };

/** One dashboard on the page: its definition, and the newest numbers that the server has sent. */
export class DashboardView {
  readonly name: string;
  dashboard = $state.raw<Dashboard | null>(null);
  /** Why there is no page, or why its numbers are old. */
  failure = $state.raw<Failure | null>(null);
  tiles = $state.raw<Tiles>({});
  /** The head of the newest answer. */
  start = $state.raw<DataStart | null>(null);
  /** What `start` answers; for a moment after a change not what the address asks for. */
  answered = $state.raw<UrlState | null>(null);

  #outdated = new AbortController();

  constructor(name: string) {
    this.name = name;
  }

  async open(): Promise<void> {
    try {
      const dashboard = await getDashboard(this.name);
      this.tiles = initialTiles(dashboard);
      this.dashboard = dashboard;
      this.failure = null;
    } catch (error) {
      this.failure = asFailure(error);
    }
  }

  /** Asks for the definition again. What is shown stays where the new one has it too. Says whether the new one is another. */
  async renew(): Promise<boolean> {
    const before = this.dashboard;
    try {
      const dashboard = await getDashboard(this.name);
      if (before && JSON.stringify(dashboard) === JSON.stringify(before)) return false;
      this.tiles = before ? carryTiles(this.tiles, before, dashboard) : initialTiles(dashboard);
      this.dashboard = dashboard;
      return true;
    } catch (error) {
      this.failure = asFailure(error);
      return false;
    }
  }

  /** A later call makes the answer to this one worthless, so it is given up. */
  async load(state: UrlState): Promise<void> {
    this.#outdated.abort();
    const { signal } = (this.#outdated = new AbortController());
    this.tiles = beginReload(this.tiles);
    try {
      await postData(this.name, dataRequest(state), (event) => this.#take(event, state), signal);
      this.tiles = finish(this.tiles, MISSING);
      this.failure = null;
    } catch (error) {
      if (isAbort(error) || signal.aborted) return;
      this.failure = asFailure(error);
      const { code, message, hint } = this.failure;
      this.tiles = failAll(this.tiles, { code, message, hint });
    }
  }

  close(): void {
    this.#outdated.abort();
  }

  #take(event: DataEvent, state: UrlState): void {
    if (event.type === "start") {
      this.start = event;
      this.answered = state;
    } else if (event.type === "tile" && this.start) {
      const tile = this.dashboard?.rows.flat().find(({ id }) => id === event.id);
      // A tile that the page does not know: the definition has changed since; a publish brings both together.
      if (!tile) return;
      const answer = event.result ?? event.error ?? MISSING;
      this.tiles = receive(this.tiles, tile, answer, this.start);
    }
  }
}
