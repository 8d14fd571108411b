//! Who has the warehouse's file: `.millrace/server.json`, its lock, and what other commands do about it.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Child, ChildStderr, Stdio};

use serde_json::{Value as Json, json};

use crate::millrace::{Project, binary};
use crate::server::{Server, signal_to};

const RECORD: &str = ".millrace/server.json";
const FILE: &str = ".millrace/tiny.duckdb";

/// A model whose table takes longer than any test; the engine can be interrupted in it.
pub(crate) const ENDLESS: &str =
    "select sum(hash(a.range + b.range)) as n from range(1000000) as a, range(1000000) as b, numbers";

/// One number a row.
pub(crate) fn tiny() -> Project {
    Project::of(&[
        (
            "millrace.yml",
            "name: tiny\nenvironments:\n  dev: {type: duckdb, path: .millrace/tiny.duckdb}\n  other: {type: duckdb, path: .millrace/other.duckdb}\n",
        ),
        ("sources/files.yml", "type: ndjson\npath: data/n.ndjson\nstreams: {n: {key: [id]}}\n"),
        ("sources/files.schema.yml", "streams: {n: {columns: [{name: id, type: int64, nullable: false}]}}\n"),
        ("data/n.ndjson", "{\"id\": 1}\n"),
        ("models/numbers.sql", "select id from files.n"),
    ])
}

pub(crate) fn record(project: &Project) -> Json {
    serde_json::from_str(&project.read(RECORD)).expect("JSON")
}

fn is_there(project: &Project, path: &str) -> bool {
    project.path().join(path).exists()
}

/// Starts a command and leaves it running; its stderr can be read line by line.
pub(crate) struct Running {
    pub(crate) child: Child,
    stderr: BufReader<ChildStderr>,
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Running {
    pub(crate) fn start(project: &Project, arguments: &[&str]) -> Self {
        let mut command = binary();
        command.args(arguments).arg("--project").arg(project.path());
        let mut child =
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary starts");
        let stderr = BufReader::new(child.stderr.take().expect("stderr"));
        Self { child, stderr }
    }

    /// Reads on until a line with these words; returns it.
    pub(crate) fn says(&mut self, words: &str) -> String {
        let mut all = String::new();
        loop {
            let mut line = String::new();
            let read = self.stderr.read_line(&mut line).expect("text");
            assert!(read > 0, "it never said {words:?}: {all}");
            if line.contains(words) {
                return line;
            }
            all.push_str(&line);
        }
    }

    /// The exit code, and what it still had to say.
    pub(crate) fn end(mut self) -> (i32, String) {
        let mut rest = String::new();
        self.stderr.read_to_string(&mut rest).expect("text");
        (self.child.wait().expect("it ends").code().expect("it was not killed"), rest)
    }
}

/// Links in `/proc/N/fd` that lead to that file.
pub(crate) fn open_files(process: u32, ending: &str) -> usize {
    let links = std::fs::read_dir(format!("/proc/{process}/fd")).expect("Linux").flatten();
    links
        .filter_map(|link| std::fs::read_link(link.path()).ok())
        .filter(|target| target.to_string_lossy().ends_with(ending))
        .count()
}

#[test]
fn verbs_say_the_same_with_and_without_a_server() {
    let project = tiny();
    project.run_json(0, &[]);
    let verbs: [&[&str]; 5] = [
        &[
            "query",
            "--json",
            "select id, 0.1 as f, null as nothing, date '2024-02-29' as d, [1, 2] as list from numbers",
        ],
        &["status", "--json"],
        &["plan", "--json"],
        &["history", "--json"],
        &["query", "--json", "select nope from numbers"],
    ];
    let alone: Vec<(i32, String)> =
        verbs.iter().map(|verb| project.run(verb)).map(|ended| (ended.code, ended.stdout)).collect();
    let server = Server::start(&project);
    assert_eq!(open_files(server.process(), "tiny.duckdb"), 1);
    // Whoever opened the file here would meet the server's lock on it.
    for (verb, alone) in verbs.iter().zip(&alone) {
        let ended = project.run(verb);
        assert_eq!((ended.code, &ended.stdout), (alone.0, &alone.1), "{verb:?}: {}", ended.stderr);
    }
    let doctor = project.run(&["doctor"]);
    assert_eq!(doctor.code, 0, "{}", doctor.stdout);
    let has = format!("process {} has the warehouse", server.process());
    assert!(doctor.stdout.contains(&has), "{}", doctor.stdout);
}

#[test]
fn a_server_listens_where_the_project_says() {
    let free = || {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        listener.local_addr().expect("its address").to_string()
    };
    let (said, asked) = (free(), free());
    let manifest = "name: tiny\nenvironments: {dev: {type: duckdb, path: t.duckdb}}\n";
    let project = Project::of(&[("millrace.yml", &format!("{manifest}serve: {{address: \"{said}\"}}\n"))]);
    assert_eq!(Server::start_as_it_says(&mut binary(), &project, &[]).address(), said);
    assert_eq!(Server::start_as_it_says(&mut binary(), &project, &["--address", &asked]).address(), asked);
    project.write("millrace.yml", format!("{manifest}serve: {{address: here}}\n"));
    let refused = project.run(&["serve"]);
    assert_eq!(refused.code, 2, "{}", refused.stderr);
    assert!(refused.stderr.contains("`here` is no IP address and port"), "{}", refused.stderr);
}

#[test]
fn a_file_that_is_taken_from_a_server_is_told() {
    let project = tiny();
    project.run_json(0, &[]);
    project.write("data/n.ndjson", "{\"id\": 1}\n{\"id\": 2}\n");
    project.run_json(0, &[]);
    let server = Server::start(&project);
    let (file, aside) = (project.path().join(FILE), project.path().join("aside"));
    std::fs::rename(&file, &aside).expect("it is there");
    for verb in [
        &["run"][..],
        &["query", "select id from numbers"],
        &["run", "--full-refresh"],
        &["rollback"],
        &["rollback", "--release"],
        &["status"],
        &["history"],
    ] {
        let ended = project.run(verb);
        assert_eq!(ended.code, 3, "{verb:?}: {}", ended.stderr);
        assert!(ended.stderr.contains("error[warehouse-replaced]"), "{verb:?}: {}", ended.stderr);
        assert!(!file.exists(), "{verb:?} has made a new file");
    }
    assert_eq!(project.run(&["doctor"]).code, 3);
    for path in ["project", "runs", "quarantine"].map(|path| format!("/api/v1/{path}")) {
        let (status, body) = server.ask("GET", &path, &[], "");
        assert_eq!(status, 503, "{path}: {body}");
        assert!(body.contains("\"warehouse-replaced\""), "{path}: {body}");
    }
    // Another file in its place is no better.
    std::fs::copy(&aside, &file).expect("it is copied");
    assert_eq!(project.run(&["run"]).code, 3);
    std::fs::rename(&aside, &file).expect("it is there");
    project.run_json(0, &[]);
    assert!(server.end("TERM").success());
}

#[test]
fn the_record_is_private_and_goes_with_the_server() {
    let project = tiny();
    let server = Server::start(&project);
    let mode = std::fs::metadata(project.path().join(RECORD)).expect("it is there").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert_eq!(project.read(".millrace/.gitignore"), "*\n");
    let record = record(&project);
    assert_eq!(record["process"], server.process());
    assert_eq!(
        (&record["environment"], &record["version"]),
        (&json!("dev"), &json!(env!("CARGO_PKG_VERSION")))
    );
    assert_eq!(record["url"], format!("http://{}", server.address()));
    assert_eq!(record["token"].as_str().map(str::len), Some(64));
    assert!(record["address"].as_str().expect("an address").starts_with("127.0.0.1:"));
    assert!(server.end("TERM").success());
    assert!(!is_there(&project, RECORD));
    project.run_json(0, &[]);
}

#[test]
fn only_who_has_the_token_is_answered() {
    let project = tiny();
    let server = Server::start(&project);
    let record = record(&project);
    let address = record["address"].as_str().expect("an address");
    let token = record["token"].as_str().expect("a token");
    let ask = |headers: &str| {
        let mut stream = TcpStream::connect(address).expect("it listens");
        let request = format!("GET /control/v1/hello HTTP/1.0\r\n{headers}\r\n");
        stream.write_all(request.as_bytes()).expect("it reads");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("text");
        answer.split(' ').nth(1).and_then(|code| code.parse::<u16>().ok()).expect("a status")
    };
    let host = format!("Host: {address}\r\n");
    let bearer = format!("Authorization: Bearer {token}\r\n");
    assert_eq!(ask(&format!("{host}{bearer}")), 200);
    assert_eq!(ask(&host), 401);
    assert_eq!(
        ask(&format!("{host}Authorization: Bearer {}\r\n", token.replace('0', "1").to_uppercase())),
        401
    );
    assert_eq!(ask(&format!("{host}Authorization: Basic {token}\r\n")), 401);
    assert_eq!(ask(&format!("Host: localhost\r\n{bearer}")), 403);
    assert_eq!(ask(&bearer), 403);
    assert_eq!(ask(&format!("{host}{bearer}Origin: http://{address}\r\n")), 403);
    // The public address has none of it.
    let (status, _) =
        server.ask("GET", "/control/v1/hello", &[("Authorization", &format!("Bearer {token}"))], "");
    assert_eq!(status, 404);
}

#[test]
fn a_stale_record_is_removed() {
    let project = tiny();
    project.run_json(0, &[]);
    // The number of a living process, and no lock: somebody copied the folder, say.
    let stale = json!({
        "process": std::process::id(), "started_at": "2026-11-23T00:00:00Z", "address": "127.0.0.1:9", "token": "0",
        "version": env!("CARGO_PKG_VERSION"), "protocol": 1, "environment": "dev", "url": "http://127.0.0.1:9",
        "file": project.path().join(FILE),
    });
    project.write(RECORD, stale.to_string());
    assert_eq!(project.value("select count(*) from numbers"), "1");
    assert!(!is_there(&project, RECORD));
    project.write(RECORD, stale.to_string());
    let _server = Server::start(&project);
    assert_ne!(record(&project)["token"], "0");
}

#[test]
fn a_killed_server_is_no_obstacle() {
    let project = tiny();
    project.run_json(0, &[]);
    let server = Server::start(&project);
    assert!(!server.end("KILL").success());
    assert!(is_there(&project, RECORD), "it could not remove it");
    project.write("data/n.ndjson", "{\"id\": 1}\n{\"id\": 2}\n");
    let ended = project.run(&["run", "--json"]);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    assert!(!ended.stderr.contains("through the server"), "{}", ended.stderr);
    assert!(!is_there(&project, RECORD));
    let server = Server::start(&project);
    server.end("KILL");
    // The next server does not mind either.
    let server = Server::start(&project);
    assert_eq!(record(&project)["process"], server.process());
    assert_eq!(project.value("select count(*) from numbers"), "2");
}

#[test]
fn another_version_is_refused() {
    let project = tiny();
    let server = Server::start(&project);
    let own = record(&project);
    for (key, value) in [("version", json!("0.0.9")), ("protocol", json!(0))] {
        let mut other = own.clone();
        other[key] = value;
        project.write(RECORD, other.to_string());
        for verb in ["run", "status"] {
            let ended = project.run(&[verb]);
            assert_eq!(ended.code, 3, "{}", ended.stderr);
            assert!(ended.stderr.contains("error[server-version]"), "{}", ended.stderr);
            let hint = format!("hint: Stop it (`kill {}`)", server.process());
            assert!(ended.stderr.contains(&hint), "{}", ended.stderr);
        }
    }
    project.write(RECORD, own.to_string());
    assert_eq!(project.run(&["status"]).code, 0);
}

#[test]
fn a_second_server_says_who_serves() {
    let project = tiny();
    let server = Server::start(&project);
    let second = project.run(&["serve", "--address", "127.0.0.1:0"]);
    assert_eq!(second.code, 3, "{}", second.stderr);
    let says = format!(
        "process {} serves environment `dev` already, at http://{}",
        server.process(),
        server.address()
    );
    assert!(second.stderr.contains(&says), "{}", second.stderr);
    // The one that is there has lost nothing by it.
    assert_eq!(record(&project)["process"], server.process());
    // Another environment is another warehouse, with a server of its own.
    let other = Server::start_in(&project, "other");
    assert!(is_there(&project, ".millrace/server.other.json"));
    let ended = project.run(&["run", "--env", "other"]);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    let through = format!("through the server of process {}, environment `other`", other.process());
    assert!(ended.stderr.contains(&through), "{}", ended.stderr);
    assert_eq!(project.run(&["status", "--json"]).json()["publication"], Json::Null);
    assert_eq!(project.rows_in("other", "select count(*) from numbers"), [["1"]]);
}

#[test]
fn who_comes_during_a_run_waits() {
    let project = tiny();
    project.run_json(0, &[]);
    project.write("models/endless.sql", ENDLESS);
    project.write("data/n.ndjson", "{\"id\": 1}\n{\"id\": 2}\n");
    let mut run = Running::start(&project, &["run"]);
    run.says("build   numbers");
    let held = format!("is held by process {} (`millrace`)", run.child.id());
    let impatient = project.run(&["status", "--wait", "0s"]);
    assert_eq!(impatient.code, 3, "{}", impatient.stderr);
    assert!(impatient.stderr.contains("error[warehouse-locked]"), "{}", impatient.stderr);
    assert!(impatient.stderr.contains(&held), "{}", impatient.stderr);
    let mut query = Running::start(&project, &["query", "select count(*) from numbers"]);
    assert!(query.says("waiting: ").contains(&held));
    let mut server = Running::start(&project, &["serve", "--address", "127.0.0.1:0"]);
    assert!(server.says("waiting: ").contains(&held));
    signal_to(run.child.id(), "TERM");
    let (code, said) = run.end();
    assert_eq!(code, 4, "{said}");
    assert!(said.contains("error[cancelled]"), "{said}");
    server.says("serving http://127.0.0.1:");
    let (code, said) = query.end();
    assert_eq!((code, said.as_str()), (0, "1 row\n"));
    assert_eq!(record(&project)["process"], server.child.id());
    assert_eq!(
        project.value("select count(*) from numbers"),
        "1",
        "nothing of the stopped run was published"
    );
}

#[test]
fn a_rollback_goes_through_the_server() {
    let project = tiny();
    project.run_json(0, &[]);
    project.write("data/n.ndjson", "{\"id\": 1}\n{\"id\": 2}\n");
    project.run_json(0, &[]);
    let server = Server::start(&project);
    let ended = project.run(&["rollback", "--json"]);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    assert_eq!((&ended.json()["data_version"], &ended.json()["rollback_to"]), (&json!(3), &json!(1)));
    assert_eq!(server.get("/api/v1/project")["publication"]["data_version"], 3);
    assert_eq!(project.value("select count(*) from numbers"), "1");
    let unknown = project.run(&["rollback", "--to", "77"]);
    assert_eq!(unknown.code, 2, "{}", unknown.stderr);
    assert!(unknown.stderr.contains("error[no-publication]"), "{}", unknown.stderr);
    assert_eq!(project.run(&["rollback", "--release"]).code, 0);
}
