// One open dashboard as reactive state: loads its definition and its numbers.

import { getDashboard, postData } from "../api/client";
import { asFailure, type Failure, isAbort } from "../api/failure";
import type { Dashboard, DataEvent, DataStart } from "../api/schema.gen";
import { beginReload, carryTiles, failAll, finish, initialTiles, receive, type Tiles } from "./tileState";
import { dataRequest, type UrlState } from "./urlState";

// The error of a tile that the answer left out. `errorText` has its message.
const MISSING = { code: "missing-tile", message: "", hint: null };

/** One dashboard: its definition, and the latest numbers that the server has sent. */
export class DashboardView {
  readonly name: string;
  dashboard = $state.raw<Dashboard | null>(null);
  /** Why there is no dashboard, or why its numbers are out of date. */
  failure = $state.raw<Failure | null>(null);
  tiles = $state.raw<Tiles>({});
  /** The head of the latest answer. */
  start = $state.raw<DataStart | null>(null);
  /** The choice that `start` is the answer to. For a moment after a change it differs from the address. */
  answered = $state.raw<UrlState | null>(null);

  // Cancels the request in flight when a later one replaces it.
  #outdated = new AbortController();

  constructor(name: string) {
    this.name = name;
  }

  /** Loads the definition for the first time. */
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

  /**
   * Loads the definition again. Tiles that the changed definition still has keep their numbers. Returns
   * whether the definition has changed.
   */
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

  /** Loads the numbers. A later call cancels this one, because its answer would be outdated. */
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

  /** Cancels the request in flight when the page is left. */
  close(): void {
    this.#outdated.abort();
  }

  #take(event: DataEvent, state: UrlState): void {
    if (event.type === "start") {
      this.start = event;
      this.answered = state;
    } else if (event.type === "tile" && this.start) {
      const tile = this.dashboard?.rows.flat().find(({ id }) => id === event.id);
      // The page does not know this tile if the definition has changed. The event about the change makes the
      // page load the definition and the numbers again.
      if (!tile) return;
      const answer = event.result ?? event.error ?? MISSING;
      this.tiles = receive(this.tiles, tile, answer, this.start);
    }
  }
}
