// Made by `npm run schema` from docs/reference/openapi.json. Not for editing.

/**
 * One value; decimals, large integers, dates and text are strings.
 */
export type Value = string | number | boolean | null;

/**
 * `command`: somebody at the command line. `schedule`: its time has come. `catch_up`: its time went by while nobody was there to run.
 * `retry`: a run has failed for a reason that may pass. `api`: a call of this interface.
 */
export type TriggerKind = 'command' | 'schedule' | 'catch_up' | 'retry' | 'api';

/**
 * Who or what started a run.
 */
export type Trigger = {
    /**
     * 1 for the first try, 2 for the first retry, and so on.
     */
    attempt: number;
    kind: TriggerKind;
    /**
     * RFC 3339, UTC: the time of the schedule that it stands for.
     */
    scheduled_for: string | null;
};

/**
 * The numbers of a tile or of a question.
 */
export type TileResult = {
    /**
     * `(total − previous) / |previous|` with four digits; `null` where nothing is compared.
     */
    change: {
        [key: string]: Value;
    } | null;
    columns: Array<Column>;
    /**
     * One array a column, in the order of `columns`.
     */
    data: Array<Array<Value>>;
    /**
     * The same over the range compared with; `null` where nothing is compared.
     */
    previous: {
        [key: string]: Value;
    } | null;
    rows: number;
    /**
     * Each metric over the whole range: not the sum of rows.
     */
    total: {
        [key: string]: Value;
    };
    /**
     * Whether a limit cut rows off.
     */
    truncated: boolean;
};

/**
 * What kind of values a column has.
 */
export type LogicalType = 'integer' | 'decimal' | 'float' | 'boolean' | 'date' | 'timestamp' | 'text';

export type Role = 'dimension' | 'metric' | 'share';

export type Column = {
    name: string;
    role: Role;
    /**
     * Digits after the point of decimals.
     */
    scale: number | null;
    type: LogicalType;
};

export type TileKind = 'kpi' | 'area' | 'line' | 'bar' | 'pie' | 'table';

/**
 * One chart, figure or table.
 */
export type Tile = {
    dimension: Dimension | null;
    /**
     * Only on a `table`.
     */
    dimensions?: Array<Dimension> | null;
    fill: Fill | null;
    grain: Grain | null;
    /**
     * `row-place`, counted from 1.
     */
    id: string;
    kind: TileKind;
    metric: Metric | null;
    /**
     * Only on a `table`.
     */
    metrics?: Array<Metric> | null;
    title: LocalizedText;
};

/**
 * The numbers of `percent` are ratios: 0.25 is shown as 25 %.
 */
export type Style = 'integer' | 'decimal' | 'currency' | 'percent';

/**
 * How numbers are shown.
 */
export type Format = {
    /**
     * ISO 4217, with `currency`.
     */
    currency: string | null;
    /**
     * Digits after the point.
     */
    scale: number;
    style: Style;
};

export type Metric = {
    /**
     * What it means, for people; `null` where the project does not say.
     */
    description: string | null;
    format: Format;
    label: LocalizedText;
    name: string;
};

/**
 * From locale to text; at least one entry.
 */
export type LocalizedText = {
    [key: string]: string;
};

export type Grain = 'day' | 'week' | 'month' | 'quarter' | 'year';

export type Fill = 'zero';

export type Dimension = {
    label: LocalizedText;
    name: string;
    /**
     * Before the first publish a guess: `date` for the time, else `text`.
     */
    type: LogicalType;
};

/**
 * What a data test found.
 */
export type TestResult = {
    model: string;
    /**
     * Rows that it found.
     */
    rows: number;
    severity: Severity;
    test: string;
};

/**
 * `error` holds the publish, `warn` is only reported.
 */
export type Severity = 'error' | 'warn';

/**
 * A source that is described, or has streams that are.
 */
export type Source = {
    /**
     * `null` where only streams of it are described.
     */
    description: string | null;
    name: string;
    /**
     * Streams that are described.
     */
    streams: Array<DescribedStream>;
};

/**
 * A stream that is described.
 */
export type DescribedStream = {
    description: string;
    /**
     * `source.stream`.
     */
    stream: string;
};

/**
 * When runs start by themselves.
 */
export type Schedule = {
    /**
     * Minute, hour, day, month, day of the week.
     */
    cron: string;
    /**
     * RFC 3339, UTC; `null` where this server does not keep the schedule.
     */
    next_run_at: string | null;
    /**
     * Name of the time zone in which that is meant.
     */
    time_zone: string;
};

/**
 * The newest runs.
 */
export type Runs = {
    /**
     * The newest first.
     */
    runs: Array<Run>;
};

export type RunStream = {
    duration_ms: number;
    /**
     * In its raw table afterwards.
     */
    rows_in_table: number;
    rows_loaded: number;
    rows_quarantined: number;
    /**
     * Rows that its source has deleted.
     */
    rows_removed: number;
    /**
     * `loaded` or `unchanged`.
     */
    status: string;
    /**
     * `source.stream`.
     */
    stream: string;
};

/**
 * `succeeded`: published. `unchanged`: nothing was new. `held`: built, but not published.
 */
export type RunStatus = 'running' | 'succeeded' | 'unchanged' | 'held' | 'failed';

/**
 * Something that a run told while it ran.
 */
export type RunNotice = ApiError & {
    /**
     * `source.stream`, where it is about the rows of one; `null` where it is about none in particular.
     */
    stream: string | null;
};

/**
 * What is wrong, and what to do about it.
 */
export type ApiError = {
    /**
     * Stable; `millrace explain CODE` tells more.
     */
    code: string;
    /**
     * A sentence or a command to run.
     */
    hint: string | null;
    /**
     * A fragment for people.
     */
    message: string;
};

/**
 * What keeps a run that was built from being published.
 */
export type Held = {
    by: 'tests';
} | {
    by: 'sources';
    /**
     * What is wrong, one for each stream.
     */
    problems: Array<RunNotice>;
} | {
    by: 'blocked';
    /**
     * What to do about it.
     */
    hint: string;
    /**
     * Who or what, one sentence each.
     */
    what: Array<string>;
} | {
    by: 'rollback';
    /**
     * The data version that readers are kept on.
     */
    data_version: number;
};

/**
 * A run: why, what, rows, times, errors.
 */
export type Run = {
    /**
     * What readers saw when it ended; `null` before the first publish.
     */
    data_version: number | null;
    duration_ms: number;
    error: ApiError | null;
    /**
     * Data tests that found rows.
     */
    failed_tests: Array<TestResult>;
    /**
     * `null` while it runs, and where its process died.
     */
    finished_at: string | null;
    held: Held | null;
    models_built: number;
    models_unchanged: number;
    /**
     * What it told while it ran: columns that have come or gone, streams that have shrunk, quarantine that grew, connections that broke.
     */
    notices: Array<RunNotice>;
    /**
     * Of all streams together.
     */
    rows_loaded: number;
    /**
     * Of all streams together.
     */
    rows_quarantined: number;
    /**
     * Of all streams together: rows that their sources have deleted.
     */
    rows_removed: number;
    run: string;
    /**
     * RFC 3339, UTC.
     */
    started_at: string;
    status: RunStatus;
    /**
     * Streams; in lists only those that had something new.
     */
    streams: Array<RunStream>;
    trigger: Trigger;
};

export type RunModel = {
    duration_ms: number;
    /**
     * `table` or `view`.
     */
    materialization: string;
    model: string;
    /**
     * Whether readers are to see it.
     */
    published: boolean;
    /**
     * Why it was built, or not.
     */
    reason: string;
    /**
     * `null` for a view.
     */
    rows: number | null;
    /**
     * `built` or `unchanged`.
     */
    status: string;
};

/**
 * One run in full: with all its streams, models and data tests.
 */
export type RunDetails = Run & {
    models: Array<RunModel>;
    tests: Array<TestResult>;
};

/**
 * Readers are kept on an earlier publication; runs publish nothing until somebody lifts it.
 */
export type Rollback = {
    /**
     * The data version whose tables it has brought back.
     */
    brought_back: number;
    /**
     * What readers see: a data version of its own.
     */
    data_version: number;
    /**
     * RFC 3339, UTC.
     */
    since: string;
};

/**
 * Two days, or `last N days|weeks|months|years` or `all`.
 */
export type RangeBody = DateRange | string;

/**
 * Both ends belong to the range.
 */
export type DateRange = {
    /**
     * `YYYY-MM-DD`.
     */
    from: string;
    /**
     * `YYYY-MM-DD`.
     */
    to: string;
};

export type QuarantineSummary = {
    rows: number;
    /**
     * Streams that have rows there.
     */
    streams: Array<QuarantineStream>;
};

export type QuarantineStream = {
    rows: number;
    /**
     * `source.stream`.
     */
    stream: string;
};

export type QuarantineRow = {
    /**
     * RFC 3339, UTC.
     */
    at: string;
    code: string;
    /**
     * `null` where the whole row is broken.
     */
    column: string | null;
    file: string;
    /**
     * Counted from 1.
     */
    line: number;
    /**
     * As it came; `null` where the stream hides columns.
     */
    raw: string | null;
    /**
     * SHA-256 of what came, in hex; stands in where `raw` is `null`.
     */
    raw_hash?: string | null;
    reason: string;
    run: string;
    /**
     * `source.stream`.
     */
    stream: string;
};

/**
 * The newest rows in quarantine.
 */
export type Quarantine = {
    /**
     * The newest first.
     */
    rows: Array<QuarantineRow>;
    /**
     * All of them, also those that are not listed here.
     */
    total: number;
};

/**
 * A publish, as the stream of events tells it.
 */
export type PublishEvent = {
    data_version: number;
    /**
     * RFC 3339, UTC.
     */
    published_at: string;
};

/**
 * What readers see.
 */
export type Publication = {
    /**
     * Grows with each publish.
     */
    data_version: number;
    /**
     * RFC 3339, UTC.
     */
    published_at: string;
    /**
     * The run that made it.
     */
    run: string;
};

/**
 * That there is something new about the project: its files, its schedule, a rollback that was lifted.
 */
export type ProjectEvent = {
    [key: string]: unknown;
};

/**
 * The project, its state, and where to go from here.
 */
export type Project = {
    dashboards: Array<DashboardLink>;
    environment: string;
    last_result: Run | null;
    last_run: Run | null;
    /**
     * Locales of the project's own texts.
     */
    locales: Array<string>;
    name: string;
    publication: Publication | null;
    quarantine: QuarantineSummary;
    rollback: Rollback | null;
    schedule: Schedule | null;
    /**
     * What its sources and streams are, as far as the project says it.
     */
    sources: Array<Source>;
    /**
     * Name of the time zone in which its days begin.
     */
    time_zone: string;
    /**
     * Version of Millrace.
     */
    version: string;
};

export type DashboardLink = {
    name: string;
    title: LocalizedText;
};

/**
 * `POST /metrics/query`
 */
export type MetricsRequestBody = {
    /**
     * May name the time dimension; `grain` then says how it is cut.
     */
    dimensions?: Array<string> | null;
    /**
     * Values to keep, by dimension.
     */
    filters?: {
        [key: string]: Array<Value>;
    } | null;
    grain?: Grain | null;
    /**
     * Rows at most: 1,000 by default, 100,000 at most.
     */
    limit?: number | null;
    /**
     * At least one.
     */
    metrics: Array<string>;
    /**
     * Metrics or dimensions of this question; `-` in front: the greatest first.
     */
    order_by?: Array<string> | null;
    range?: RangeBody | null;
    semantic_view: string;
};

/**
 * The answer to a question about metrics.
 */
export type MetricAnswer = {
    data_version: number;
    /**
     * RFC 3339, UTC.
     */
    published_at: string;
    range: DateRange | null;
    result: TileResult;
};

/**
 * `GET /healthz`
 */
export type Health = {
    /**
     * `ok`
     */
    status: string;
};

/**
 * Values of a filter, and how many there are.
 */
export type FilterOptions = {
    data_version: number;
    /**
     * Those that are not listed among them.
     */
    total: number;
    /**
     * In their own order, NULL last; at most 1,000.
     */
    values: Array<Value>;
};

/**
 * Some of the rows that a data test has found.
 */
export type Failures = {
    /**
     * The column that is tested.
     */
    column: string;
    /**
     * All columns of the model.
     */
    columns: Array<FailureColumn>;
    /**
     * One array a column, in the order of `columns`.
     */
    data: Array<Array<Value>>;
    model: string;
    /**
     * Rows in `data`.
     */
    rows: number;
    run: string;
    test: string;
    /**
     * Rows that the test found, also those that are not listed here.
     */
    total: number;
};

export type FailureColumn = {
    name: string;
    /**
     * Digits after the point of decimals.
     */
    scale: number | null;
    type: LogicalType;
};

/**
 * The body of every answer with an error status.
 */
export type ErrorBody = {
    /**
     * What is wrong.
     */
    error: ApiError;
};

export type DataTile = {
    error?: ApiError | null;
    id: string;
    result?: TileResult | null;
};

export type DataStart = {
    compare: DateRange | null;
    data_version: number;
    extent: DateRange | null;
    /**
     * The values of each filter, at most 1,000. A filter whose values could not be read is missing.
     */
    options: {
        [key: string]: Array<Value>;
    };
    /**
     * Of the filters that have more values than `options` lists: how many there are.
     */
    options_cut: {
        [key: string]: number;
    };
    /**
     * RFC 3339, UTC.
     */
    published_at: string;
    range: DateRange | null;
};

/**
 * `POST /dashboards/{name}/data`. All of it is optional.
 */
export type DataRequest = {
    /**
     * Values to keep, by dimension; only dimensions that the dashboard filters by.
     */
    filters?: {
        [key: string]: Array<Value>;
    } | null;
    range?: RangeBody | null;
    /**
     * Ids of the tiles that are wanted; all where there is none.
     */
    tiles?: Array<string> | null;
};

/**
 * One line of a page's data.
 */
export type DataEvent = (DataStart & {
    type: 'start';
}) | (DataTile & {
    type: 'tile';
}) | (DataEnd & {
    type: 'end';
}) | (DataError & {
    type: 'error';
});

export type DataError = {
    error: ApiError;
};

export type DataEnd = {
    duration_ms: number;
};

/**
 * What the page shows at first.
 */
export type DashboardTime = {
    compare: Compare | null;
    /**
     * The time dimension.
     */
    dimension: string;
    grain: Grain;
    label: LocalizedText;
    /**
     * `last N days|weeks|months|years` or `all`.
     */
    range: string;
};

export type Compare = 'previous_period' | 'previous_year';

/**
 * A page of tiles.
 */
export type Dashboard = {
    /**
     * What the semantic view is about, for people; `null` where the project does not say.
     */
    about: string | null;
    /**
     * Streams of which it may show rows that their source has deleted, as `source.stream`: the project does not say what becomes of those.
     */
    deletes_unseen: Array<string>;
    filters: Array<Dimension>;
    name: string;
    /**
     * From top to bottom and from left to right.
     */
    rows: Array<Array<Tile>>;
    semantic_view: string;
    /**
     * Streams whose rows it shows, as `source.stream`.
     */
    streams: Array<string>;
    time: DashboardTime | null;
    title: LocalizedText;
};
