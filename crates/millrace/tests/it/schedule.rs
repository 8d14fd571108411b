//! Runs that start by themselves. The clock is the machine's: what lets a time of the schedule come is that the record of what was
//! dealt with goes back two years.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, ChildStdout, Stdio};

use millrace_connectors::duckdb::DuckdbWarehouse;
use millrace_engine::ports::warehouse::{Statement, Warehouse as _};
use millrace_testkit::postgres::PostgresServer;
use serde_json::{Value as Json, json};

use crate::both::with_prod;
use crate::millrace::{Project, binary, copy};
use crate::owner::Running;
use crate::server::Server;

/// The first moment of each year.
const YEARLY: &str = "schedule: {cron: \"@yearly\", time_zone: Europe/Paris";

/// A project of one number a row, in one of the warehouses.
struct Tiny {
    project: Project,
    database: Option<String>,
    env: &'static str,
}

impl Tiny {
    fn new(database: Option<String>) -> Self {
        let project = Project::of(&[
            (
                "millrace.yml",
                "name: tiny\nenvironments:\n  dev: {type: duckdb, path: .millrace/shop.duckdb}\n",
            ),
            ("sources/files.yml", "type: ndjson\npath: data/n.ndjson\nstreams: {n: {key: [id]}}\n"),
            ("data/n.ndjson", "{\"id\": 1}\n"),
            ("models/numbers.sql", "select id from files.n"),
            ("models/numbers.yml", "models: [{name: numbers, columns: [{name: id, data_tests: [unique]}]}]"),
        ]);
        if let Some(database) = &database {
            with_prod(&project, &PostgresServer::shared().url(database));
        }
        let env = if database.is_some() { "prod" } else { "dev" };
        let tiny = Self { project, database, env };
        tiny.add("schedule: {cron: \"@yearly\", time_zone: Europe/Paris}\n");
        tiny
    }

    fn add(&self, text: &str) {
        let mut manifest = self.project.read("millrace.yml");
        if text.starts_with("schedule:") {
            manifest.truncate(manifest.find("schedule:").unwrap_or(manifest.len()));
        }
        self.project.write("millrace.yml", manifest + text);
    }

    /// A server that has found nothing to make up for has noted since when it is there.
    fn begin(&self) {
        let server = Server::start_in(&self.project, self.env);
        let status = self.until_kept();
        assert_eq!(status["runs"], json!([]), "{status}");
        assert!(server.end("TERM").success());
    }

    /// What `status` says once a server keeps the schedule and waits for the next time.
    fn until_kept(&self) -> Json {
        for _ in 0..1000 {
            let status = self.status();
            if !status["schedule"]["next_run_at"].is_null() {
                return status;
            }
        }
        panic!("no server keeps the schedule: {}", self.status());
    }

    fn status(&self) -> Json {
        let ended = self.project.run(&["status", "--json", "--env", self.env]);
        assert_eq!(ended.code, 0, "{}", ended.stderr);
        ended.json()
    }

    /// Two years go by while nobody is there.
    fn time_goes_by(&self) {
        let sql = "update _millrace.schedule set handled_at = handled_at - interval '800 days'";
        match &self.database {
            Some(database) => _ = PostgresServer::shared().run(database, sql),
            None => {
                let file = self.project.path().join(".millrace/shop.duckdb");
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
                runtime.expect("a runtime").block_on(async {
                    let warehouse = DuckdbWarehouse::open(&file, []).expect("nobody has it");
                    let touched = warehouse.transact(&[Statement::new(sql)]).await.expect("time goes by");
                    assert_eq!(touched, [1]);
                });
            }
        }
    }

    fn handled(&self) -> String {
        let sql = "select cast(handled_at as varchar) from _millrace.schedule";
        self.project.rows_in(self.env, sql).remove(0).remove(0)
    }

    fn serve(&self, fault: Option<&str>) -> Serving {
        let mut command = binary();
        command.args(["serve", "--json", "--address", "127.0.0.1:0", "--env", self.env, "--project"]);
        if let Some(fault) = fault {
            command.env("MILLRACE_FAULT", fault);
        }
        let mut child = command
            .arg(self.project.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the binary starts");
        let lines = BufReader::new(child.stdout.take().expect("stdout"));
        let mut serving = Serving { child, lines };
        let line = serving.line().expect("a line");
        assert_eq!(line["status"], "serving", "{line}");
        serving
    }
}

/// A server whose stdout has a line for each run of the schedule.
struct Serving {
    child: Child,
    lines: BufReader<ChildStdout>,
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Serving {
    fn line(&mut self) -> Option<Json> {
        let mut line = String::new();
        let read = self.lines.read_line(&mut line).expect("text");
        (read > 0).then(|| serde_json::from_str(&line).expect("JSON"))
    }
}

/// Start of the year, in Paris, that went by last.
fn new_year(now: &str) -> String {
    let year: i32 = now[..4].parse().expect("a year");
    // The last hour of 31 December in UTC belongs to the new year there; no test runs then for long.
    format!("{}-12-31T23:00:00Z", year - 1)
}

fn a_server_killed_at_the_hour_runs_what_it_missed_once(tiny: &Tiny) {
    tiny.begin();
    tiny.time_goes_by();
    let long_ago = tiny.handled();
    // Killed in the middle of the run that makes up for it.
    let mut serving = tiny.serve(Some("model-built"));
    assert_eq!(serving.line(), None);
    assert_eq!(serving.child.wait().expect("it ends").signal(), Some(6));
    assert_eq!(tiny.handled(), long_ago, "a run that did not end has not dealt with it");
    // Whoever comes next runs once, for both years.
    let mut serving = tiny.serve(None);
    let summary = serving.line().expect("a run");
    let due = new_year(summary["started_at"].as_str().expect("a time"));
    assert_eq!(summary["status"], "succeeded", "{summary}");
    assert_eq!(summary["trigger"], json!({"kind": "catch_up", "scheduled_for": due, "attempt": 1}));
    drop(serving);
    // And no more after that.
    let _server = Server::start_in(&tiny.project, tiny.env);
    let status = tiny.until_kept();
    let runs = status["runs"].as_array().expect("runs");
    let statuses: Vec<&Json> = runs.iter().map(|run| &run["status"]).collect();
    assert_eq!(statuses, ["succeeded", "failed"], "{status}");
    let next = status["schedule"]["next_run_at"].as_str().expect("a time");
    assert!(next.ends_with("-12-31T23:00:00Z") && next > due.as_str(), "{next}");
}

fn what_was_missed_stays_so_where_the_project_says_so(tiny: &Tiny) {
    tiny.add(&format!("{YEARLY}, catch_up: false}}\n"));
    tiny.begin();
    tiny.time_goes_by();
    let arguments = ["serve", "--address", "127.0.0.1:0", "--env", tiny.env];
    let mut server = Running::start(&tiny.project, &arguments);
    let line = server.says("went by without a run");
    assert!(line.contains("-12-31T23:00:00Z"), "{line}");
    assert_eq!(tiny.until_kept()["runs"], json!([]));
}

#[test]
fn a_server_of_a_file_killed_at_the_hour_runs_what_it_missed_once() {
    a_server_killed_at_the_hour_runs_what_it_missed_once(&Tiny::new(None));
}

#[test]
fn a_server_of_postgres_killed_at_the_hour_runs_what_it_missed_once() {
    let database = PostgresServer::shared().database();
    a_server_killed_at_the_hour_runs_what_it_missed_once(&Tiny::new(Some(database)));
}

/// The second server waits while the first one runs, and then has nothing left to do.
#[test]
fn two_servers_run_a_time_once() {
    let tiny = Tiny::new(Some(PostgresServer::shared().database()));
    tiny.begin();
    tiny.time_goes_by();
    // Long enough for the other one to come.
    let slow = "{{ config(post_hook='update {{ this }} set id = id where exists (select 1 from pg_sleep(3))') }}select id from files.n";
    tiny.project.write("models/numbers.sql", slow);
    // A folder has one server; another machine has another folder.
    let other = Tiny { project: Project::empty(), database: tiny.database.clone(), env: tiny.env };
    copy(tiny.project.path(), other.project.path());
    let mut servers = [tiny.serve(None), other.serve(None)];
    let lines = servers.each_mut().map(|server| server.line().expect("a run"));
    let mut ends = lines.each_ref().map(|line| line["status"].as_str().unwrap_or_default());
    ends.sort_unstable();
    assert_eq!(ends, ["failed", "succeeded"], "{lines:?}");
    let code = |line: &Json| line["error"]["code"].as_str().map(str::to_owned);
    assert_eq!(lines.iter().filter_map(code).collect::<Vec<_>>(), ["run-elsewhere"]);
    assert_eq!(tiny.status()["runs"].as_array().map(Vec::len), Some(1));
}

#[test]
fn in_a_file_what_was_missed_stays_so_where_the_project_says_so() {
    what_was_missed_stays_so_where_the_project_says_so(&Tiny::new(None));
}

#[test]
fn in_postgres_what_was_missed_stays_so_where_the_project_says_so() {
    let database = PostgresServer::shared().database();
    what_was_missed_stays_so_where_the_project_says_so(&Tiny::new(Some(database)));
}

#[test]
fn a_server_told_to_leaves_the_schedule_alone() {
    let tiny = Tiny::new(None);
    tiny.begin();
    tiny.time_goes_by();
    let long_ago = tiny.handled();
    let arguments = ["serve", "--address", "127.0.0.1:0", "--no-schedule"];
    let mut server = Running::start(&tiny.project, &arguments);
    server.says("serving http://");
    let status = tiny.status();
    assert_eq!(
        status["schedule"],
        json!({"cron": "@yearly", "time_zone": "Europe/Paris", "next_run_at": null})
    );
    assert_eq!(tiny.handled(), long_ago);
    let text = tiny.project.run(&["status"]).stdout;
    assert!(text.contains("no server of this machine keeps the schedule"), "{text}");
}

/// Answers each request with the next status, and returns what was posted.
fn webhook(statuses: &'static [&'static str]) -> (String, std::thread::JoinHandle<Vec<(String, Json)>>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = format!("http://{}/hooks/s3cret", listener.local_addr().expect("an address"));
    let thread = std::thread::spawn(move || {
        let answer = |status: &&str| {
            let (mut stream, _) = listener.accept().expect("somebody calls");
            let mut reader = BufReader::new(stream.try_clone().expect("a stream"));
            let mut head = String::new();
            while !head.ends_with("\r\n\r\n") {
                assert!(reader.read_line(&mut head).expect("text") > 0, "{head}");
            }
            let length = head
                .lines()
                .find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
            let mut body = vec![0; length.expect("a length")];
            reader.read_exact(&mut body).expect("a body");
            let answer = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
            stream.write_all(answer.as_bytes()).expect("it is read");
            (head, serde_json::from_slice(&body).expect("JSON"))
        };
        statuses.iter().map(answer).collect()
    });
    (address, thread)
}

#[test]
fn a_webhook_is_told_of_a_run_that_is_held() {
    let tiny = Tiny::new(None);
    let (address, posted) = webhook(&["503 Service Unavailable", "204 No Content"]);
    tiny.add("notify: {webhook: \"${HOOK}\"}\n");
    tiny.project.write(".env", format!("HOOK={address}\n"));
    tiny.project.write("data/n.ndjson", "{\"id\": 7}\n{\"id\": 7}\n");
    tiny.begin();
    tiny.time_goes_by();
    let mut serving = tiny.serve(None);
    let summary = serving.line().expect("a run");
    assert_eq!(summary["status"], "held");
    let posted = posted.join().expect("it was told");
    let (head, notice) = &posted[1];
    assert!(head.starts_with("POST /hooks/s3cret HTTP/1.1\r\n"), "{head}");
    assert_eq!(&posted[0].1, notice, "the same again after an answer that may pass");
    assert_eq!((&notice["status"], &notice["run"]), (&json!("held"), &summary["run"]));
    assert_eq!((&notice["project"], &notice["environment"]), (&json!("tiny"), &json!("dev")));
    assert_eq!(notice["failed_tests"], json!([{"test": "unique(numbers.id)", "rows": 2}]));
    assert_eq!(notice["problems"][0]["code"], "test-failed", "{notice}");
    assert!(notice["text"].as_str().expect("a text").starts_with("tiny (dev): the run is held"), "{notice}");
}

#[test]
fn what_cannot_be_told_is_said_without_the_address() {
    let tiny = Tiny::new(None);
    let (address, posted) = webhook(&["404 Not Found"]);
    tiny.add(&format!("notify: {{webhook: \"{address}\", on: [published]}}\n"));
    tiny.begin();
    tiny.time_goes_by();
    let mut server = Running::start(&tiny.project, &["serve", "--address", "127.0.0.1:0"]);
    server.says("published data version 1");
    assert!(server.says("warning[webhook-failed]").contains("could not be told"));
    assert!(server.says("HTTP status 404").contains("cause"));
    assert_eq!(posted.join().expect("it was told")[0].1["status"], "published");
    crate::server::signal_to(server.child.id(), "TERM");
    let (code, rest) = server.end();
    assert!(code == 0 && !rest.contains("s3cret"), "{code}: {rest}");
}
