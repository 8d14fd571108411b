//! Runs after the first: what is new, what is not, what goes wrong.

use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use millrace_testkit::postgres::PostgresServer;
use millrace_testkit::web::{Reply, Request, WebServer};

use crate::millrace::{Project, command};

const MANIFEST: &str = "name: tiny\nenvironments: {dev: {type: duckdb, path: .millrace/tiny.duckdb}}\n";

fn tiny(source: &str, data: (&str, &str), model: &str) -> Project {
    Project::of(&[
        ("millrace.yml", MANIFEST),
        ("sources/files.yml", source),
        (data.0, data.1),
        ("models/numbers.sql", model),
    ])
}

const NDJSON: &str = "type: ndjson\npath: data/n.ndjson\nstreams: {n: {key: [id]}}\n";

#[test]
fn two_lines_of_yaml_are_a_source() {
    let project = Project::empty();
    let dir = project.path().to_str().expect("a path in text");
    assert_eq!(command(&["init", dir, "--name", "mine"]).code, 0);
    project.write("sources/orders.yml", "type: json\npath: data/orders.json\n");
    project.write("data/orders.json", r#"[{"OrderID": 1, "Total": 12.50}, {"OrderID": 2, "Total": 7}]"#);
    project.write("models/totals.sql", "select sum(total) as total from orders.orders");
    let checked = project.run(&["check"]);
    assert_eq!(checked.code, 0, "{}", checked.stderr);
    project.run_json(0, &[]);
    assert_eq!(project.value("select total from totals"), "19.50");
    let captured = project.run(&["capture", "--json"]);
    assert_eq!(captured.code, 0, "{}", captured.stderr);
    assert!(
        project.read("sources/orders.schema.yml").contains("{name: OrderID, type: int64, nullable: false}")
    );
    assert_eq!(project.run(&["capture", "--json"]).json()["captured"][0]["status"], "unchanged");
}

#[test]
fn what_turns_out_not_to_be_new_is_looked_at_once() {
    let version = Arc::new(AtomicU32::new(1));
    let served = Arc::clone(&version);
    let server = WebServer::start(move |request: &Request| {
        let tag = format!("\"v{}\"", served.load(Ordering::SeqCst));
        let is_known = request.headers.get("if-none-match").is_some_and(|known| *known == tag);
        let (status, body) = if is_known { (304, "") } else { (200, "{\"id\": 1}\n") };
        Reply::of(status, body).with("etag", tag)
    });
    let source =
        format!("type: ndjson\npath: {}\nstreams: {{n: {{key: [id]}}}}\n", server.address("/n.ndjson"));
    let project = tiny(&source, ("README.md", "A file of another machine.\n"), "select id from files.n");
    assert_eq!(project.run_json(0, &[])["status"], "succeeded");
    // Another tag, the same bytes: they are fetched, and the tag is written down.
    version.store(2, Ordering::SeqCst);
    let known = || {
        server.requests();
        assert_eq!(project.run_json(0, &[])["status"], "unchanged");
        let tags = server.requests().into_iter().map(|request| request.headers.get("if-none-match").cloned());
        tags.collect::<Vec<_>>()
    };
    let tag = |tag: &str| Some(tag.to_owned());
    // Once it is read, whether it still is what was read.
    assert_eq!(known(), [tag("\"v1\""), None, tag("\"v2\"")]);
    assert_eq!(known(), [tag("\"v2\"")]);
}

#[test]
fn what_is_not_new_is_not_done_again() {
    let project = tiny(NDJSON, ("data/n.ndjson", "{\"id\": 1}\n{\"id\": 2}\n"), "select id from files.n");
    assert_eq!(project.run_json(0, &[])["status"], "succeeded");
    let again = project.run_json(0, &[]);
    assert_eq!((&again["status"], &again["data_version"]), (&"unchanged".into(), &1.into()));
    assert_eq!(again["streams"][0]["status"], "unchanged");
    let steps = project.run(&["plan", "--json"]).json();
    assert!(steps["steps"].as_array().expect("steps").iter().all(|step| step["needed"] == false), "{steps}");
    // Another model leaves the first one's table where it is.
    project.write("models/more.sql", "select id + 1 as id from numbers");
    let planned = project.run(&["plan", "--json"]).json();
    let needed: Vec<_> = planned["steps"]
        .as_array()
        .expect("steps")
        .iter()
        .filter(|s| s["needed"] == true)
        .map(|s| &s["name"])
        .collect();
    assert_eq!(needed, ["more", "0 data tests", "data version 2"]);
    let summary = project.run_json(0, &[]);
    let status = |model: &str| {
        let models = summary["models"].as_array().expect("models");
        models
            .iter()
            .find(|m| m["model"] == model)
            .map(|m| m["status"].as_str().expect("a status").to_owned())
    };
    assert_eq!((status("numbers").as_deref(), status("more").as_deref()), (Some("unchanged"), Some("built")));
    let tables = "select table_name from information_schema.tables where table_schema = 'build' order by 1";
    assert_eq!(project.rows(tables), [["more__r3"], ["numbers__r1"]]);
    // A model that is gone is no longer published, in the same transaction.
    std::fs::remove_file(project.path().join("models/more.sql")).expect("it is there");
    assert_eq!(project.run_json(0, &[])["data_version"], 3);
    let views = "select table_name from information_schema.tables where table_schema = 'publish'";
    assert_eq!(project.rows(views), [["numbers"]]);
}

#[test]
fn retired_tables_go() {
    let project = tiny(NDJSON, ("data/n.ndjson", "{\"id\": 1}\n"), "select id from files.n");
    for n in 2..8 {
        project.run_json(0, &[]);
        let text = project.read("data/n.ndjson");
        project.write("data/n.ndjson", format!("{text}{{\"id\": {n}}}\n"));
    }
    let count = |schema: &str| {
        project
            .value(&format!("select count(*) from information_schema.tables where table_schema = '{schema}'"))
    };
    assert_eq!((count("build"), count("raw")), ("3".to_owned(), "1".to_owned()));
}

/// Also where it stands in a schema of the project's own; and what a run with a later lease is making.
#[test]
fn what_this_run_did_not_leave_stays() {
    let project = tiny(NDJSON, ("data/n.ndjson", "{\"id\": 1}\n"), "select id from files.n");
    project.write(
        "models/numbers.sql",
        "{{ config(post_hook='create or replace table build.mine as select 1 as n') }}\
         {{ config(post_hook='create or replace table build.late__r99 as select 1 as n') }}\
         {{ config(post_hook='create or replace table build.early__r0 as select 1 as n') }}select id from files.n",
    );
    project.run_json(0, &[]);
    let sql = "select table_name from information_schema.tables where table_schema = 'build' order by 1";
    assert_eq!(project.rows(sql), [["late__r99"], ["mine"], ["numbers__r1"]]);
}

#[test]
fn upsert_replaces_by_key_and_keeps_the_rest() {
    let source = NDJSON.replace("{key: [id]}", "{key: [id], mode: upsert}");
    let project = tiny(
        &source,
        ("data/n.ndjson", "{\"id\": 1, \"v\": \"a\"}\n{\"id\": 2, \"v\": \"b\"}\n"),
        "select * from files.n",
    );
    project.run(&["capture"]);
    project.run_json(0, &[]);
    project.write(
        "data/n.ndjson",
        "{\"id\": 2, \"v\": \"c\"}\n{\"id\": 3, \"v\": \"d\"}\n{\"id\": 3, \"v\": \"e\"}\n",
    );
    project.run_json(0, &[]);
    assert_eq!(project.rows("select id, v from numbers order by id"), [["1", "a"], ["2", "c"], ["3", "e"]]);
}

/// A file that is read again puts the same row into quarantine once.
#[test]
fn a_bad_row_is_set_aside_once() {
    let source = NDJSON.replace("{key: [id]}", "{key: [id], mode: upsert, max_quarantine: 5}");
    let project =
        tiny(&source, ("data/n.ndjson", "{\"id\": 1}\n{\"id\": null, \"v\": 1}\n"), "select id from files.n");
    let set_aside = || project.rows("select raw from _millrace.quarantine order by raw").concat();
    for more in ["{\"id\": 2}\n", "{\"id\": null, \"v\": 2}\n"] {
        project.run_json(0, &[]);
        assert_eq!(set_aside(), ["{\"id\": null, \"v\": 1}"]);
        project.write("data/n.ndjson", project.read("data/n.ndjson") + more);
    }
    project.run_json(0, &[]);
    assert_eq!(set_aside(), ["{\"id\": null, \"v\": 1}", "{\"id\": null, \"v\": 2}"]);
    // What begins anew forgets what was set aside before.
    project.write("data/n.ndjson", "{\"id\": 3}\n");
    project.run_json(0, &["--full-refresh"]);
    assert_eq!(set_aside(), [""; 0]);
}

/// What arrives has a column less, one more, narrower and wider numbers; what was loaded before stays as it was.
fn a_merge_survives_other_columns(project: &Project, env: &str) {
    let run = |code: i32, data: &str, more: &[&str]| {
        project.write("data/n.ndjson", data);
        project.run_json(code, &[&["--env", env], more].concat())
    };
    let seen = || project.rows_in(env, "select id, cast(v as varchar) as v from numbers order by id");
    run(0, "{\"id\": 0, \"v\": 10.5, \"gone\": \"a\"}\n{\"id\": 1, \"v\": 1, \"gone\": \"b\"}\n", &[]);
    run(0, "{\"id\": 2, \"v\": 11}\n", &[]);
    run(0, "{\"id\": 3, \"v\": 0.125, \"new\": \"c\"}\n", &[]);
    assert_eq!(seen(), [["0", "10.500"], ["1", "1.000"], ["2", "11.000"], ["3", "0.125"]]);
    // Settings change, and so what a load of the stream gives; the rows stay.
    project.write(
        "sources/files.yml",
        MERGED.replace("max_quarantine: 1", "max_quarantine: 2, contract: {types: evolve}"),
    );
    run(0, "{\"id\": 1, \"v\": 7}\n", &[]);
    let more = "select id, cast(v as varchar) as v, gone, new from files.n order by id";
    project.write("models/numbers.sql", more);
    // What models read and the file no longer has is not filled with nothing in silence.
    assert_eq!(run(1, "{\"id\": 4, \"v\": 7}\n", &[])["held"]["problems"][0]["code"], "column-vanished");
    run(0, "{\"id\": 4, \"v\": 7, \"gone\": null, \"new\": null}\n", &[]);
    let all = [
        ["0", "10.500", "a", "NULL"],
        ["1", "7.000", "NULL", "NULL"],
        ["2", "11.000", "NULL", "NULL"],
        ["3", "0.125", "NULL", "c"],
        ["4", "7.000", "NULL", "NULL"],
    ];
    assert_eq!(project.rows_in(env, "select id, v, gone, new from numbers order by id"), all);
    // A text fits no number.
    project.write("data/n.ndjson", "{\"id\": 5, \"v\": \"x\", \"gone\": null, \"new\": null}\n");
    let refused = project.run(&["run", "--env", env]);
    assert_eq!(refused.code, 4, "{}", refused.stderr);
    assert!(refused.stderr.contains("error[contract-broken]"), "{}", refused.stderr);
    assert!(
        refused.stderr.contains("is now text") && refused.stderr.contains("--full-refresh"),
        "{}",
        refused.stderr
    );
    assert_eq!(project.rows_in(env, "select id, v, gone, new from numbers order by id"), all);
    project.write("models/numbers.sql", "select id, v from files.n");
    project.run_json(0, &["--env", env, "--full-refresh"]);
    assert_eq!(seen(), [["5", "x"]]);
}

const MERGED: &str =
    "type: ndjson\npath: data/n.ndjson\nstreams: {n: {key: [id], mode: upsert, max_quarantine: 1}}\n";

#[test]
fn a_merge_survives_other_columns_in_a_file() {
    let project = tiny(MERGED, ("data/n.ndjson", ""), "select id, v from files.n");
    a_merge_survives_other_columns(&project, "dev");
}

#[test]
fn a_merge_survives_other_columns_in_postgres() {
    let server = PostgresServer::shared();
    let url = server.url(&server.database());
    let project = tiny(MERGED, ("data/n.ndjson", ""), "select id, v from files.n");
    let manifest = format!("name: tiny\nenvironments: {{prod: {{type: postgres, url: \"{url}\"}}}}\n");
    project.write("millrace.yml", manifest);
    a_merge_survives_other_columns(&project, "prod");
}

/// What all streams of a source are told counts like what one is told.
#[test]
fn a_source_that_is_read_otherwise_is_read_anew() {
    let source = |more: &str| format!("type: csv\npath: data/n.csv\n{more}streams: {{n: {{}}}}\n");
    let project = tiny(&source("delimiter: ','\n"), ("data/n.csv", "id;v\n1;x\n"), "select * from files.n");
    project.run_json(0, &[]);
    assert_eq!(project.rows("select * from numbers"), [["1;x"]]);
    project.write("sources/files.yml", source("delimiter: ';'\n"));
    assert_eq!(project.run_json(0, &[])["streams"][0]["status"], "loaded");
    assert_eq!(project.rows("select id, v from numbers"), [["1", "x"]]);
}

#[test]
fn too_many_bad_rows_load_nothing() {
    let mut text = String::new();
    for n in 0..100 {
        text.push_str(&if n % 10 == 0 { "{broken\n".to_owned() } else { format!("{{\"id\": {n}}}\n") });
    }
    let project = tiny(NDJSON, ("data/n.ndjson", &text), "select id from files.n");
    let ended = project.run(&["run", "--json"]);
    assert_eq!(ended.code, 4, "{}", ended.stderr);
    assert!(ended.stderr.contains("10 of 100 rows of stream `files.n` cannot be loaded"), "{}", ended.stderr);
    assert!(ended.stderr.contains("data/n.ndjson:1:"), "{}", ended.stderr);
    assert_eq!(ended.json()["error"]["code"], "contract-broken");
    assert_eq!(
        project.value("select count(*) from information_schema.tables where table_schema = 'raw'"),
        "0"
    );
    for limit in ["10", "10%"] {
        let allowed = project.run_json(0, &["--max-quarantine", limit, "--full-refresh"]);
        assert_eq!(allowed["streams"][0]["rows_quarantined"], 10, "{limit}");
    }
    assert_eq!(project.run(&["run", "--full-refresh", "--max-quarantine", "9"]).code, 4);
    assert_eq!(project.value("select count(*) from numbers"), "90", "readers keep what was published");
    assert_eq!(project.run(&["run", "--max-quarantine", "many"]).code, 2);
}

#[test]
fn quarantine_hides_what_the_project_excludes() {
    let source = NDJSON.replace("{key: [id]}", "{key: [id], exclude_columns: [card]}");
    let project = tiny(
        &source,
        (
            "data/n.ndjson",
            "{\"id\": 1, \"card\": \"4111\"}\n{\"id\": \"x\", \"card\": \"4222\"}\n{\"id\": 3}\n",
        ),
        "select * from files.n",
    );
    project.write(
        "sources/files.schema.yml",
        "streams: {n: {columns: [{name: id, type: int64, nullable: false}]}}\n",
    );
    project.run_json(0, &["--max-quarantine", "1"]);
    assert_eq!(project.rows("select * from numbers order by 1"), [["1"], ["3"]]);
    let kept = project
        .rows("select file, line, column_name, code, raw, length(raw_sha256) from _millrace.quarantine");
    assert_eq!(kept, [["data/n.ndjson", "2", "id", "wrong-type", "NULL", "64"]]);
    let file = std::fs::read(project.path().join(".millrace/tiny.duckdb")).expect("the warehouse");
    assert!(!file.windows(4).any(|bytes| bytes == b"4222"), "the excluded value is in the warehouse");
}

#[test]
fn forms_that_files_come_in() {
    let mut gzip = flate2_free_gzip(b"{\"id\": 1}\n{\"id\": 2}\n");
    gzip.flush().expect("memory");
    let cases: Vec<(&str, &str, Vec<u8>, &str)> = vec![
        ("ndjson", "a byte order mark and CRLF", b"\xef\xbb\xbf{\"id\": 1}\r\n{\"id\": 2}\r\n".to_vec(), "2"),
        ("ndjson", "an empty file", Vec::new(), "0"),
        ("json", "an empty array", b"[]".to_vec(), "0"),
        ("json", "an empty array with a byte order mark", b"\xef\xbb\xbf [ ]\r\n".to_vec(), "0"),
        ("csv", "CRLF and quotes", b"id\r\n\"1\"\r\n2\r\n".to_vec(), "2"),
        ("csv", "only a header", b"id\n".to_vec(), "0"),
        ("ndjson.gz", "gzip", gzip, "2"),
    ];
    for (kind, what, bytes, expected) in cases {
        let kind_word = kind.split('.').next().expect("a word");
        let source = format!("type: {kind_word}\npath: data/n.{kind}\nstreams: {{n: {{key: [id]}}}}\n");
        let project = tiny(&source, ("data/other", ""), "select id from files.n");
        project.write(
            "sources/files.schema.yml",
            "streams: {n: {columns: [{name: id, type: int64, nullable: false}]}}\n",
        );
        project.write(&format!("data/n.{kind}"), bytes);
        let ended = project.run(&["run"]);
        assert_eq!(ended.code, 0, "{what}: {}", ended.stderr);
        assert_eq!(project.value("select count(*) from numbers"), expected, "{what}");
    }
}

/// RFC 1952 with one stored block: a gzip file without a library, so that the reader is tested against the format.
fn flate2_free_gzip(data: &[u8]) -> Vec<u8> {
    let mut crc = !0u32;
    for byte in data {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 };
        }
    }
    let length = data.len() as u16;
    let mut out = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255, 1];
    out.extend(length.to_le_bytes());
    out.extend((!length).to_le_bytes());
    out.extend(data);
    out.extend((!crc).to_le_bytes());
    out.extend(u32::from(length).to_le_bytes());
    out
}

#[test]
fn forms_that_do_not_work_say_why() {
    for (kind, bytes, words) in [
        ("json", b"[\x00".to_vec(), "UTF-16"),
        ("json", b"{\"id\": 1}\n{\"id\": 2}\n".to_vec(), "ndjson"),
        ("ndjson.gz", b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff\x01\x05".to_vec(), "gzip"),
        ("csv", b"id,id\n1,2\n".to_vec(), "id"),
    ] {
        let kind_word = kind.split('.').next().expect("a word");
        let source = format!("type: {kind_word}\npath: data/n.{kind}\nstreams: {{n: {{}}}}\n");
        let project = tiny(&source, ("data/other", ""), "select id from files.n");
        project.write(&format!("data/n.{kind}"), bytes);
        let ended = project.run(&["run"]);
        assert_eq!(ended.code, 3, "{kind}: {}", ended.stderr);
        assert!(ended.stderr.contains(words), "{kind}: {}", ended.stderr);
        assert!(ended.stderr.contains("hint:"), "{kind}: {}", ended.stderr);
    }
    let project = tiny(NDJSON, ("data/other", ""), "select id from files.n");
    let ended = project.run(&["run"]);
    assert_eq!(ended.code, 3, "{}", ended.stderr);
    assert!(ended.stderr.contains("error[source-unreachable]"), "{}", ended.stderr);
}

#[test]
fn numbers_keep_their_digits() {
    let project = tiny(
        NDJSON,
        (
            "data/n.ndjson",
            "{\"id\": 1, \"big\": 12345678901234567890123, \"price\": 0.00001234}\n{\"id\": 2, \"big\": -1, \"price\": 99999999999999.99}\n",
        ),
        "select * from files.n",
    );
    project.run_json(0, &[]);
    assert_eq!(
        project.rows("select big, price from numbers order by id"),
        [["12345678901234567890123", "0.00001234"], ["-1", "99999999999999.99000000"],]
    );
}

#[test]
fn query_only_reads() {
    let project = tiny(NDJSON, ("data/n.ndjson", "{\"id\": 1}\n"), "select id from files.n");
    project.run_json(0, &[]);
    for sql in ["drop table publish.numbers", "delete from raw.x", "select 1; select 2", "selec 1"] {
        let ended = project.run(&["query", sql]);
        assert_eq!(ended.code, 2, "{sql}: {}", ended.stderr);
    }
    let ended = project.run(&["query", "select numbers.id, null as nothing from numbers"]);
    assert_eq!(ended.stdout, "id  nothing\n--  -------\n 1     NULL\n");
    assert_eq!(
        project.run(&["query", "--json", "select nope from numbers"]).json()["diagnostics"][0]["code"],
        "sql-error"
    );
}

#[test]
fn status_doctor_and_explain_answer() {
    let project = tiny(NDJSON, ("data/n.ndjson", "{\"id\": 1}\n"), "select id from files.n");
    assert_eq!(project.run(&["status", "--json"]).json()["publication"], serde_json::Value::Null);
    project.run_json(0, &[]);
    let status = project.run(&["status", "--json"]).json();
    assert_eq!(status["publication"]["publication"], 1);
    assert_eq!(status["runs"][0]["status"], "succeeded");
    let doctor = project.run(&["doctor", "--json"]);
    assert_eq!((doctor.code, &doctor.json()["status"]), (0, &"ok".into()));
    std::fs::remove_file(project.path().join("data/n.ndjson")).expect("it is there");
    let doctor = project.run(&["doctor"]);
    assert_eq!(doctor.code, 3, "{}", doctor.stdout);
    assert!(doctor.stdout.contains("FAIL  stream files.n"), "{}", doctor.stdout);
    assert!(command(&["explain", "unknown-ref"]).stdout.contains("# unknown-ref"));
    let ended = command(&["explain", "unknown-rf"]);
    assert_eq!(ended.code, 2);
    assert!(ended.stderr.contains("did you mean `unknown-ref`?"), "{}", ended.stderr);
}
