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

export interface DashboardLink {
  name: string;
  title: LocalizedText;
}

export interface Publication {
  data_version: number;
  published_at: string;
  run?: string | null;
}

export interface FailedTest {
  test: string;
  model?: string | null;
  rows: number;
  severity: string;
}

export type RunStatus = "running" | "succeeded" | "unchanged" | "held" | "failed";

export interface Run {
  run: string;
  status: RunStatus;
  started_at: string;
  finished_at?: string | null;
  duration_ms?: number | null;
  failed_tests?: FailedTest[];
  error?: ApiError | string | null;
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
  locales: string[];
  dashboards: DashboardLink[];
  publication: Publication | null;
  last_run: Run | null;
  quarantine?: QuarantineSummary | null;
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
}

export interface Dimension {
  name: string;
  label: LocalizedText;
  type: LogicalType;
  geo?: string | null;
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
  time: DashboardTime | null;
  filters: Dimension[];
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
  options: Record<string, Value[]>;
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
