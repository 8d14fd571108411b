//! Runs through the server that has the warehouse.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use millrace_testkit::postgres::PostgresServer;
use serde_json::{Value as Json, json};

use crate::millrace::{Project, binary};
use crate::owner::{ENDLESS, Running, open_files, record, tiny};
use crate::server::{Server, signal_to};

const RUNS: u64 = 100;

/// What an open page is told, event by event; the reader ends with the server.
fn events(server: &Server) -> Receiver<(String, Json)> {
    let mut stream = TcpStream::connect(server.address()).expect("it listens");
    let request = format!("GET /api/v1/events HTTP/1.1\r\nHost: {}\r\n\r\n", server.address());
    stream.write_all(request.as_bytes()).expect("it reads");
    let mut lines = BufReader::new(stream).lines();
    // The comment with which the stream begins: from then on nothing is missed.
    assert!(lines.by_ref().map_while(Result::ok).any(|line| line.starts_with(':')));
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        let mut name = String::new();
        for line in lines.map_while(Result::ok) {
            if let Some(event) = line.strip_prefix("event: ") {
                event.clone_into(&mut name);
            } else if let Some(data) = line.strip_prefix("data: ") {
                let data = serde_json::from_str(data).expect("JSON");
                if sender.send((name.clone(), data)).is_err() {
                    return;
                }
            }
        }
    });
    receiver
}

/// The project with `rows` rows 1, 1, …, whose column has one name or another; model, metric and test change with it.
fn write(project: &Project, rows: u64) {
    let column = if (rows / 10).is_multiple_of(2) { "one" } else { "unit" };
    let lines: Vec<String> = (0..rows).map(|id| format!("{{\"id\": {id}}}")).collect();
    project.write("data/n.ndjson", lines.join("\n"));
    project.write("models/numbers.sql", format!("select id, 1 as {column} from files.n"));
    project.write(
        "models/numbers.yml",
        format!("models: [{{name: numbers, columns: [{{name: {column}, tests: [not_null]}}]}}]\n"),
    );
    project.write(
        "metrics/numbers.yml",
        format!("semantic_view: numbers\nbase: numbers\nmetrics:\n  total: {{sql: sum({column})}}\n"),
    );
    project.write(
        "dashboards/numbers.yml",
        "dashboard: numbers\nsemantic_view: numbers\nrows:\n  - [{kpi: total}]\n",
    );
}

/// Reads the page until it is told to stop; each answer must be whole and of one version. Returns the versions that it saw.
fn read(server: &Server, stop: &AtomicBool) -> BTreeSet<u64> {
    let mut seen = BTreeSet::new();
    while !stop.load(Ordering::SeqCst) {
        let lines = server.page("numbers", &json!({}));
        let version = lines[0]["data_version"].as_u64().unwrap_or_else(|| panic!("{lines:?}"));
        let tile = lines.iter().find(|line| line["kind"] == "tile" || line.get("result").is_some());
        let total = &tile.unwrap_or_else(|| panic!("{lines:?}"))["result"]["total"]["total"];
        // Version v was made from v rows.
        assert_eq!(total, version, "{lines:?}");
        seen.insert(version);
    }
    seen
}

#[test]
fn a_hundred_runs_while_pages_are_open() {
    let project = tiny();
    write(&project, 1);
    project.run_json(0, &[]);
    let server = Server::start(&project);
    server.page("numbers", &json!({}));
    let told = events(&server);
    let stop = AtomicBool::new(false);
    let seen = std::thread::scope(|scope| {
        let readers = [(); 2].map(|()| scope.spawn(|| read(&server, &stop)));
        for rows in 2..RUNS + 2 {
            write(&project, rows);
            // Not a moment of patience: whoever opened the file beside the server would fail.
            let ended = project.run(&["run", "--json", "--wait", "0s"]);
            assert_eq!(ended.code, 0, "run {rows}: {}", ended.stderr);
            assert_eq!(ended.json()["data_version"], rows);
            let through = format!("through the server of process {}, environment `dev`", server.process());
            assert!(ended.stderr.contains(&through), "{}", ended.stderr);
            if rows % 10 == 0 {
                assert_eq!(project.value("select count(*) from numbers"), rows.to_string());
                assert_eq!(project.run(&["status", "--json"]).json()["publication"]["publication"], rows);
            }
        }
        stop.store(true, Ordering::SeqCst);
        readers.map(|reader| reader.join().expect("a reader without an error"))
    });
    for seen in seen {
        assert!(seen.len() > 10, "a reader has seen only {seen:?}");
    }
    let mut versions = Vec::new();
    let mut ends = 0;
    while versions.last() != Some(&(RUNS + 1)) || ends < RUNS {
        let (name, event) = told.recv_timeout(Duration::from_secs(10)).expect("the open page is told");
        match name.as_str() {
            "publish" => versions.push(event["data_version"].as_u64().expect("a number")),
            "run" => ends += u64::from(event["status"] == "succeeded"),
            // Its files have changed.
            "project" => {}
            other => panic!("{other}"),
        }
    }
    assert_eq!(versions, (2..RUNS + 2).collect::<Vec<_>>(), "each version once, in order");
    assert_eq!(open_files(server.process(), "tiny.duckdb"), 1);
    assert!(server.end("TERM").success());
    // Closed and whole, the file is anybody's again.
    assert_eq!(project.value("select count(*) from numbers"), (RUNS + 1).to_string());
}

#[test]
fn a_held_run_leaves_the_former_pages() {
    let project = tiny();
    write(&project, 1);
    project.run_json(0, &[]);
    let server = Server::start(&project);
    write(&project, 10);
    project
        .write("models/numbers.sql", "select id, case when id = 3 then null else 1 end as unit from files.n");
    let held = project.run(&["run", "--json"]);
    assert_eq!(held.code, 1, "{}", held.stderr);
    assert_eq!(held.json()["status"], "held");
    assert!(held.stderr.contains("data test `not_null(numbers.unit)` failed for 1 row"), "{}", held.stderr);
    assert!(held.stderr.contains("--> models/numbers.yml:1:"), "{}", held.stderr);
    assert!(held.stderr.contains("held: nothing was published"), "{}", held.stderr);
    let stop = AtomicBool::new(true);
    read(&server, &stop);
    assert_eq!(server.page("numbers", &json!({}))[0]["data_version"], 1);
    assert_eq!(server.get("/api/v1/project")["last_run"]["status"], "held");
}

#[test]
fn a_project_with_errors_is_told_as_at_home() {
    let project = tiny();
    project.run_json(0, &[]);
    project.write("models/more.sql", "select id from nubmers");
    let alone = project.run(&["run"]);
    assert_eq!(alone.code, 2, "{}", alone.stderr);
    let alone_json = project.run(&["run", "--json"]).json();
    std::fs::remove_file(project.path().join("models/more.sql")).expect("it is there");
    let _server = Server::start(&project);
    project.write("models/more.sql", "select id from nubmers");
    let through = project.run(&["run"]);
    assert_eq!(through.code, 2, "{}", through.stderr);
    let (first, rest) = through.stderr.split_once('\n').expect("a line");
    assert!(first.starts_with("through the server of process"), "{first}");
    assert_eq!(rest, alone.stderr);
    assert_eq!(project.run(&["run", "--json"]).json(), alone_json);
    // Another warehouse than the one that is open.
    std::fs::remove_file(project.path().join("models/more.sql")).expect("it is there");
    let manifest = project.read("millrace.yml").replace("tiny.duckdb", "tiny.duckdb, threads: 1");
    project.write("millrace.yml", manifest);
    let changed = project.run(&["run"]);
    assert_eq!(changed.code, 2, "{}", changed.stderr);
    assert!(changed.stderr.contains("error[restart-needed]"), "{}", changed.stderr);
}

#[test]
fn the_environment_is_the_servers_and_variables_are_both() {
    let project = tiny();
    project.write(
        "models/who.sql",
        "select '{{ env_var('WHO') }}' as who, '{{ var('a') }}' as a, '{{ var('b', 'none') }}' as b",
    );
    let server = Server::start_by(binary().env("WHO", "server"), &project, &["--var", "a=served"]);
    let run = |more: &[&str]| {
        let mut command = binary();
        command.env("WHO", "command").arg("run").args(more).arg("--project").arg(project.path());
        let ended = command.output().expect("the binary starts");
        assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
    };
    run(&[]);
    // The command that only looks has variables of its own.
    let seen = || {
        let mut command = binary();
        command.env("WHO", "command").args([
            "query",
            "--json",
            "select * from who",
            "--var",
            "a=x",
            "--project",
        ]);
        let ended = command.arg(project.path()).output().expect("the binary starts");
        assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
        serde_json::from_slice::<Json>(&ended.stdout).expect("JSON")["rows"].clone()
    };
    assert_eq!(seen(), json!([["server", "served", "none"]]));
    run(&["--var", "b=command"]);
    assert_eq!(seen(), json!([["server", "served", "command"]]));
    assert!(server.end("TERM").success());
}

#[test]
fn another_run_waits_or_is_refused() {
    let project = tiny();
    project.run_json(0, &[]);
    let _server = Server::start(&project);
    project.write("models/endless.sql", ENDLESS);
    project.write("data/n.ndjson", "{\"id\": 1}\n{\"id\": 2}\n");
    let mut first = Running::start(&project, &["run"]);
    first.says("build   numbers");
    let refused = project.run(&["run", "--wait", "0s"]);
    assert_eq!(refused.code, 3, "{}", refused.stderr);
    assert!(refused.stderr.contains("error[run-under-way]"), "{}", refused.stderr);
    let rollback = project.run(&["rollback", "--release", "--wait", "0s"]);
    assert!(rollback.stderr.contains("error[run-under-way]"), "{}", rollback.stderr);
    // Readers do not wait.
    assert_eq!(project.value("select count(*) from numbers"), "1");
    let mut second = Running::start(&project, &["run", "--wait", "10m"]);
    second.says("waiting for run ");
    std::fs::remove_file(project.path().join("models/endless.sql")).expect("it is there");
    signal_to(first.child.id(), "INT");
    let (code, said) = first.end();
    assert_eq!(code, 4, "{said}");
    let (code, said) = second.end();
    assert_eq!(code, 0, "{said}");
    assert_eq!(project.value("select count(*) from numbers"), "2");
}

/// The status of the newest run, once it is not under way any more.
fn ended(project: &Project) -> Json {
    for _ in 0..1_000 {
        let run = project.run(&["status", "--json"]).json()["runs"][0].clone();
        if run["status"] != "running" {
            return run;
        }
    }
    panic!("the run does not end")
}

#[test]
fn a_run_ends_with_its_command() {
    let project = tiny();
    project.run_json(0, &[]);
    let server = Server::start(&project);
    project.write("models/endless.sql", ENDLESS);
    for signal in ["INT", "KILL"] {
        let mut run = Running::start(&project, &["run", "--full-refresh"]);
        run.says("build   numbers");
        signal_to(run.child.id(), signal);
        if signal == "INT" {
            let (code, said) = run.end();
            assert_eq!(code, 4, "{said}");
            assert!(said.contains("error[cancelled]"), "{said}");
        }
        let run = ended(&project);
        assert_eq!(
            (&run["status"], &run["error"]["code"]),
            (&json!("failed"), &json!("cancelled")),
            "{signal}"
        );
    }
    assert_eq!(server.get("/api/v1/project")["publication"]["data_version"], 1);
    std::fs::remove_file(project.path().join("models/endless.sql")).expect("it is there");
    assert_eq!(project.run_json(0, &["--full-refresh"])["data_version"], 2);
}

#[test]
fn a_server_that_is_stopped_rolls_its_run_back() {
    let project = tiny();
    project.run_json(0, &[]);
    let server = Server::start(&project);
    project.write("models/endless.sql", ENDLESS);
    let mut run = Running::start(&project, &["run", "--full-refresh"]);
    run.says("build   numbers");
    let token = record(&project)["token"].clone();
    assert!(server.end("TERM").success());
    let (code, said) = run.end();
    assert_eq!(code, 4, "{said}");
    assert!(said.contains("error[cancelled]"), "{said}");
    assert!(!project.path().join(".millrace/server.json").exists());
    std::fs::remove_file(project.path().join("models/endless.sql")).expect("it is there");
    assert_eq!(project.run_json(0, &["--full-refresh"])["data_version"], 2);
    let _server = Server::start(&project);
    assert_ne!(record(&project)["token"], token, "each server has a token of its own");
}

#[test]
fn a_killed_server_takes_its_run_along() {
    let project = tiny();
    project.run_json(0, &[]);
    let server = Server::start(&project);
    project.write("models/endless.sql", ENDLESS);
    let mut run = Running::start(&project, &["run", "--full-refresh"]);
    run.says("build   numbers");
    server.end("KILL");
    let (code, said) = run.end();
    assert_eq!(code, 3, "{said}");
    assert!(said.contains("error[warehouse-unreachable]"), "{said}");
    std::fs::remove_file(project.path().join("models/endless.sql")).expect("it is there");
    assert_eq!(project.run_json(0, &["--full-refresh"])["data_version"], 2);
    let runs = project.run(&["status", "--json"]).json()["runs"].clone();
    let status: Vec<&Json> = runs.as_array().expect("runs").iter().map(|run| &run["status"]).collect();
    assert_eq!(status, ["succeeded", "failed", "succeeded"]);
}

#[test]
fn pages_move_when_a_run_publishes_beside_the_server() {
    let postgres = PostgresServer::shared();
    let project = tiny();
    write(&project, 1);
    let manifest = project.read("millrace.yml");
    let url = postgres.url(&postgres.database());
    project.write("millrace.yml", format!("{manifest}  prod: {{type: postgres, url: \"{url}\"}}\n"));
    project.run_json(0, &["--env", "prod"]);
    let server = Server::start_in(&project, "prod");
    server.page("numbers", &json!({}));
    let told = events(&server);
    // Another column: the page of the former project would fail.
    for rows in [10, 20] {
        write(&project, rows);
        let ended = project.run(&["run", "--env", "prod"]);
        assert_eq!(ended.code, 0, "{}", ended.stderr);
        assert!(!ended.stderr.contains("through the server"), "{}", ended.stderr);
        let mut next = || told.recv_timeout(Duration::from_secs(10)).expect("the open page is told");
        let (name, event) =
            std::iter::repeat_with(&mut next).find(|(name, _)| name != "project").expect("endless");
        assert_eq!((name.as_str(), &event["data_version"]), ("publish", &json!(rows / 10 + 1)));
        let lines = server.page("numbers", &json!({}));
        assert_eq!(lines[1]["result"]["total"]["total"], rows, "{lines:?}");
    }
}
