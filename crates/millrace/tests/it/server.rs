//! `millrace serve`, and a client of a few lines.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, ExitStatus, Stdio};

use serde_json::{Value as Json, json};

use crate::millrace::{Project, binary};

/// A server on a free port; ends with the value.
pub(crate) struct Server {
    child: Child,
    address: String,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Server {
    pub(crate) fn start(project: &Project) -> Self {
        Self::start_with(project, &[])
    }

    /// On another environment than the first.
    pub(crate) fn start_in(project: &Project, env: &str) -> Self {
        Self::start_with(project, &["--env", env])
    }

    fn start_with(project: &Project, more: &[&str]) -> Self {
        Self::start_by(&mut binary(), project, more)
    }

    /// By a command of one's own: with other environment variables, say.
    pub(crate) fn start_by(command: &mut Command, project: &Project, more: &[&str]) -> Self {
        let more = [&["--address", "127.0.0.1:0"], more].concat();
        Self::start_as_it_says(command, project, &more)
    }

    /// On the address that the project names, where the arguments name none.
    pub(crate) fn start_as_it_says(command: &mut Command, project: &Project, more: &[&str]) -> Self {
        let mut child = command
            .args(["serve", "--json"])
            .args(more)
            .arg("--project")
            .arg(project.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the binary starts");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("stdout")).read_line(&mut line).expect("it says something");
        let said: Json = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line:?}"));
        let address = said["url"].as_str().expect("its address").trim_start_matches("http://").to_owned();
        Self { child, address }
    }

    /// Its process number.
    pub(crate) fn process(&self) -> u32 {
        self.child.id()
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// Sends it a signal, and waits for its end.
    pub(crate) fn end(mut self, signal: &str) -> ExitStatus {
        signal_to(self.process(), signal);
        self.child.wait().expect("it ends")
    }

    /// Status and body. HTTP/1.0, so that the body ends with the connection.
    pub(crate) fn ask(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> (u16, String) {
        let mut stream = TcpStream::connect(&self.address).expect("it listens");
        let mut request = format!("{method} {path} HTTP/1.0\r\nContent-Length: {}\r\n", body.len());
        if !headers.iter().any(|(name, _)| *name == "Host") {
            request.push_str(&format!("Host: {}\r\n", self.address));
        }
        if !body.is_empty() {
            request.push_str("Content-Type: application/json\r\n");
        }
        for (name, value) in headers {
            request.push_str(&format!("{name}: {value}\r\n"));
        }
        stream.write_all(format!("{request}\r\n{body}").as_bytes()).expect("it reads");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("it answers in text");
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
        let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).expect("a status");
        (status, body.to_owned())
    }

    pub(crate) fn get(&self, path: &str) -> Json {
        let (status, body) = self.ask("GET", path, &[], "");
        assert_eq!(status, 200, "{path}: {body}");
        serde_json::from_str(&body).expect("JSON")
    }

    /// The lines of a page's data.
    pub(crate) fn page(&self, dashboard: &str, choice: &Json) -> Vec<Json> {
        let path = format!("/api/v1/dashboards/{dashboard}/data");
        let (status, body) = self.ask("POST", &path, &[], &choice.to_string());
        assert_eq!(status, 200, "{body}");
        body.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
    }

    /// The answer to a question about metrics.
    pub(crate) fn metrics(&self, question: &Json) -> Json {
        let (status, body) = self.ask("POST", "/api/v1/metrics/query", &[], &question.to_string());
        assert_eq!(status, 200, "{body}");
        serde_json::from_str(&body).expect("JSON")
    }
}

/// Sends a process a signal: `TERM`, `INT`, `KILL`.
pub(crate) fn signal_to(process: u32, signal: &str) {
    let sent = Command::new("kill").arg(format!("-{signal}")).arg(process.to_string()).status();
    assert!(sent.expect("kill starts").success(), "no process {process}");
}

#[test]
fn another_address_needs_authentication() {
    let project = Project::shop();
    let ended = project.run(&["serve", "--address", "0.0.0.0:0"]);
    assert_eq!(ended.code, 2, "{}", ended.stderr);
    assert!(ended.stderr.contains("error[auth-required]"), "{}", ended.stderr);
}

#[test]
fn a_token_is_asked_for_where_the_project_has_one() {
    let project = Project::shop();
    project.run_json(0, &[]);
    let manifest = project.read("millrace.yml") + "\nserve:\n  auth: {token: \"${SHOP_TOKEN}\"}\n";
    project.write("millrace.yml", manifest);
    let ended = project.run(&["serve", "--address", "127.0.0.1:0"]);
    assert_eq!(ended.code, 2, "a token that is not set is an error: {}", ended.stderr);
    project.write(".env", "SHOP_TOKEN=tr0ub4dor\n");
    let server = Server::start(&project);
    assert_eq!(server.ask("GET", "/api/v1/project", &[], "").0, 401);
    assert_eq!(server.ask("GET", "/healthz", &[], "").0, 200);
    let (status, _) = server.ask("GET", "/api/v1/project", &[("Authorization", "Bearer wrong")], "");
    assert_eq!(status, 401);
    let (status, _) = server.ask("GET", "/api/v1/project", &[("Authorization", "Bearer tr0ub4dor")], "");
    assert_eq!(status, 200);
    let (status, _) = server.ask("GET", "/healthz", &[("Host", "evil.example")], "");
    assert_eq!(status, 403);
}

#[test]
fn a_project_that_never_ran_says_so() {
    let project = Project::shop();
    let server = Server::start(&project);
    let answer = server.get("/api/v1/project");
    assert_eq!(answer["publication"], json!(null));
    let (status, body) = server.ask("POST", "/api/v1/dashboards/sales/data", &[], "{}");
    assert_eq!(status, 409, "{body}");
}
