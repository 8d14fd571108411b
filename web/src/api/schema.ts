// The shapes of docs/reference/http-api.md, and nothing else: this file gives way to one generated from openapi.json.

/** One value as JSON carries it: decimals, large integers, dates and text are strings; see "Values" in the contract. */
export type Value = string | number | boolean | null;

/** From locale to text; at least one entry. */
export type LocalizedText = Record<string, string>;

export type LogicalType = "integer" | "decimal" | "float" | "boolean" | "date" | "timestamp" | "text";

export interface ApiError {
  code: string;
  message: string;
  hint?: string | null;
}

/** Something that a run told. */
export interface RunNotice extends ApiError {
  /** The one about whose rows it is; `null` where it is about none in particular. */
  stream: string | null;
}

export interface DashboardLink {
  name: string;
  title: LocalizedText;
}

export interface Publication {
  data_version: number;
  published_at: string;
  run?: string | null;
}

export interface TestResult {
  test: string;
  model: string;
  rows: number;
  severity: "error" | "warn";
}

export type RunStatus = "running" | "succeeded" | "unchanged" | "held" | "failed";

export type TriggerKind = "command" | "schedule" | "catch_up" | "retry" | "api";

export interface Trigger {
  kind: TriggerKind;
  scheduled_for: string | null;
  /** 1 for the first try. */
  attempt: number;
}

/** What keeps a run from being published. */
export type Held =
  | { by: "tests" }
  | { by: "sources"; problems: RunNotice[] }
  | { by: "blocked"; what: string[]; hint: string }
  | { by: "rollback"; data_version: number };

export interface RunStream {
  stream: string;
  status: string;
  rows_loaded: number;
  rows_quarantined: number;
  rows_removed: number;
  rows_in_table: number;
  duration_ms: number;
}

export interface Run {
  run: string;
  trigger: Trigger;
  status: RunStatus;
  held: Held | null;
  started_at: string;
  /** `null` while it runs, and where its process died. */
  finished_at: string | null;
  duration_ms: number;
  /** What readers saw when it ended. */
  data_version: number | null;
  rows_loaded: number;
  rows_quarantined: number;
  /** That their sources have deleted. */
  rows_removed: number;
  models_built: number;
  models_unchanged: number;
  /** In lists only those that had something new. */
  streams: RunStream[];
  failed_tests: TestResult[];
  /** What it told while it ran. */
  notices: RunNotice[];
  error: ApiError | null;
}

export interface Runs {
  runs: Run[];
}

export interface RunModel {
  model: string;
  status: string;
  reason: string;
  materialization: string;
  published: boolean;
  rows: number | null;
  duration_ms: number;
}

export interface RunDetails extends Run {
  models: RunModel[];
  tests: TestResult[];
}

export interface FailureColumn {
  name: string;
  type: LogicalType;
  scale: number | null;
}

/** Some of the rows that a data test has found. */
export interface Failures {
  run: string;
  test: string;
  model: string;
  /** The one that is tested. */
  column: string;
  total: number;
  columns: FailureColumn[];
  /** Column by column. */
  data: Value[][];
  rows: number;
}

/** Readers are kept on an earlier publication. */
export interface Rollback {
  data_version: number;
  brought_back: number;
  since: string;
}

export interface Schedule {
  cron: string;
  time_zone: string;
  next_run_at: string | null;
}

export interface QuarantineStream {
  stream: string;
  rows: number;
}

export interface QuarantineSummary {
  rows: number;
  streams: QuarantineStream[];
}

export interface Project {
  name: string;
  version: string;
  environment: string;
  /** Where its days begin. */
  time_zone: string;
  locales: string[];
  dashboards: DashboardLink[];
  publication: Publication | null;
  /** The newest, also while it runs. */
  last_run: Run | null;
  /** The newest that has ended. */
  last_result: Run | null;
  rollback: Rollback | null;
  schedule: Schedule | null;
  quarantine: QuarantineSummary;
}

export type Grain = "day" | "week" | "month" | "quarter" | "year";

export interface Format {
  style: "integer" | "decimal" | "currency" | "percent";
  currency?: string | null;
  scale?: number | null;
}

export interface Metric {
  name: string;
  label: LocalizedText;
  format?: Format | null;
  /** What it means, for people. */
  description: string | null;
}

export interface Dimension {
  name: string;
  label: LocalizedText;
  type: LogicalType;
}

export type TileKind = "kpi" | "area" | "line" | "bar" | "pie" | "table";

export interface Tile {
  id: string;
  kind: TileKind;
  title: LocalizedText;
  metric: Metric | null;
  dimension: Dimension | null;
  metrics?: Metric[];
  dimensions?: Dimension[];
  grain: Grain | null;
  fill?: "zero" | null;
}

export interface DashboardTime {
  dimension: string;
  label?: LocalizedText;
  range: string;
  grain: Grain | null;
  compare: string | null;
}

export interface Dashboard {
  name: string;
  title: LocalizedText;
  semantic_view: string;
  /** What the semantic view is about, for people. */
  about: string | null;
  time: DashboardTime | null;
  filters: Dimension[];
  /** Streams of which it may show rows that their source has deleted. */
  deletes_unseen: string[];
  /** Those whose rows it shows. */
  streams: string[];
  rows: Tile[][];
}

/** Both ends belong to the range. */
export interface DateRange {
  from: string;
  to: string;
}

export type Filters = Record<string, Value[]>;

export interface DataRequest {
  range?: DateRange | string;
  filters?: Filters;
  tiles?: string[];
}

export interface Column {
  name: string;
  role: "dimension" | "metric" | "share";
  type: LogicalType;
  scale: number | null;
}

export interface TileResult {
  columns: Column[];
  /** Column by column, in the order of `columns`. */
  data: Value[][];
  rows: number;
  truncated: boolean;
  total?: Record<string, Value>;
  previous?: Record<string, Value> | null;
  change?: Record<string, Value> | null;
}

export interface DataStart {
  type: "start";
  data_version: number;
  published_at: string;
  range: DateRange | null;
  compare: DateRange | null;
  /** The first and the last day that have data. */
  extent: DateRange | null;
  options: Record<string, Value[]>;
  /** Of the filters that have more values than `options` lists: how many there are. */
  options_cut: Record<string, number>;
}

/** Values of a filter that have a text in them, and how many there are. */
export interface FilterOptions {
  data_version: number;
  values: Value[];
  total: number;
}

export interface DataTile {
  type: "tile";
  id: string;
  result?: TileResult;
  error?: ApiError;
}

export interface DataEnd {
  type: "end";
  duration_ms: number;
}

/** In place of the end, where the page could not be finished. */
export interface DataError {
  type: "error";
  error: ApiError;
}

/** One line of the answer to `POST /dashboards/{name}/data`. A second start begins the page anew. */
export type DataEvent = DataStart | DataTile | DataEnd | DataError;

export interface QuarantineRow {
  stream: string;
  file: string | null;
  line: number | null;
  column: string | null;
  code: string;
  reason: string;
  raw: string | null;
  raw_hash?: string | null;
  run: string;
  at: string;
}

export interface Quarantine {
  total: number;
  rows: QuarantineRow[];
}

export interface PublishEvent {
  data_version: number;
  published_at: string;
}
