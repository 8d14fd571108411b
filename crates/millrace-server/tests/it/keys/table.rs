//! Each key with a change that makes a difference, but for those in `tested.rs`.

use super::Change;
use super::Proof::{self, Beside, Change as Changed};

const MANIFEST: &str = "millrace.yml";
const FILES: &str = "sources/files.yml";
const SCHEMA: &str = "sources/files.schema.yml";
const MODELS: &str = "models/models.yml";
const METRICS: &str = "metrics/facts.yml";
const DASHBOARD: &str = "dashboards/facts.yml";

/// A data test that finds rows.
const WORD: Change = &[(MODELS, "#MODEL", "    tests: [{unique: {column_name: word}}]")];

/// `place/key` of one or several places, and the proof.
pub(super) const KEYS: &[(&str, Proof)] = &[
    // millrace.yml
    ("millrace.yml/name", Changed(&[(MANIFEST, "name: keys", "name: other")])),
    ("millrace.yml/environments", Changed(&[(MANIFEST, "dev:", "prod:")])),
    ("millrace.yml/naming", Changed(&[(MANIFEST, "#MANIFEST", "naming: source")])),
    ("millrace.yml/time_zone", Changed(&[(MANIFEST, "#MANIFEST", "time_zone: Europe/Paris")])),
    (
        "millrace.yml/mask_salt",
        Beside(
            &[(FILES, "#STREAM", "    mask: {TheWord: hash}")],
            &[(MANIFEST, "#MANIFEST", "mask_salt: \"${SALT}\"")],
        ),
    ),
    ("millrace.yml/vars", Changed(&[(MANIFEST, "word: a", "word: b;c'; --")])),
    (
        "millrace.yml/models, millrace.yml/models/materialization",
        Beside(
            &[("models/deep/more.sql", "", "select word from facts")],
            &[(MANIFEST, "#MANIFEST", "models: {deep: {materialization: view}}")],
        ),
    ),
    ("millrace.yml/max_quarantine", Changed(&[(MANIFEST, "#MANIFEST", "max_quarantine: 0")])),
    (
        "millrace.yml/serve, millrace.yml/serve/auth, millrace.yml/serve/auth/token",
        Changed(&[(MANIFEST, "#MANIFEST", "serve: {auth: {token: abc}}")]),
    ),
    (
        "millrace.yml/serve/auth/users",
        Changed(&[(MANIFEST, "#MANIFEST", "serve: {auth: {users: {ana: nohash}}}")]),
    ),
    ("millrace.yml/serve/hosts", Changed(&[(MANIFEST, "#MANIFEST", "serve: {hosts: [other.example]}")])),
    (
        "millrace.yml/schedule, millrace.yml/schedule/cron",
        Changed(&[(MANIFEST, "#MANIFEST", "schedule: {cron: \"@daily\"}")]),
    ),
    (
        "millrace.yml/schedule/time_zone",
        Beside(
            &[(MANIFEST, "#MANIFEST", "schedule: {cron: \"@daily\" }")],
            &[(MANIFEST, "\"@daily\" }", "\"@daily\", time_zone: Europe/Paris}")],
        ),
    ),
    (
        "millrace.yml/notify, millrace.yml/notify/webhook",
        Changed(&[(MANIFEST, "#MANIFEST", "notify: {webhook: example.com}")]),
    ),
    // Warehouses.
    ("duckdb/path", Changed(&[(MANIFEST, "path: w.duckdb", "path: \".\"")])),
    ("duckdb/memory_limit", Changed(&[(MANIFEST, "path: w.duckdb", "path: w.duckdb, memory_limit: 300MB")])),
    ("duckdb/threads", Changed(&[(MANIFEST, "path: w.duckdb", "path: w.duckdb, threads: 1")])),
    (
        "duckdb/storage_version",
        Changed(&[(MANIFEST, "path: w.duckdb", "path: w.duckdb, storage_version: v1.0.0")]),
    ),
    // Sources and streams in general.
    ("source/source", Changed(&[(FILES, "type: csv", "source: elsewhere\ntype: csv")])),
    ("source/type", Changed(&[(FILES, "type: csv", "type: ndjson")])),
    ("source/description", Changed(&[(FILES, "#SOURCE", "description: Rows.")])),
    ("source/defaults", Changed(&[(FILES, "#SOURCE", "defaults: {exclude_columns: [n]}")])),
    ("source/exclude", Changed(&[(FILES, "#SOURCE", "exclude: [rows]")])),
    ("source/streams", Changed(&[(FILES, "  rows:", "  others:")])),
    ("stream/description", Changed(&[(FILES, "#STREAM", "    description: Rows.")])),
    ("stream/key", Changed(&[(FILES, "#STREAM", "    key: [TheWord]")])),
    ("stream/mode", Changed(&[(FILES, "#STREAM", "    mode: upsert")])),
    ("stream/columns", Changed(&[(FILES, "#STREAM", "    columns: [id, TheWord]")])),
    ("stream/exclude_columns", Changed(&[(FILES, "#STREAM", "    exclude_columns: [n]")])),
    ("stream/mask", Changed(&[(FILES, "#STREAM", "    mask: {TheWord: hash}")])),
    (
        "stream/contract, stream/contract/columns",
        Changed(&[(FILES, "#STREAM", "    contract: {columns: freeze}")]),
    ),
    ("stream/contract/types", Changed(&[(FILES, "#STREAM", "    contract: {types: freeze}")])),
    (
        "stream/nul",
        Beside(&[("data/rows.csv", "10,a,", "10,a\0,")], &[(FILES, "#STREAM", "    nul: quarantine")]),
    ),
    ("stream/rename", Changed(&[(FILES, "#STREAM", "    rename: {TheWord: word}")])),
    ("stream/max_quarantine", Changed(&[(FILES, "#STREAM", "    max_quarantine: 0")])),
    // CSV.
    (
        "csv source/path, csv stream/path",
        Changed(&[(FILES, "    path: data/rows.csv", "    path: data/none.csv")]),
    ),
    ("csv source/delimiter, csv stream/delimiter", Changed(&[(FILES, "#STREAM", "    delimiter: \";\"")])),
    ("csv source/quote, csv stream/quote", Changed(&[(FILES, "#STREAM", "    quote: \"'\"")])),
    ("csv source/header, csv stream/header", Changed(&[(FILES, "#STREAM", "    header: false")])),
    ("csv source/encoding, csv stream/encoding", Changed(&[(FILES, "#STREAM", "    encoding: utf-16")])),
    ("csv source/null, csv stream/null", Changed(&[(FILES, "#STREAM", "    null: \"NULL\"")])),
    ("csv source/types, csv stream/types", Changed(&[(FILES, "#STREAM", "    types: {n: text}")])),
    // JSON.
    (
        "json source/path, json stream/path",
        Changed(&[("sources/nested.yml", "path: data/nested.json", "path: data/none.json")]),
    ),
    (
        "json source/encoding, json stream/encoding",
        Changed(&[("sources/nested.yml", "#STREAM", "    encoding: utf-16")]),
    ),
    (
        "json source/records, json stream/records",
        Changed(&[("sources/nested.yml", "#STREAM", "    records: $.rows")]),
    ),
    (
        "json source/nested, json stream/nested",
        Changed(&[("sources/nested.yml", "#STREAM", "    records: $.rows\n    nested: flatten")]),
    ),
    (
        "json source/parent, json stream/parent",
        Beside(
            &[("sources/nested.yml", "#STREAM", "    records: \"$.rows[*].lines\"\n#STREAM")],
            &[("sources/nested.yml", "#STREAM", "    parent: {row: id}")],
        ),
    ),
    (
        "json source/index, json stream/index",
        Beside(
            &[(
                "sources/nested.yml",
                "#STREAM",
                "    records: \"$.rows[*].lines\"\n    parent: {row: id}\n#STREAM",
            )],
            &[("sources/nested.yml", "#STREAM", "    index: place")],
        ),
    ),
    (
        "ndjson source/path, ndjson stream/path",
        Changed(&[("sources/lines.yml", "path: data/lines.ndjson", "path: data/none.ndjson")]),
    ),
    (
        "ndjson source/encoding, ndjson stream/encoding",
        Changed(&[("sources/lines.yml", "#STREAM", "    encoding: utf-16")]),
    ),
    (
        "ndjson source/records, ndjson stream/records",
        Changed(&[("sources/lines.yml", "#STREAM", "    records: \"$[*].lines\"")]),
    ),
    (
        "ndjson source/nested, ndjson stream/nested",
        Changed(&[("sources/lines.yml", "#STREAM", "    nested: flatten")]),
    ),
    (
        "ndjson source/parent, ndjson stream/parent",
        Beside(
            &[("sources/lines.yml", "#STREAM", "    records: \"$[*].lines\"\n#STREAM")],
            &[("sources/lines.yml", "#STREAM", "    parent: {row: id}")],
        ),
    ),
    (
        "ndjson source/index, ndjson stream/index",
        Beside(
            &[(
                "sources/lines.yml",
                "#STREAM",
                "    records: \"$[*].lines\"\n    parent: {row: id}\n#STREAM",
            )],
            &[("sources/lines.yml", "#STREAM", "    index: place")],
        ),
    ),
    (
        "json source/types, json stream/types",
        Beside(
            &[("sources/nested.yml", "#STREAM", "    records: $.rows\n#STREAM")],
            &[("sources/nested.yml", "#STREAM", "    types: {id: text}")],
        ),
    ),
    (
        "ndjson source/types, ndjson stream/types",
        Changed(&[("sources/lines.yml", "#STREAM", "    types: {id: text}")]),
    ),
    // Parquet, dumps.
    (
        "parquet source/types, parquet stream/types",
        Changed(&[("sources/parts.yml", "#STREAM", "    types: {id: text}")]),
    ),
    (
        "mysql_dump source/database, mysql_dump stream/database",
        Changed(&[("sources/dump.yml", "#STREAM", "    database: elsewhere")]),
    ),
    (
        "mysql_dump source/time_zone, mysql_dump stream/time_zone",
        Changed(&[("sources/dump.yml", "#STREAM", "    time_zone: Mars/Base")]),
    ),
    (
        "parquet source/path, parquet stream/path",
        Changed(&[("sources/parts.yml", "data/rows.parquet", "data/others.parquet")]),
    ),
    (
        "mysql_dump source/path, mysql_dump stream/path",
        Changed(&[("sources/dump.yml", "data/dump.sql", "data/other.sql")]),
    ),
    (
        "mysql_dump source/zero_dates, mysql_dump stream/zero_dates",
        Changed(&[("sources/dump.yml", "#STREAM", "    zero_dates: \"null\"")]),
    ),
    ("mysql_dump stream/table", Changed(&[("sources/dump.yml", "#STREAM", "    table: other")])),
    // MySQL: what a live server shows.
    // Captured schemas.
    ("captured/streams", Changed(&[(SCHEMA, "  rows:", "  others:")])),
    (
        "captured/streams/primary_key",
        Beside(
            &[(FILES, "#STREAM", "    mode: append\n    exclude_columns: [n]")],
            &[(SCHEMA, "  rows:\n", "  rows:\n    primary_key: [n]\n")],
        ),
    ),
    ("captured/streams/columns, captured/streams/columns/name", Changed(&[(SCHEMA, "name: n,", "name: m,")])),
    ("captured/streams/columns/type", Changed(&[(SCHEMA, "type: int8", "type: int64")])),
    (
        "captured/streams/columns/nullable",
        Changed(&[(SCHEMA, "{name: TheWord, type: text}", "{name: TheWord, type: text, nullable: false}")]),
    ),
    // Models.
    ("models/version", Changed(&[(MODELS, "models:", "version: 3\nmodels:")])),
    ("models/models, models/models/name", Changed(&[(MODELS, "name: facts", "name: fact")])),
    ("models/models/description", Changed(&[(MODELS, "#MODEL", "    description: Facts.")])),
    ("models/models/materialization", Changed(&[(MODELS, "#MODEL", "    materialization: view")])),
    (
        "models/models/config, models/models/config/materialized",
        Changed(&[(MODELS, "#MODEL", "    config: {materialized: view}")]),
    ),
    (
        "models/models/config/post_hook",
        Changed(&[(MODELS, "#MODEL", "    config: {post_hook: \"delete from {{ this }}\"}")]),
    ),
    (
        "models/models/config/post-hook",
        Changed(&[(MODELS, "#MODEL", "    config: {post-hook: \"delete from {{ this }}\"}")]),
    ),
    ("models/models/config/enabled", Changed(&[(MODELS, "#MODEL", "    config: {enabled: false}")])),
    ("models/models/post_hook", Changed(&[(MODELS, "#MODEL", "    post_hook: \"delete from {{ this }}\"")])),
    ("models/models/indexes", Changed(&[(MODELS, "#MODEL", "    indexes: [n]")])),
    (
        "models/models/columns, models/models/columns/name",
        Changed(&[(MODELS, "name: word\n", "name: none\n")]),
    ),
    (
        "models/models/data_tests",
        Changed(&[(MODELS, "#MODEL", "    data_tests: [{not_null: {column_name: word}}]")]),
    ),
    ("models/models/tests", Changed(&[(MODELS, "#MODEL", "    tests: [{not_null: {column_name: word}}]")])),
    (
        "models/models/columns/data_tests, data_test/not_null",
        Changed(&[(MODELS, "#COLUMN", "        data_tests: [not_null]")]),
    ),
    (
        "models/models/columns/tests, data_test/unique",
        Changed(&[(MODELS, "#COLUMN", "        tests: [unique]")]),
    ),
    // Data tests.
    (
        "data_test/accepted_values, data_test/accepted_values/values",
        Changed(&[(MODELS, "#COLUMN", "        tests: [{accepted_values: {values: [a]}}]")]),
    ),
    (
        "data_test/accepted_values/arguments, data_test/accepted_values/arguments/values",
        Changed(&[(MODELS, "#COLUMN", "        tests: [{accepted_values: {arguments: {values: [a]}}}]")]),
    ),
    (
        "data_test/accepted_values/quote",
        Beside(
            &[(MODELS, "#MODEL", "    tests: [{accepted_values: {column_name: n, values: [\"1.0\"]}}]")],
            &[(MODELS, "[\"1.0\"]", "[\"1.0\"], quote: false")],
        ),
    ),
    (
        "data_test/accepted_values/arguments/quote",
        Beside(
            &[(
                MODELS,
                "#MODEL",
                "    tests: [{accepted_values: {arguments: {column_name: n, values: [\"1.0\"]}}}]",
            )],
            &[(MODELS, "[\"1.0\"]", "[\"1.0\"], quote: false")],
        ),
    ),
    (
        "data_test/relationships, data_test/relationships/to, data_test/relationships/field",
        Changed(&[(MODELS, "#COLUMN", "        tests: [{relationships: {to: words, field: loud}}]")]),
    ),
    (
        "data_test/relationships/arguments, data_test/relationships/arguments/to, data_test/relationships/arguments/field",
        Changed(&[(
            MODELS,
            "#COLUMN",
            "        tests: [{relationships: {arguments: {to: words, field: loud}}}]",
        )]),
    ),
    (
        "data_test/not_null/column_name, data_test/unique/column_name, data_test/accepted_values/column_name, data_test/relationships/column_name",
        Beside(
            &[(MODELS, "#MODEL", "    tests: [{not_null: {column_name: word}}]")],
            &[(MODELS, "column_name: word", "column_name: n")],
        ),
    ),
    (
        "data_test/not_null/arguments, data_test/unique/arguments, data_test/not_null/arguments/column_name, data_test/unique/arguments/column_name, data_test/accepted_values/arguments/column_name, data_test/relationships/arguments/column_name",
        Beside(
            &[(MODELS, "#MODEL", "    tests: [{not_null: {arguments: {column_name: word}}}]")],
            &[(MODELS, "column_name: word", "column_name: n")],
        ),
    ),
    (
        "data_test/not_null/name, data_test/unique/name, data_test/accepted_values/name, data_test/relationships/name",
        Beside(WORD, &[(MODELS, "column_name: word", "column_name: word, name: told")]),
    ),
    (
        "data_test/not_null/severity, data_test/unique/severity, data_test/accepted_values/severity, data_test/relationships/severity",
        Beside(WORD, &[(MODELS, "column_name: word", "column_name: word, severity: warn")]),
    ),
    (
        "data_test/not_null/where, data_test/unique/where, data_test/accepted_values/where, data_test/relationships/where",
        Beside(WORD, &[(MODELS, "column_name: word", "column_name: word, where: id > 900")]),
    ),
    (
        "data_test/not_null/config, data_test/unique/config, data_test/accepted_values/config, data_test/relationships/config, data_test/not_null/config/severity, data_test/unique/config/severity, data_test/accepted_values/config/severity, data_test/relationships/config/severity",
        Beside(WORD, &[(MODELS, "column_name: word", "column_name: word, config: {severity: warn}")]),
    ),
    (
        "data_test/not_null/config/where, data_test/unique/config/where, data_test/accepted_values/config/where, data_test/relationships/config/where",
        Beside(WORD, &[(MODELS, "column_name: word", "column_name: word, config: {where: id > 900}")]),
    ),
    (
        "data_test/not_null/config/enabled, data_test/unique/config/enabled, data_test/accepted_values/config/enabled, data_test/relationships/config/enabled",
        Beside(WORD, &[(MODELS, "column_name: word", "column_name: word, config: {enabled: false}")]),
    ),
    // Metrics.
    ("metrics/semantic_view", Changed(&[(METRICS, "semantic_view: facts", "semantic_view: fact")])),
    ("metrics/base", Changed(&[(METRICS, "base: facts", "base: words")])),
    ("metrics/description", Changed(&[(METRICS, "#VIEW", "description: Facts.")])),
    ("metrics/time", Changed(&[(METRICS, "time: seen", "time: n")])),
    ("metrics/joins, metrics/joins/to", Changed(&[(METRICS, "to: words", "to: word")])),
    ("metrics/joins/on", Changed(&[(METRICS, "on: word,", "on: {word: loud},")])),
    ("metrics/joins/cardinality", Changed(&[(METRICS, "many_to_one", "one_to_one")])),
    ("metrics/dimensions, metrics/dimensions/column", Changed(&[(METRICS, "{column: word}", "{column: n}")])),
    ("metrics/dimensions/label", Changed(&[(METRICS, "{column: word}", "{column: word, label: Words}")])),
    ("metrics/metrics, metrics/metrics/sql", Changed(&[(METRICS, "sum(n)", "max(n)")])),
    ("metrics/metrics/where", Changed(&[(METRICS, "{sql: sum(n)}", "{sql: sum(n), where: n > 3}")])),
    (
        "metrics/metrics/ratio",
        Changed(&[(METRICS, "[total, rows]", "[total, total]"), (DASHBOARD, "#ROW", "  - [{kpi: mean}]")]),
    ),
    ("metrics/metrics/filters", Changed(&[(METRICS, "[total, rows]", "[total, rows], filters: differ")])),
    ("metrics/metrics/label", Changed(&[(METRICS, "{sql: count(*)}", "{sql: count(*), label: All}")])),
    (
        "metrics/metrics/description",
        Changed(&[(METRICS, "{sql: count(*)}", "{sql: count(*), description: All.}")]),
    ),
    ("metrics/metrics/format", Changed(&[(METRICS, "{sql: count(*)}", "{sql: count(*), format: percent}")])),
    (
        "metrics/metrics/format/currency",
        Changed(&[(METRICS, "{sql: count(*)}", "{sql: count(*), format: {currency: EUR}}")]),
    ),
    (
        "metrics/metrics/format/decimals",
        Changed(&[(METRICS, "{sql: count(*)}", "{sql: count(*), format: {decimals: 3}}")]),
    ),
    // Dashboards.
    ("dashboard/dashboard", Changed(&[(DASHBOARD, "dashboard: facts", "dashboard: fact")])),
    ("dashboard/title", Changed(&[(DASHBOARD, "#DASHBOARD", "title: Facts of ours")])),
    ("dashboard/semantic_view", Changed(&[(DASHBOARD, "semantic_view: facts", "semantic_view: fact")])),
    (
        "dashboard/time, dashboard/time/range",
        Changed(&[(DASHBOARD, "#DASHBOARD", "time: {range: last 3 days}")]),
    ),
    ("dashboard/time/grain", Changed(&[(DASHBOARD, "#DASHBOARD", "time: {grain: week}")])),
    ("dashboard/time/compare", Changed(&[(DASHBOARD, "#DASHBOARD", "time: {compare: previous_year}")])),
    ("dashboard/filters", Changed(&[(DASHBOARD, "#DASHBOARD", "filters: [word]")])),
    ("dashboard/rows, dashboard/rows/kpi", Changed(&[(DASHBOARD, "{kpi: rows}", "{kpi: total}")])),
    ("dashboard/rows/area", Changed(&[(DASHBOARD, "area: rows", "area: total")])),
    ("dashboard/rows/line", Changed(&[(DASHBOARD, "area: rows", "line: rows")])),
    ("dashboard/rows/bar", Changed(&[(DASHBOARD, "bar: total", "bar: rows")])),
    ("dashboard/rows/pie", Changed(&[(DASHBOARD, "bar: total", "pie: total")])),
    ("dashboard/rows/table", Changed(&[(DASHBOARD, "bar: total", "table: [total]")])),
    ("dashboard/rows/by", Changed(&[(DASHBOARD, "by: word", "by: loud")])),
    ("dashboard/rows/title", Changed(&[(DASHBOARD, "{kpi: rows}", "{kpi: rows, title: All}")])),
    ("dashboard/rows/spark", Changed(&[(DASHBOARD, "{kpi: rows}", "{kpi: rows, spark: day}")])),
    ("dashboard/rows/grain", Changed(&[(DASHBOARD, "by: seen}", "by: seen, grain: week}")])),
    ("dashboard/rows/fill", Changed(&[(DASHBOARD, "by: seen}", "by: seen, fill: zero}")])),
    ("dashboard/rows/sort", Changed(&[(DASHBOARD, "by: word}", "by: word, sort: word}")])),
    ("dashboard/rows/limit", Changed(&[(DASHBOARD, "by: word}", "by: word, limit: 1}")])),
];
