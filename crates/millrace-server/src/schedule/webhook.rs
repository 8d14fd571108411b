//! Posts the outcome of a scheduled run to a webhook.
//!
//! One `POST` with one JSON document. Its `text` is a sentence or two for people, which chat
//! systems show; the other keys are for programs. The document contains no cell values and no
//! secrets. The address may itself be a secret, so it never appears in an error.

use std::sync::OnceLock;
use std::time::Duration;

use millrace_core::diagnostic::Diagnostic;
use millrace_core::project::schedule::NotifyOn;
use millrace_core::quality::TestSeverity;
use millrace_engine::compile::compiled::Compiled;
use millrace_engine::run::{HeldBy, RunStatus};
use millrace_engine::state::trigger::Trigger;
use serde::Serialize;
use tokio::time::sleep;
use ureq::Agent;
use ureq::tls::{Certificate, RootCerts, TlsConfig};

use crate::runs::{Ran, RunEnd};
use crate::wire::error::ErrorObject;

/// Timeout of one try, from connecting to the end of the answer.
const TIME_LIMIT: Duration = Duration::from_secs(10);
/// Backoff before each retry. Only temporary failures are retried: no answer, status 429, or 5xx.
const PAUSES: [Duration; 3] = [Duration::from_millis(250), Duration::from_secs(5), Duration::from_secs(25)];
/// Largest number of failed tests that are listed.
const MOST_TESTS: usize = 20;

/// The JSON document.
#[derive(Debug, Serialize)]
pub(super) struct Notice {
    /// The outcome in words, for people.
    text: String,
    project: String,
    environment: String,
    pub(super) status: NotifyOn,
    /// Id of the run; `None` if it did not begin.
    run: Option<String>,
    trigger: Trigger,
    /// RFC 3339, UTC; `None` if the run did not begin.
    started_at: Option<String>,
    /// RFC 3339, UTC.
    finished_at: Option<String>,
    /// The data version that readers saw when the run ended.
    data_version: Option<u64>,
    /// What went wrong, each with its code, in the words of `millrace run`.
    problems: Vec<ErrorObject>,
    /// Notices of the run, each with its code: added and dropped columns, streams that have shrunk,
    /// quarantine that has grown.
    notices: Vec<ErrorObject>,
    /// Data tests of severity `error` that found rows; at most 20.
    failed_tests: Vec<FailedTest>,
}

/// A data test, and how many rows it found.
#[derive(Debug, Serialize)]
struct FailedTest {
    test: String,
    rows: u64,
}

/// Builds the document of a run that has ended. Returns `None` if nobody needs to be told, see
/// [`status`].
pub(super) fn notice(compiled: &Compiled, trigger: &Trigger, end: &RunEnd) -> Option<Notice> {
    let (status, problems) = match end {
        RunEnd::Refused(error) => (NotifyOn::Failed, vec![error.to_diagnostic()]),
        RunEnd::Unsound(unsound) => (NotifyOn::Failed, unsound.diagnostics.clone()),
        RunEnd::Ran(ran) => (status(ran)?, problems(ran)),
    };
    let summary = match end {
        RunEnd::Ran(ran) => Some(&ran.summary),
        _ => None,
    };
    let project = compiled.project.manifest.name.clone();
    let environment = compiled.environment.clone();
    let problems: Vec<ErrorObject> = problems.iter().map(ErrorObject::from).collect();
    let outcome = match status {
        NotifyOn::Failed => "the run has failed; readers see what they saw before",
        NotifyOn::Held => "the run is held: nothing was published, readers see what they saw before",
        NotifyOn::Published => "new data is published",
        NotifyOn::Unchanged => "nothing is new",
    };
    let mut text = format!("{project} ({environment}): {outcome}.");
    if let Some(first) = problems.first() {
        text.push_str(&format!(" {}", first.message));
        if problems.len() > 1 {
            text.push_str(&format!(" (and {} more)", problems.len() - 1));
        }
    }
    let notices: Vec<ErrorObject> =
        summary.into_iter().flat_map(|summary| &summary.notices).map(ErrorObject::from).collect();
    if let Some(first) = notices.first() {
        text.push_str(&format!(" Note: {}", first.message));
        if notices.len() > 1 {
            text.push_str(&format!(" (and {} more)", notices.len() - 1));
        }
    }
    let tests = summary.map(|summary| summary.tests.as_slice()).unwrap_or_default();
    let failed = tests.iter().filter(|test| test.severity == TestSeverity::Error && test.rows > 0);
    Some(Notice {
        text,
        project,
        environment,
        status,
        run: summary.map(|summary| summary.run.clone()),
        trigger: trigger.clone(),
        started_at: summary.map(|summary| summary.started_at.clone()),
        finished_at: summary.and_then(|summary| summary.finished_at.clone()),
        data_version: summary.and_then(|summary| summary.data_version),
        problems,
        notices,
        failed_tests: failed
            .take(MOST_TESTS)
            .map(|test| FailedTest { test: test.test.clone(), rows: test.rows })
            .collect(),
    })
}

/// The outcome for the webhook. Returns `None` for a run that is held by a rollback or has not
/// ended.
fn status(ran: &Ran) -> Option<NotifyOn> {
    match ran.summary.status {
        RunStatus::Failed => Some(NotifyOn::Failed),
        // Whoever rolled back knows that runs are held.
        RunStatus::Held if matches!(ran.summary.held, Some(HeldBy::Rollback { .. })) => None,
        RunStatus::Held => Some(NotifyOn::Held),
        RunStatus::Succeeded => Some(NotifyOn::Published),
        RunStatus::Unchanged => Some(NotifyOn::Unchanged),
        RunStatus::Running => None,
    }
}

/// The error that ended the run, or else its findings.
fn problems(ran: &Ran) -> Vec<Diagnostic> {
    match &ran.error {
        Some(error) => vec![error.to_diagnostic()],
        None => ran.findings.clone(),
    }
}

/// Posts the document, with retries after temporary failures. The error is the cause in words,
/// without the address.
pub(super) async fn post(address: &str, notice: &Notice) -> Result<(), String> {
    let body = serde_json::to_string(notice).map_err(|error| error.to_string())?;
    let mut pauses = PAUSES.into_iter();
    loop {
        let (address, body) = (address.to_owned(), body.clone());
        // The HTTP client blocks.
        let tried = tokio::task::spawn_blocking(move || once(&address, &body)).await;
        let failure = match tried {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(failure)) => failure,
            Err(error) => return Err(error.to_string()),
        };
        match pauses.next().filter(|_| failure.may_pass) {
            Some(pause) => sleep(pause).await,
            None => return Err(failure.cause),
        }
    }
}

/// Why one try failed.
struct Failure {
    /// The cause in words, without the address.
    cause: String,
    /// Whether a retry may succeed.
    may_pass: bool,
}

/// One try, blocking. Every status but those of 200 to 299 is a failure: a redirect is not followed,
/// so the notice has not arrived.
fn once(address: &str, body: &str) -> Result<(), Failure> {
    let answered = |status: u16| Failure {
        cause: format!("it answered with HTTP status {status}"),
        may_pass: status >= 500 || status == 429,
    };
    let request = agent().post(address).header("content-type", "application/json");
    match request.send(body) {
        Ok(answer) if answer.status().is_success() => Ok(()),
        Ok(answer) => Err(answered(answer.status().as_u16())),
        Err(ureq::Error::StatusCode(status)) => Err(answered(status)),
        // The message of `BadUri` repeats the address; no other message does.
        Err(ureq::Error::BadUri(_)) => {
            Err(Failure { cause: "its address cannot be read".to_owned(), may_pass: false })
        }
        Err(error) => Err(Failure { cause: error.to_string(), may_pass: true }),
    }
}

/// The HTTP client, shared by all calls. It trusts Mozilla's root certificates, which are built
/// into the program, and those of the system. It does not follow redirects: ureq then returns a 3xx
/// answer as it is, whatever `max_redirects_will_error` says.
fn agent() -> &'static Agent {
    static AGENT: OnceLock<Agent> = OnceLock::new();
    AGENT.get_or_init(|| {
        let brought = webpki_root_certs::TLS_SERVER_ROOT_CERTS.iter().cloned();
        let system = rustls_native_certs::load_native_certs().certs;
        let roots: Vec<Certificate<'static>> =
            brought.chain(system).map(|der| Certificate::from_der(&der).to_owned()).collect();
        let tls = TlsConfig::builder().root_certs(RootCerts::new_with_certs(&roots)).build();
        let config = Agent::config_builder()
            .tls_config(tls)
            .timeout_global(Some(TIME_LIMIT))
            .max_redirects(0)
            .max_redirects_will_error(true)
            .user_agent(concat!("millrace/", env!("CARGO_PKG_VERSION")))
            .build();
        config.into()
    })
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::TcpListener;

    use super::*;

    /// Answers one request with that status, and posts to it.
    fn posted_to(status: &str) -> Result<(), Failure> {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = format!("http://{}/hook", listener.local_addr().expect("an address"));
        let head = format!(
            "HTTP/1.1 {status}\r\nlocation: /elsewhere\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
        );
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().expect("a call");
            let mut request = Vec::new();
            let mut part = [0; 1024];
            while !request.ends_with(b"{}") {
                let read = stream.read(&mut part).expect("a request");
                assert!(read > 0, "the request has ended early");
                request.extend_from_slice(&part[..read]);
            }
            stream.write_all(head.as_bytes()).expect("an answer");
        });
        let outcome = once(&address, "{}");
        server.join().expect("it answered");
        outcome
    }

    #[test]
    fn only_a_success_is_a_delivery() {
        for (status, may_pass) in [
            ("200 OK", None),
            ("204 No Content", None),
            ("302 Found", Some(false)),
            ("307 Temporary Redirect", Some(false)),
            ("304 Not Modified", Some(false)),
            ("404 Not Found", Some(false)),
            ("429 Too Many Requests", Some(true)),
            ("503 Service Unavailable", Some(true)),
        ] {
            let outcome = posted_to(status);
            assert_eq!(outcome.as_ref().err().map(|failure| failure.may_pass), may_pass, "{status}");
            if let Err(failure) = outcome {
                assert!(failure.cause.contains(&status[..3]), "{status}: {}", failure.cause);
            }
        }
    }
}
