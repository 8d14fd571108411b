//! What a stream may ask for, all of it at once: masks, what becomes of U+0000, zero dates, several connections, and a load that is committed
//! in parts and gone on with. Whatever happens to the run, the warehouse ends with what an undisturbed load gives.

use std::process::Stdio;

use crate::millrace::{Project, binary};
use millrace_testkit::mariadb::MariaDb;
use millrace_testkit::postgres::PostgresServer;
use millrace_testkit::proxy::{Fault, How, Proxy, Way, When};

const ROWS: u64 = 3000;

/// HMAC-SHA-256 of `ana@example.fr` under `0123456789abcdef0123456789abcdef`, by Python's `hmac`.
const ANA: &str = "9a06c6d7661a58665a6b856f6ba2e3ffc85de24a0724c2398922a7c1082eab8a";

/// One row in a hundred has a date of zeros, one in thirty U+0000 in its note, one in fifty in its label.
fn start() -> MariaDb {
    let server = MariaDb::start(&["--log-bin", "--server-id=1", "--character-set-server=utf8mb4"]);
    server.run(&format!(
        "create database shop; create user reader identified by 'lecteur'; grant select on shop.* to reader; use shop; set sql_mode = ''; \
         create table people (id int primary key, email varchar(60), note varchar(60), label varchar(20), day date, changed_at datetime not null); \
         insert into people select seq, if(seq = 7, 'ana@example.fr', if(seq % 11 = 0, null, concat('p', seq, '@example.fr'))), \
         if(seq % 30 = 0, concat('n', char(0), seq), concat('note ', seq)), if(seq % 50 = 1, char(0), 'x'), \
         if(seq % 100 = 0, '0000-00-00', '2026-01-01'), '2026-01-01' + interval seq second from seq_1_to_{ROWS};"
    ));
    server
}

/// A project that reaches the server at a port.
fn project(port: u16) -> Project {
    let postgres = PostgresServer::shared();
    let manifest = format!(
        "name: tiny\nmax_quarantine: 60%\nmask_salt: \"${{SALT}}\"\nenvironments:\n  dev: {{type: duckdb, path: .millrace/t.duckdb}}\n  prod: {{type: postgres, url: \"{}\"}}\n",
        postgres.url(&postgres.database())
    );
    let env = format!(
        "SALT=0123456789abcdef0123456789abcdef\nCRM_URL=mysql://reader:lecteur@127.0.0.1:{port}/shop\n"
    );
    Project::of(&[
        ("millrace.yml", manifest.as_str()),
        (".env", env.as_str()),
        ("models/people.sql", "select * from crm.people"),
    ])
}

/// Says how the stream is read.
fn say(project: &Project, stream: &str) {
    let source = format!(
        "type: mysql\nurl: \"${{CRM_URL}}\"\nconnections: 2\nrange_rows: 100\nchunk_rows: 500\nstreams:\n  people: {{{stream}}}\n"
    );
    project.write("sources/crm.yml", source);
}

/// All that is published, and all that is in quarantine, in an order of their own.
fn held(project: &Project, env: &str) -> [Vec<Vec<String>>; 2] {
    let aside = "select column_name, code, raw, raw_sha256 from _millrace.quarantine order by raw_sha256, column_name";
    [project.rows_in(env, "select * from people order by id"), project.rows_in(env, aside)]
}

/// Both hold the same; else the first rows are shown of which the one has more than the other.
fn assert_same(found: &[Vec<Vec<String>>; 2], expected: &[Vec<Vec<String>>; 2], after: &str) {
    for (name, found, expected) in
        [("published", &found[0], &expected[0]), ("in quarantine", &found[1], &expected[1])]
    {
        let at = found.iter().zip(expected).position(|(found, expected)| found != expected);
        let rows = at.map(|at| (&found[at], &expected[at]));
        assert_eq!((found.len(), rows), (expected.len(), None), "{name}: {after}");
    }
}

/// A run that dies at a point.
fn die(project: &Project, env: &str, point: &str) {
    let mut run = binary();
    run.args(["run", "--env", env, "--project"]).arg(project.path()).env("MILLRACE_FAULT", point);
    let ended = run.stdout(Stdio::null()).stderr(Stdio::null()).status().expect("the binary starts");
    assert_eq!(std::os::unix::process::ExitStatusExt::signal(&ended), Some(6), "nothing comes by `{point}`");
}

fn unfinished(project: &Project, env: &str) -> String {
    project.rows_in(env, "select coalesce(sum(row_count), 0) from _millrace.unfinished")[0][0].clone()
}

/// A run, which says that so many rows were set aside, and each of those conversions.
fn run(project: &Project, env: &str, refused: u64, conversions: &[String]) {
    let ended = project.run(&["run", "--env", env]);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    for words in conversions {
        assert!(ended.stderr.contains(words), "{env}: {words}: {}", ended.stderr);
    }
    let aside = format!(", {refused} in quarantine");
    assert!(ended.stderr.contains(&aside), "{env}: {aside}: {}", ended.stderr);
}

/// Nothing of what is masked lies in the warehouse's files.
fn assert_masked(project: &Project) {
    for file in ["t.duckdb", "t.duckdb.wal"] {
        let bytes = std::fs::read(project.path().join(".millrace").join(file)).unwrap_or_default();
        assert!(!bytes.windows(10).any(|window| window == b"example.fr"), "a masked value is in {file}");
    }
}

#[test]
fn a_load_that_died_gives_what_an_undisturbed_one_does() {
    let server = start();
    let project = project(server.port());
    let number = |condition: &str| {
        let count = server.run(&format!("select count(*) from shop.people where {condition}"));
        count.trim().parse::<u64>().expect("a number")
    };
    let (nul, in_note) = ("instr(concat(note, label), char(0))", "instr(note, char(0))");
    for (stream, refused, conversions) in [
        ("nul: quarantine, mask: {email: hash}", number(&format!("day = 0 or {nul}")), vec![]),
        (
            "nul: strip, zero_dates: \"null\", mask: {email: hash, note: hash}",
            0,
            vec![
                format!("{} zero date to null in `day`", number("day = 0")),
                format!("{} U+0000 taken out in `label`", number("instr(label, char(0))")),
                format!("{} U+0000 taken out in `note`", number(in_note)),
            ],
        ),
    ] {
        say(&project, stream);
        for env in ["dev", "prod"] {
            run(&project, env, refused, &conversions);
            let expected = held(&project, env);
            assert_eq!((expected[0].len() as u64, expected[1].len() as u64), (ROWS - refused, refused));
            assert_eq!(expected[0].iter().find(|row| row[0] == "7").map(|row| &row[1][..]), Some(ANA));
            for point in ["part-committed", "part-committed", "load-rows-written"] {
                die(&project, env, point);
            }
            // Readers see what was published.
            assert!(held(&project, env)[0] == expected[0], "{env}: {stream}");
            assert_ne!(unfinished(&project, env), "0", "{env}: {stream}");
            // All of it is counted, also what earlier parts have converted.
            run(&project, env, refused, &conversions);
            let moments = "select moments from _millrace.streams where stream = 'people'";
            assert_eq!(project.rows_in(env, moments), [["4"]], "{env}: {stream}");
            assert_same(&held(&project, env), &expected, &format!("{env}: {stream}"));
            assert_eq!(unfinished(&project, env), "0");
        }
        assert_masked(&project);
    }
    // Where the key is masked, no value of it is kept to go on from.
    say(&project, "nul: strip, zero_dates: \"null\", mask: {id: hash}");
    let mut whole = binary();
    whole.args(["run", "--json", "--project"]).arg(project.path()).env("MILLRACE_FAULT", "part-committed");
    let ended = whole.stdout(Stdio::null()).stderr(Stdio::null()).status().expect("the binary starts");
    assert_eq!(ended.code(), Some(0));
    assert_eq!(project.value("select count(distinct id) from people"), ROWS.to_string());
}

/// A connection breaks in the middle of the run: it begins again by itself, where the last part ended.
#[test]
fn a_load_whose_connection_breaks_gives_what_an_undisturbed_one_does() {
    let server = start();
    let proxy = Proxy::start(server.port());
    let project = project(proxy.port());
    say(&project, "nul: quarantine, mask: {email: hash}");
    for env in ["dev", "prod"] {
        proxy.clear();
        project.run_json(0, &["--env", env]);
        let bytes = proxy.passed(Way::ToClient);
        let expected = held(&project, env);
        for tenths in [5, 8] {
            let when = When::Bytes(bytes * tenths / 10);
            proxy.set(Fault { way: Way::ToClient, when, how: How::Cut });
            let ended = project.run(&["run", "--env", env]);
            assert!(proxy.clear(), "it broke");
            assert_eq!(ended.code, 0, "{}", ended.stderr);
            assert!(ended.stderr.contains("was interrupted"), "{}", ended.stderr);
            assert_same(&held(&project, env), &expected, &format!("{env}: {}", ended.stderr));
            assert_eq!(unfinished(&project, env), "0");
        }
        let moments = "select moments from _millrace.streams where stream = 'people'";
        assert_eq!(project.rows_in(env, moments), [["2"]], "it was gone on with");
    }
}

/// What was changed while a load had died is there after the next one.
#[test]
fn a_growing_stream_that_died_catches_up() {
    let server = start();
    let project = project(server.port());
    say(
        &project,
        "mode: incremental, cursor: changed_at, lag: 1m, deletes: ignore, nul: quarantine, mask: {email: hash}",
    );
    for (env, month) in [("dev", "2026-02"), ("prod", "2026-03")] {
        die(&project, env, "part-committed");
        let at = format!("changed_at = '{month}-01 00:00:00' + interval id second");
        server.run(&format!(
            "use shop; set sql_mode = ''; \
             update people set email = concat('{month}', email), {at} where id % 10 = 1; \
             update people set note = 'mended {month}', {at} where id % 60 = 0; \
             update people set note = concat('broken', char(0)), {at} where id % 90 = 4; "
        ));
        project.run_json(0, &["--env", env]);
        project.run_json(0, &["--env", env]);
        let grown = held(&project, env)[0].clone();
        project.run_json(0, &["--env", env, "--full-refresh"]);
        let fresh = held(&project, env)[0].clone();
        // Of a row that was good and is not any more, what was loaded before stays.
        let is_mended = |row: &&Vec<String>| (row[0].parse::<u64>().expect("a number")) % 90 != 4;
        assert!(grown.iter().filter(is_mended).eq(fresh.iter().filter(is_mended)), "{env}");
        assert_eq!(project.run_json(0, &["--env", env])["status"], "unchanged");
        server.run(
            "use shop; update people set note = concat('n', char(0), id) where id % 60 = 0; update people set note = 'x' where id % 90 = 4",
        );
    }
    assert_masked(&project);
}
