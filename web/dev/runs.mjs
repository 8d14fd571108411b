// Runs of the invented shop, one per kind of result, in the shapes of docs/reference/http-api.md.

const stream = (name, rows_loaded, rows_quarantined, rows_in_table, rows_removed = 0) => ({
  stream: name,
  status: rows_loaded > 0 ? "loaded" : "unchanged",
  rows_loaded,
  rows_quarantined,
  rows_removed,
  rows_in_table,
  duration_ms: rows_loaded > 0 ? 96 : 2,
});

/** A run that started at `at` and published; `more` overrides properties. */
const run = (id, at, more = {}) => ({
  run: id,
  trigger: { kind: "schedule", scheduled_for: `${at.slice(0, 17)}00Z`, attempt: 1 },
  status: "succeeded",
  held: null,
  started_at: at,
  finished_at: at.replace(/:(\d\d)Z$/, (_, seconds) => `:${String(Number(seconds) + 1).padStart(2, "0")}Z`),
  duration_ms: 812,
  data_version: 3,
  rows_loaded: 120,
  rows_quarantined: 0,
  rows_removed: 0,
  models_built: 4,
  models_unchanged: 9,
  streams: [stream("files.orders", 120, 0, 51_200)],
  failed_tests: [],
  notices: [],
  error: null,
  ...more,
});

/** A run that a data test holds, with a second test that only warns. */
export const HELD = run("20261101T060501-11c0", "2026-11-01T06:05:01Z", {
  status: "held",
  held: { by: "tests" },
  failed_tests: [
    { test: "accepted_values(fact_orders.status)", model: "fact_orders", rows: 1, severity: "warn" },
    { test: "not_null(fact_orders.client_id)", model: "fact_orders", rows: 1204, severity: "error" },
  ],
});

export const SUCCEEDED = run("20261101T060000-4f2a", "2026-11-01T06:00:01Z", { rows_quarantined: 42 });

export const FAILED = run("20261101T055000-9b1d", "2026-11-01T05:50:00Z", {
  trigger: { kind: "retry", scheduled_for: "2026-11-01T05:45:00Z", attempt: 2 },
  status: "failed",
  data_version: 2,
  rows_loaded: 0,
  streams: [],
  models_built: 0,
  models_unchanged: 0,
  error: { code: "source-unreachable", message: "source `crm` can't be reached", hint: "Run `millrace doctor`." },
});

/** The `held` of a run that something in the warehouse keeps from being published. */
export const BLOCKED = {
  by: "blocked",
  what: ["view `reporting.monthly` of `bob` depends on column `fact_orders.amount`, which goes"],
  hint: "Change or drop the view, or keep the column; then run `millrace run`.",
};

/** The earlier runs, latest first. The last one has no end, because its process died. */
export const EARLIER = [
  SUCCEEDED,
  FAILED,
  run("20261101T054500-03aa", "2026-11-01T05:45:00Z", { status: "unchanged", rows_loaded: 0, streams: [], data_version: 2 }),
  run("20261031T210312-77e0", "2026-10-31T21:03:12Z", {
    trigger: { kind: "command", scheduled_for: null, attempt: 1 },
    duration_ms: 184_000,
    data_version: 2,
    rows_loaded: 51_080,
    rows_removed: 1_007,
  }),
  run("20261031T200000-51ce", "2026-10-31T20:00:00Z", {
    trigger: { kind: "catch_up", scheduled_for: "2026-10-31T18:00:00Z", attempt: 1 },
    status: "failed",
    finished_at: null,
    duration_ms: 0,
    data_version: 1,
  }),
];

/** The answer to `GET /runs/{run}`. */
export function details(one) {
  const model = (name, status, materialization, rows) => ({
    model: name,
    status,
    reason: status === "built" ? "its SQL or what it reads has changed" : "nothing it reads is new",
    materialization,
    published: materialization === "table",
    rows,
    duration_ms: status === "built" ? 41 : 0,
  });
  const passed = ["unique(dim_clients.client_id)", "unique(fact_orders.order_id)", "not_null(fact_orders.order_date)"];
  return {
    ...one,
    streams: [stream("files.orders", one.rows_loaded, one.rows_quarantined, 51_200), stream("crm.clients", 0, 0, 2_000, one.rows_removed)],
    models: [
      model("stg_orders", "built", "view", null),
      model("fact_orders", "built", "table", 51_200),
      model("dim_clients", "unchanged", "table", 2_000),
    ],
    tests: [...passed.map((test) => ({ test, model: "fact_orders", rows: 0, severity: "error" })), ...one.failed_tests],
  };
}

/**
 * The answer to `GET /runs/{run}/failures`: rows without a client, with the tested column in the middle.
 * Returns `null` if the run has no such failed test.
 */
export function failures(one, name, limit) {
  const test = one.failed_tests.find((found) => found.test === name);
  if (!test) return null;
  const rows = Math.min(limit, test.rows);
  const each = (value) => Array.from({ length: rows }, (_, index) => value(index));
  return {
    run: one.run,
    test: test.test,
    model: test.model,
    column: /\.(\w+)\)/.exec(test.test)[1],
    total: test.rows,
    columns: [
      { name: "order_id", type: "integer", scale: null },
      { name: "order_date", type: "date", scale: null },
      { name: "client_id", type: "integer", scale: null },
      { name: "status", type: "text", scale: null },
      { name: "amount", type: "decimal", scale: 2 },
      { name: "note", type: "text", scale: null },
    ],
    data: [
      each((index) => 1007 + index * 3),
      each((index) => `2026-10-${String(1 + (index % 28)).padStart(2, "0")}`),
      each(() => null),
      each((index) => ["Validee", "Perdue"][index % 2]),
      each((index) => `${(index * 7919) % 900}.${String((index * 37) % 100).padStart(2, "0")}`),
      each((index) => (index % 4 === 0 ? "<b>à rappeler</b> avant la livraison, voir le dossier du 12" : "")),
    ],
    rows,
  };
}
