//! Values and rows that a server takes and a warehouse does not: set aside with their place, or told of by stream, column and row.

use millrace_testkit::mariadb::MariaDb;
use millrace_testkit::postgres::PostgresServer;

use crate::millrace::Project;

fn manifest(url: &str) -> String {
    format!(
        "name: tiny\nnaming: source\nenvironments:\n  dev: {{type: duckdb, path: .millrace/t.duckdb}}\n  prod: {{type: postgres, url: \"{url}\"}}\n"
    )
}

fn project(server: &MariaDb, url: &str, more: &str) -> Project {
    Project::of(&[
        ("millrace.yml", manifest(url).as_str()),
        (".env", format!("CRM_URL=mysql://reader:lecteur@127.0.0.1:{}/shop\n", server.port()).as_str()),
        ("sources/crm.yml", format!("type: mysql\nurl: \"${{CRM_URL}}\"\n{more}").as_str()),
    ])
}

fn shop() -> MariaDb {
    let server = MariaDb::start(&["--max-allowed-packet=256M"]);
    server.run("create database shop character set utf8mb4; create user reader identified by 'lecteur'; grant select on shop.* to reader;");
    server
}

/// The rows of a stream's raw table, one text for each.
fn raw(project: &Project, env: &str, stream: &str, columns: &str) -> Vec<String> {
    let table = project.rows_in(
        env,
        &format!(
            "select raw_schema || '.\"' || raw_table || '\"' from _millrace.streams where stream = '{stream}'"
        ),
    );
    project
        .rows_in(env, &format!("select {columns} from {} order by 1", table[0][0]))
        .into_iter()
        .map(|row| row.join("|"))
        .collect()
}

const ASIDE: &str =
    "select stream, file, line, column_name, code from _millrace.quarantine order by stream, line";

#[test]
fn json_that_a_server_takes_and_others_do_not() {
    let server = shop();
    // `check_constraint_checks = 0` lets in what an old table may hold.
    server.run(
        r#"use shop; create table t (id int primary key, j json); set check_constraint_checks = 0;
        insert into t values (1, '[1]'), (2, '1.'), (3, '"\\x41"'), (4, '"\\a"'), (5, '"\\é"'), (6, ''), (7, '{a:1}'), (8, '"\\ud800"'),
        (9, '{"a":1,"a":1.10,"b":1e999,"c":123456789012345678901234567890,"d":"\\u0000"}'), (10, null), (11, '[1,]'), (12, 'NaN'), (13, ' "x" '),
        (14, '-0.10e+05'), (15, concat(repeat('[', 400), repeat(']', 400)));"#,
    );
    let postgres = PostgresServer::shared();
    let project = project(&server, &postgres.url(&postgres.database()), "");
    for env in ["dev", "prod"] {
        let summary = project.run_json(0, &["--env", env, "--max-quarantine", "100%"]);
        assert_eq!(summary["streams"][0]["rows_loaded"], 6, "{summary}");
        let aside = project.rows_in(env, ASIDE);
        let lines: Vec<&str> = aside.iter().map(|row| row[2].as_str()).collect();
        assert_eq!(lines, ["2", "3", "4", "5", "6", "7", "8", "11", "12"], "{env}");
        assert!(
            aside
                .iter()
                .all(|row| (row[1].as_str(), row[3].as_str(), row[4].as_str()) == ("t", "j", "wrong-type")),
            "{aside:?}"
        );
        // As they came, with all their digits and equal keys.
        let kept = raw(&project, env, "t", "id, cast(j as varchar)");
        assert_eq!(
            kept[1], r#"9|{"a":1,"a":1.10,"b":1e999,"c":123456789012345678901234567890,"d":"\u0000"}"#,
            "{env}"
        );
        assert_eq!(
            (kept[0].as_str(), kept[2].as_str(), kept[4].as_str()),
            ("1|[1]", "10|NULL", "14|-0.10e+05"),
            "{env}"
        );
        let refused = project.run(&["run", "--env", env, "--full-refresh"]);
        assert_eq!(refused.code, 4, "{}", refused.stderr);
        for words in ["stream `crm.t`", "t:2: column `j`: expected JSON", "a number lacks a digit"] {
            assert!(refused.stderr.contains(words), "{words}: {}", refused.stderr);
        }
    }
}

#[test]
fn rows_and_tables_that_are_too_wide_for_a_server() {
    let server = shop();
    let wide: Vec<String> = (0..900).map(|at| format!("c{at} varchar(40)")).collect();
    let long = "'a text of more than thirty bytes'";
    server.run(&format!(
        "use shop; create table wide (id int primary key, {}) character set latin1 engine=MyISAM; insert into wide (id, c0) values (1, 'short'), (3, 'short'); \
         insert into wide values (2, {});",
        wide.join(", "),
        vec![long; 900].join(", ")
    ));
    let postgres = PostgresServer::shared();
    let narrow = project(&server, &postgres.url(&postgres.database()), "");
    let summary = narrow.run_json(0, &["--env", "prod", "--max-quarantine", "1"]);
    assert_eq!(
        (&summary["streams"][0]["rows_loaded"], &summary["streams"][0]["rows_quarantined"]),
        (&2.into(), &1.into())
    );
    assert_eq!(raw(&narrow, "prod", "wide", "id"), ["1", "3"]);
    let aside = narrow.rows_in("prod", "select stream, file, code, reason, raw from _millrace.quarantine");
    assert_eq!((aside[0][1].as_str(), aside[0][2].as_str()), ("crm.wide", "out-of-range"), "{aside:?}");
    assert!(
        aside[0][3].contains("larger than PostgreSQL can hold")
            && aside[0][4].starts_with(r#"{"id": 2, "c0": "a text"#),
        "{aside:?}"
    );
    let refused = narrow.run(&["run", "--env", "prod", "--full-refresh"]);
    assert_eq!(refused.code, 4, "{}", refused.stderr);
    assert!(
        refused.stderr.contains("stream `crm.wide`")
            && refused.stderr.contains("larger than PostgreSQL can hold"),
        "{}",
        refused.stderr
    );
    assert_eq!(narrow.run(&["run", "--env", "dev"]).code, 0, "the other warehouse holds it");

    let columns: Vec<String> = (0..1_700).map(|at| format!("c{at} tinyint")).collect();
    server.run(&format!("use shop; drop table wide; create table many (id int, {}) engine=MyISAM; insert into many (id) values (1)", columns.join(", ")));
    let wide = project(&server, &postgres.url(&postgres.database()), "");
    assert_eq!(wide.run(&["capture"]).code, 0);
    let run = wide.run(&["run", "--env", "prod"]);
    assert_eq!(run.code, 2, "a run begins with check: {}", run.stderr);
    assert!(run.stderr.contains("error[too-many-columns]: stream `crm.many`"), "{}", run.stderr);
    let check = wide.run(&["check", "--env", "prod"]);
    assert_eq!(check.code, 2, "{}", check.stderr);
    for words in [
        "error[too-many-columns]: stream `crm.many` has 1,701 columns; a table in environment `prod` has at most 1,600",
        "exclude_columns",
    ] {
        assert!(check.stderr.contains(words), "{words}: {}", check.stderr);
    }
    assert_eq!(wide.run(&["check", "--env", "dev"]).code, 0);
}

#[test]
fn texts_that_the_encoding_of_a_database_does_not_have() {
    let server = shop();
    server.run("use shop; create table t (id int primary key, v varchar(9)); insert into t values (1, 'é'), (2, 'b'), (3, '€')");
    let postgres = PostgresServer::shared();
    let database = format!("{}_latin", postgres.database());
    postgres.run(
        "postgres",
        &format!("create database {database} encoding 'LATIN1' locale 'C' template template0"),
    );
    let latin = project(&server, &postgres.url(&database), "");
    let run = latin.run(&["run", "--env", "prod"]);
    assert_eq!(run.code, 4, "{}", run.stderr);
    for words in [
        "stream `crm.t` cannot be loaded",
        "column `v` has a text with a character that the encoding",
        "row 3 in the order of arrival",
        "encoding 'UTF8' template template0",
    ] {
        assert!(run.stderr.contains(words), "{words}: {}", run.stderr);
    }
    let doctor = latin.run(&["doctor", "prod"]);
    assert!(doctor.stdout.contains("encoding LATIN1: a load fails with the first text"), "{}", doctor.stdout);
    server.run("delete from shop.t where id = 3");
    latin.run_json(0, &["--env", "prod"]);
}

#[test]
fn whose_limit_of_connections_it_was() {
    let server = shop();
    server.run("create table shop.t (id int primary key)");
    let postgres = PostgresServer::shared();
    let database = postgres.database();
    postgres.run(
        "postgres",
        &format!("create role lone login connection limit 0; grant all on database {database} to lone"),
    );
    let url = postgres.url(&database).replace("postgres@", "lone@");
    let project = project(&server, &url, "");
    let run = project.run(&["run", "--env", "prod", "--wait", "0s"]);
    assert_eq!(run.code, 3, "{}", run.stderr);
    assert!(
        run.stderr.contains("connection limit") && !run.stderr.contains("max_connections"),
        "{}",
        run.stderr
    );
}

#[test]
fn the_hint_about_quarantine_is_a_question_that_both_warehouses_answer() {
    let postgres = PostgresServer::shared();
    let manifest = format!(
        "name: tiny\nenvironments:\n  dev: {{type: duckdb, path: .millrace/t.duckdb}}\n  prod: {{type: postgres, url: \"{}\", schemas: {{state: \"Team A\"}}}}\n",
        postgres.url(&postgres.database())
    );
    let project = Project::of(&[
        ("millrace.yml", manifest.as_str()),
        ("sources/files.yml", "type: ndjson\npath: data/n.ndjson\nstreams: {n: {max_quarantine: 90%}}\n"),
        (
            "sources/files.schema.yml",
            "streams: {n: {columns: [{name: id, type: int64}, {name: n, type: int64}]}}\n",
        ),
    ]);
    let write = |bad: usize| {
        let row = |id: usize| format!("{{\"id\": {id}, \"n\": {}}}\n", if id < bad { "\"x\"" } else { "1" });
        project.write("data/n.ndjson", (0..10).map(row).collect::<String>());
    };
    for env in ["dev", "prod"] {
        write(1);
        project.run_json(0, &["--env", env]);
        write(3);
        let summary = project.run_json(0, &["--env", env]);
        let notices = summary["notices"].as_array().expect("notices");
        let grew = notices.iter().find(|notice| notice["code"] == "quarantine-grew").expect("it grew");
        let command = grew["hint"].as_str().and_then(|hint| hint.split('`').nth(1)).expect("a command");
        // As a shell hands it over.
        let printed = command.replacen("millrace query", "printf %s", 1);
        let said = std::process::Command::new("sh").args(["-c", &printed]).output().expect("a shell");
        let sql = String::from_utf8(said.stdout).expect("SQL");
        assert_eq!(project.rows_in(env, &sql), [["wrong-type", "n", "3"]], "{env}: {sql}");
    }
}

#[test]
fn rows_that_a_server_cannot_hold_end_as_others_do() {
    let postgres = PostgresServer::shared();
    let manifest = format!(
        "name: tiny\nenvironments:\n  prod: {{type: postgres, url: \"{}\"}}\n",
        postgres.url(&postgres.database())
    );
    let wide: Vec<String> =
        (0..900).map(|at| format!("\"c{at}\": \"a text of more than thirty bytes\"")).collect();
    let wide = |id: u32| format!("{{{}, \"ClientID\": {id}}}\n", wide.join(", "));
    let row = |id: u32, n: &str| format!("{{\"ClientID\": {id}, \"n\": {n}}}\n");
    let columns: Vec<String> = (0..900).map(|at| format!("{{name: c{at}, type: text}}, ")).collect();
    let columns = columns.concat();
    let captured = format!(
        "streams: {{n: {{columns: [{columns}{{name: n, type: int64}}, {{name: ClientID, type: int64, nullable: false}}]}}}}\n"
    );
    let project = Project::of(&[
        ("millrace.yml", manifest.as_str()),
        (
            "sources/files.yml",
            "type: ndjson\npath: data/*.ndjson\nstreams: {n: {mode: upsert, key: [ClientID], max_quarantine: 90%}}\n",
        ),
        ("sources/files.schema.yml", captured.as_str()),
        ("data/a.ndjson", &[row(1, "1"), row(3, "\"x\"")].concat()),
    ]);
    let aside = || project.rows_in("prod", "select file, line from _millrace.quarantine order by 1, 2");
    let loaded = || raw(&project, "prod", "n", "client_id");
    project.run_json(0, &[]);
    assert_eq!((loaded(), aside()), (vec!["1".to_owned()], vec![vec!["data/a.ndjson".into(), "2".into()]]));
    // Those that load are the ones that are looked at, whatever is taken out between them: the third is mended.
    project.write("data/b.ndjson", [wide(2), row(3, "3"), wide(5), row(4, "4")].concat());
    project.run_json(0, &[]);
    assert_eq!(loaded(), ["1", "3", "4"]);
    assert_eq!(aside(), [["files.n", "1"], ["files.n", "3"]]);
    let kept = project.rows_in("prod", "select raw from _millrace.quarantine order by line");
    assert!(kept[0][0].starts_with(r#"{"client_id": 2, "c0": "a text"#), "{kept:?}");
    // A row of its key ends one, and a new read of all files the other.
    project.write("data/d.ndjson", row(2, "2"));
    project.run_json(0, &[]);
    assert_eq!((loaded().len(), aside()), (4, vec![vec!["files.n".to_owned(), "3".into()]]));
    project.write("data/a.ndjson", row(1, "1"));
    project.write("data/b.ndjson", [row(3, "3"), row(4, "4")].concat());
    project.run_json(0, &[]);
    assert_eq!((loaded().len(), aside().len()), (4, 0));
}
