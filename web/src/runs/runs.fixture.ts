// A sample run and a sample project for unit tests.

import type { Project, Run } from "../api/schema.gen";

export function run(more: Partial<Run> = {}): Run {
  return {
    run: "20261123T140001-11c0",
    trigger: { kind: "schedule", scheduled_for: "2026-11-23T14:00:00Z", attempt: 1 },
    status: "succeeded",
    held: null,
    started_at: "2026-11-23T14:00:01Z",
    finished_at: "2026-11-23T14:00:02Z",
    duration_ms: 812,
    data_version: 3,
    rows_loaded: 0,
    rows_quarantined: 0,
    rows_removed: 0,
    models_built: 0,
    models_unchanged: 0,
    streams: [],
    failed_tests: [],
    notices: [],
    error: null,
    ...more,
  };
}

export function project(more: Partial<Project> = {}): Project {
  return {
    name: "shop",
    version: "0.1.0",
    environment: "dev",
    time_zone: "UTC",
    locales: ["en"],
    dashboards: [],
    sources: [],
    publication: { data_version: 3, published_at: "2026-11-23T13:00:00Z", run: "20261123T130000-ab12" },
    last_run: null,
    last_result: null,
    rollback: null,
    schedule: null,
    quarantine: { rows: 0, streams: [] },
    ...more,
  };
}
