//! What fails outside the project, wherever it is met: its exit code, whose stream it was, and that the others go on.

use millrace_testkit::mariadb::MariaDb;
use millrace_testkit::proxy::{Fault, How, Proxy, Way, When};

use crate::millrace::{Ended, Project};

const MANIFEST: &str = "name: tiny\nenvironments:\n  dev: {type: duckdb, path: .millrace/t.duckdb}\n";
/// Where nothing listens.
const NOWHERE: &str = "CRM_URL=mysql://reader:lecteur@127.0.0.1:1/shop\n";

const TABLES: &str = "create database shop; create user reader identified by 'lecteur'; grant select on shop.* to reader; use shop; \
     create table clients (id int primary key); insert into clients values (1), (2); \
     create table tmp_a (id int); create table tmp_b (id int); create table audit (id int); \
     create table gone (id int); create view broken as select id from gone; drop table gone; \
     create view fine as select id from clients; create view fine_too as select id from clients;";

fn at(server: &MariaDb) -> String {
    format!("CRM_URL=mysql://reader:lecteur@127.0.0.1:{}/shop\n", server.port())
}

fn project(env: &str, source: &str) -> Project {
    Project::of(&[
        ("millrace.yml", MANIFEST),
        (".env", env),
        ("sources/crm.yml", format!("type: mysql\nurl: \"${{CRM_URL}}\"\n{source}").as_str()),
        ("models/clients.sql", "select id from crm.clients"),
        ("models/more.sql", "select id from clients"),
    ])
}

fn ends(ended: &Ended, code: i32, words: &[&str]) {
    let said = format!("{}{}", ended.stdout, ended.stderr);
    assert_eq!(ended.code, code, "{said}");
    for word in words {
        assert!(said.contains(word), "{word}\n{said}");
    }
}

#[test]
fn an_unreachable_source_ends_each_verb_alike() {
    for streams in ["", "streams: {clients: {}}\n"] {
        let project = project(NOWHERE, streams);
        for verb in [&["run"][..], &["capture"], &["check"], &["doctor"], &["doctor", "crm"]] {
            let ended = project.run(verb);
            ends(&ended, 3, &["`127.0.0.1:1`"]);
            // What a model reads of it is no mistake of the model's.
            assert!(!ended.stderr.contains("unknown-ref"), "{verb:?}: {}", ended.stderr);
        }
        let json = project.run(&["check", "--json"]);
        assert_eq!((json.code, &json.json()["status"]), (3, &"failed".into()));
    }
    // With a mistake of the project beside it that has to be mended first.
    let project = project(NOWHERE, "");
    project.write("models/wrong.sql", "select id from no_such_model");
    for verb in ["run", "check", "doctor"] {
        ends(&project.run(&[verb]), 2, &[]);
    }
    // Which streams a source has does not matter for that.
    ends(&project.run(&["check"]), 2, &["unknown-ref", "source-unreachable"]);
}

#[test]
fn what_the_project_says_wrongly_is_no_failure_outside() {
    let project = project("CRM_URL=mysql://reader:lecteur@127.0.0.1:1/shop?ssl-modus=x\n", "");
    for verb in ["run", "check", "capture", "doctor"] {
        let ended = project.run(&[verb]);
        ends(&ended, 2, &["unknown parameter `ssl-modus`", "did you mean `ssl-mode`?"]);
        assert!(!ended.stderr.contains("lecteur") && !ended.stdout.contains("lecteur"));
    }
    project.write("sources/crm.yml", "type: mysql\nurl: \"mysql://reader@h/d\"\npassword: hunter2\n");
    for verb in ["run", "check", "capture"] {
        let ended = project.run(&[verb]);
        ends(&ended, 2, &["`password` stands in the file", "sources/crm.yml:3:11"]);
        // The line of the file is shown with it, as it stands there; nothing else repeats it.
        assert_eq!(
            ended.stderr.matches("hunter2").count(),
            ended.stderr.matches("password: hunter2").count()
        );
    }
}

#[test]
fn nobody_is_asked_without_a_variable_that_is_missing() {
    // This user is let in without a password.
    let server = MariaDb::start(&[]);
    server.run("create database shop; create user reader; grant all on *.* to reader; create table shop.clients (id int primary key)");
    let port = server.port();
    let url = format!("url: \"mysql://reader:${{CRM_PASSWORD}}@127.0.0.1:{port}/shop\"");
    let beside = format!("url: \"mysql://reader@127.0.0.1:{port}/shop\"\npassword: \"${{CRM_PASSWORD}}\"");
    let elsewhere = format!("url: \"mysql://reader@127.0.0.1:{port}/shop\"");
    let before = connections(&server);
    for source in [
        format!("{url}\n"),
        format!("{url}\nstreams: {{clients: {{}}}}\n"),
        format!("{url}\nstreams: {{\"cli*\": {{}}}}\n"),
        format!("{beside}\n"),
        format!("{elsewhere}\ndefaults: {{table: \"${{CRM_PASSWORD}}\"}}\n"),
        format!("{elsewhere}\nstreams: {{clients: {{table: \"${{CRM_PASSWORD}}\"}}}}\n"),
    ] {
        let project = project("", "");
        project.write("sources/crm.yml", format!("type: mysql\n{source}"));
        for verb in [&["run"][..], &["capture"], &["check"], &["doctor"], &["doctor", "crm"], &["plan"]] {
            let ended = project.run(verb);
            ends(&ended, 2, &["the environment variable `CRM_PASSWORD` is not set"]);
            assert!(!ended.stderr.contains("unknown-ref"), "{verb:?}: {}", ended.stderr);
        }
    }
    // Only the one that counted has come since.
    assert_eq!(connections(&server), before + 1);
    // An environment's, too.
    let project = project(&at(&server), "streams: {clients: {}}\n");
    project.write("millrace.yml", "name: tiny\nenvironments:\n  dev: {type: postgres, url: \"postgres://u:${WH_PASSWORD}@127.0.0.1:1/d\"}\n");
    for verb in [&["run"][..], &["doctor", "dev"], &["status"], &["plan"]] {
        ends(&project.run(verb), 2, &["the environment variable `WH_PASSWORD` is not set"]);
    }
}

fn connections(server: &MariaDb) -> u64 {
    let said = server.run("show global status like 'Connections'");
    said.split_whitespace().last().and_then(|count| count.parse().ok()).expect("a count")
}

#[test]
fn a_view_that_cannot_be_read_leaves_the_others() {
    let server = MariaDb::start(&[]);
    server.run(TABLES);
    let project = project(&at(&server), "");
    let captured = project.run(&["capture"]);
    ends(
        &captured,
        3,
        &[
            "stream `crm.broken`",
            "leave it out with `exclude: [broken]`",
            "sources/crm.schema.yml: 6 streams",
        ],
    );
    assert!(project.read("sources/crm.schema.yml").contains("views: [fine, fine_too]"));
    // Without a captured schema each stream is asked for.
    std::fs::remove_file(project.path().join("sources/crm.schema.yml")).expect("it was written");
    ends(&project.run(&["check"]), 3, &["`broken`", "exclude: [broken]"]);
    ends(&project.run(&["run"]), 3, &["stream `crm.broken`", "exclude: [broken]"]);
    ends(&project.run(&["doctor", "crm"]), 3, &["stream crm.broken", "ok    stream crm.clients"]);
    project.write("sources/crm.yml", "type: mysql\nurl: \"${CRM_URL}\"\nexclude: [broken]\n");
    project.run_json(0, &[]);
    ends(&project.run(&["capture"]), 0, &["6 streams"]);
}

#[test]
fn a_source_that_does_not_name_its_views_leaves_the_others() {
    let server = MariaDb::start(&[]);
    server.run(TABLES);
    let way = Proxy::start(server.port());
    let project = project(
        &format!("CRM_URL=mysql://reader:lecteur@127.0.0.1:{}/shop\n", way.port()),
        "streams: {clients: {}, fine: {}}\n",
    );
    ends(&project.run(&["capture"]), 0, &["sources/crm.schema.yml: 2 streams, 2 columns, written"]);
    assert!(project.read("sources/crm.schema.yml").contains("views: [fine]"));
    server.run("alter table shop.clients add column city text");
    project.write("sources/files.yml", "type: csv\npath: data/o.csv\nstreams: {orders: {}}\n");
    project.write("data/o.csv", "id\n1\n");
    // The list of tables is asked for once more, after the last stream was looked at.
    let when = When::Texts(&[b"`fine`", b"table_type in"]);
    way.set(Fault { way: Way::ToServer, when, how: How::CutBefore });
    let captured = project.run(&["capture", "--json"]);
    assert!(way.clear(), "it was not asked: {}", captured.stdout);
    ends(
        &captured,
        3,
        &["source `crm` does not say which of its streams are views", "sources/files.schema.yml"],
    );
    let schema = project.read("sources/crm.schema.yml");
    assert!(schema.contains("city") && schema.contains("views: [fine]"), "{schema}");
    assert!(project.read("sources/files.schema.yml").contains("orders"));
}

#[test]
fn streams_are_left_out_by_name_pattern_and_kind() {
    let server = MariaDb::start(&[]);
    server.run(TABLES);
    let project = project(&at(&server), "exclude: [\"tmp_*\", AUDIT, views]\n");
    let loaded = |project: &Project| {
        let summary = project.run_json(0, &["--full-refresh"]);
        let streams = summary["streams"].as_array().expect("streams").clone();
        streams.iter().map(|one| one["stream"].as_str().expect("a name").to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(loaded(&project), ["crm.clients"]);
    ends(&project.run(&["capture"]), 0, &["1 stream, 1 column"]);
    assert!(project.read("sources/crm.schema.yml").contains("views: []"));
    assert_eq!(loaded(&project), ["crm.clients"]);
    ends(&project.run(&["check"]), 0, &["1 stream,"]);
    let doctor = project.run(&["doctor", "crm"]);
    ends(&doctor, 0, &["stream crm.clients"]);
    assert!(!doctor.stdout.contains("tmp_a") && !doctor.stdout.contains("broken"), "{}", doctor.stdout);

    // What is named is loaded all the same, and what a pattern takes is not.
    let write = |streams: &str| {
        project.write("sources/crm.yml", format!("type: mysql\nurl: \"${{CRM_URL}}\"\n{streams}"));
    };
    write("streams: {clients: {}, tmp_a: {}, \"*\": {}}\nexclude: [\"tmp_*\", views]\n");
    ends(&project.run(&["capture"]), 0, &[]);
    assert_eq!(loaded(&project), ["crm.audit", "crm.clients", "crm.tmp_a"]);

    // Views that are captured are left out without asking, once it is known which they are.
    write("exclude: [broken]\n");
    ends(&project.run(&["capture"]), 0, &["6 streams"]);
    write("exclude: [broken, views]\n");
    project.write(".env", NOWHERE);
    ends(&project.run(&["check"]), 0, &["4 streams"]);
    let schema = project.read("sources/crm.schema.yml");
    project.write(
        "sources/crm.schema.yml",
        schema.lines().filter(|line| !line.starts_with("views")).collect::<Vec<_>>().join("\n"),
    );
    ends(&project.run(&["check"]), 2, &["which streams of source `crm` are views", "millrace capture crm"]);
    project.write(".env", at(&server));

    // What leaves out nothing.
    for (exclude, code, words) in [
        (
            "[auditt, broken]",
            2,
            &["`exclude` names `auditt`, which source `crm` does not have", "did you mean `audit`?"][..],
        ),
        ("[view, broken]", 2, &["did you mean `views`?"]),
        (
            "[\"old_*\", broken]",
            0,
            &["warning[empty-pattern]: `exclude` names `old_*`, which matches no stream"],
        ),
        ("[\"*\"]", 2, &["`exclude` leaves no stream"]),
        ("[\"\"]", 2, &["an entry of `exclude` is empty"]),
        ("{a: b}", 2, &["`exclude`"]),
    ] {
        write(&format!("exclude: {exclude}\n"));
        ends(&project.run(&["capture"]), code, words);
    }
    write("streams: {clients: {}}\nexclude: [audit]\n");
    ends(&project.run(&["check"]), 2, &["`exclude` takes nothing away, because `streams` has no pattern"]);
}
