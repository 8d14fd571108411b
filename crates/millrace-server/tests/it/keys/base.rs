//! The project that the table of keys changes, one key at a time.

use std::path::Path;
use std::sync::Arc;

use millrace_engine::ports::warehouse::{Statement, Warehouse};

/// Lines that begin with `#` in column one are where changes put something.
pub(super) const BASE: &[(&str, &str)] = &[
    (
        "millrace.yml",
        "name: keys\nenvironments:\n  dev: {type: duckdb, path: w.duckdb}\nvars: {word: a}\n#MANIFEST\n",
    ),
    (
        "sources/files.yml",
        "type: csv\npath: data/rows.csv\n#SOURCE\nstreams:\n  rows:\n    path: data/rows.csv\n#STREAM\n",
    ),
    (
        "sources/files.schema.yml",
        "streams:\n  rows:\n    columns:\n      - {name: id, type: int64}\n      - {name: TheWord, type: text}\n      - {name: n, type: int8}\n      - {name: seen, type: timestamptz}\n",
    ),
    ("data/rows.csv", CSV),
    ("sources/nested.yml", "type: json\npath: data/nested.json\n#SOURCE\nstreams:\n  records:\n#STREAM\n"),
    (
        "data/nested.json",
        "{\"rows\": [{\"id\": 1, \"of\": {\"a\": 1}, \"lines\": [{\"x\": 1}, {\"x\": 2}]}, {\"id\": 2, \"of\": {\"a\": 2}, \"lines\": []}]}",
    ),
    ("sources/lines.yml", "type: ndjson\npath: data/lines.ndjson\n#SOURCE\nstreams:\n  records:\n#STREAM\n"),
    (
        "data/lines.ndjson",
        "{\"id\": 1, \"of\": {\"a\": 1}, \"lines\": [{\"x\": 1}, {\"x\": 2}]}\n{\"id\": 2, \"of\": {\"a\": 2}, \"lines\": []}\n",
    ),
    ("sources/parts.yml", "type: parquet\npath: data/rows.parquet\n#SOURCE\nstreams:\n  records:\n#STREAM\n"),
    (
        "sources/dump.yml",
        "type: mysql_dump\npath: data/dump.sql\n#SOURCE\nstreams:\n  visits:\n    max_quarantine: 90%\n#STREAM\n",
    ),
    (
        "data/dump.sql",
        "-- MySQL dump\nCREATE TABLE `visits` (`id` int NOT NULL, `day` date DEFAULT NULL, PRIMARY KEY (`id`));\nINSERT INTO `visits` VALUES (1,'2026-01-01'),(2,'0000-00-00');\nCREATE TABLE `other` (`id` int NOT NULL, PRIMARY KEY (`id`));\nINSERT INTO `other` VALUES (7);\n",
    ),
    (
        "data/other.sql",
        "-- MySQL dump\nCREATE TABLE `visits` (`id` int NOT NULL, PRIMARY KEY (`id`));\nINSERT INTO `visits` VALUES (9);\n",
    ),
    (
        "models/facts.sql",
        "select id, the_word as word, n, seen from files.rows where the_word <> '{{ var('word') }}x'",
    ),
    (
        "models/words.sql",
        "select distinct the_word as word, upper(the_word) as loud from files.rows where the_word is not null",
    ),
    ("models/nested.sql", "select * from nested.records"),
    ("models/lines.sql", "select * from lines.records"),
    ("models/parts.sql", "select * from parts.records"),
    ("models/visits.sql", "select * from dump.visits"),
    (
        "models/models.yml",
        "models:\n  - name: facts\n#MODEL\n    columns:\n      - name: word\n#COLUMN\n  - name: words\n",
    ),
    (
        "metrics/facts.yml",
        "semantic_view: facts\nbase: facts\ntime: seen\n#VIEW\njoins:\n  - {to: words, on: word, cardinality: many_to_one}\ndimensions:\n  word: {column: word}\n  loud: {column: words.loud}\nmetrics:\n  rows: {sql: count(*)}\n  total: {sql: sum(n)}\n  mean: {ratio: [total, rows]}\n",
    ),
    (
        "dashboards/facts.yml",
        "dashboard: facts\nsemantic_view: facts\n#DASHBOARD\nrows:\n  - [{kpi: rows}]\n  - [{area: rows, by: seen}]\n  - [{bar: total, by: word}]\n#ROW\n",
    ),
];

/// Forty rows, one of which has a text where numbers are, and a column that the captured schema lacks.
const CSV: &str = "id,TheWord,n,seen,extra\n\
1,a,1,2026-03-28T23:30:00Z,x\n2,b,2,2026-03-29T10:00:00Z,x\n3,,3,2026-03-29T23:30:00Z,x\n4,NULL,4,2026-03-30T10:00:00Z,x\n\
5,a,5,2026-03-31T10:00:00Z,x\n6,b;c,6,2026-03-31T10:00:00Z,x\n7,'q',7,2026-03-31T10:00:00Z,x\n8,a,8,2026-03-31T10:00:00Z,x\n\
9,a,many,2026-04-01T10:00:00Z,x\n10,a,10,2026-04-02T10:00:00Z,x\n11,b,11,2026-04-02T10:00:00Z,x\n12,b,12,2026-04-02T10:00:00Z,x\n\
13,b,13,2026-04-02T10:00:00Z,x\n14,b,14,2026-04-02T10:00:00Z,x\n15,b,15,2026-04-02T10:00:00Z,x\n16,b,16,2026-04-02T10:00:00Z,x\n\
17,b,17,2026-04-02T10:00:00Z,x\n18,b,18,2026-04-02T10:00:00Z,x\n19,b,19,2026-04-02T10:00:00Z,x\n20,b,20,2026-04-02T10:00:00Z,x\n\
21,b,21,2026-04-02T10:00:00Z,x\n22,b,22,2026-04-02T10:00:00Z,x\n23,b,23,2026-04-02T10:00:00Z,x\n24,b,24,2026-04-02T10:00:00Z,x\n\
25,b,25,2026-04-02T10:00:00Z,x\n26,b,26,2026-04-02T10:00:00Z,x\n27,b,27,2026-04-02T10:00:00Z,x\n28,b,28,2026-04-02T10:00:00Z,x\n";

/// A Parquet file, which no text can be.
pub(super) async fn write_parquet(engine: &Arc<dyn Warehouse>, folder: &Path) {
    for (name, number) in [("rows", 1), ("others", 2)] {
        let place = folder.join(format!("data/{name}.parquet"));
        let sql = format!("copy (select {number} as id) to '{}' (format parquet)", place.display());
        engine.transact(&[Statement::new(sql)]).await.expect("a file");
    }
}
