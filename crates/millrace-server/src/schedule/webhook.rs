//! Tells a webhook how a run of the schedule has ended.
//!
//! One `POST` of one JSON document. Its `text` is a sentence or two for people, which is what chat systems show; the other keys are for
//! programs. No cell value and no secret is in it.

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

/// How long an answer may take.
const TIME_LIMIT: Duration = Duration::from_secs(10);
/// Pauses before further tries, where the other side does not answer or says that it is its own fault.
const PAUSES: [Duration; 3] = [Duration::from_millis(250), Duration::from_secs(5), Duration::from_secs(25)];
/// Failed tests that are named.
const MOST_TESTS: usize = 20;

/// What a webhook is told.
#[derive(Debug, Serialize)]
pub(super) struct Notice {
    /// For people.
    text: String,
    project: String,
    environment: String,
    pub(super) status: NotifyOn,
    /// The run's id; none where it never began.
    run: Option<String>,
    trigger: Trigger,
    /// RFC 3339, UTC.
    started_at: Option<String>,
    finished_at: Option<String>,
    /// What readers see now.
    data_version: Option<u64>,
    /// What went wrong, each with its code, as `millrace run` says it.
    problems: Vec<ErrorObject>,
    /// What the run told while it ran, each with its code: columns that have come or gone, streams that have shrunk, quarantine that grew.
    notices: Vec<ErrorObject>,
    /// Data tests of severity `error` that found rows; 20 at most.
    failed_tests: Vec<FailedTest>,
}

#[derive(Debug, Serialize)]
struct FailedTest {
    test: String,
    rows: u64,
}

/// What there is to tell; none of a run that was stopped.
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

fn status(ran: &Ran) -> Option<NotifyOn> {
    match ran.summary.status {
        RunStatus::Failed => Some(NotifyOn::Failed),
        // Whoever rolled back knows.
        RunStatus::Held if matches!(ran.summary.held, Some(HeldBy::Rollback { .. })) => None,
        RunStatus::Held => Some(NotifyOn::Held),
        RunStatus::Succeeded => Some(NotifyOn::Published),
        RunStatus::Unchanged => Some(NotifyOn::Unchanged),
        RunStatus::Running => None,
    }
}

fn problems(ran: &Ran) -> Vec<Diagnostic> {
    match &ran.error {
        Some(error) => vec![error.to_diagnostic()],
        None => ran.findings.clone(),
    }
}

/// Posts it, again where that may help. Says why not without the address, which may be a secret.
pub(super) async fn post(address: &str, notice: &Notice) -> Result<(), String> {
    let body = serde_json::to_string(notice).map_err(|error| error.to_string())?;
    let mut pauses = PAUSES.into_iter();
    loop {
        let (address, body) = (address.to_owned(), body.clone());
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

struct Failure {
    cause: String,
    may_pass: bool,
}

fn once(address: &str, body: &str) -> Result<(), Failure> {
    let request = agent().post(address).header("content-type", "application/json");
    match request.send(body) {
        Ok(_) => Ok(()),
        Err(ureq::Error::StatusCode(status)) => Err(Failure {
            cause: format!("it answered with HTTP status {status}"),
            may_pass: status >= 500 || status == 429,
        }),
        // The address is in none of the messages that are left.
        Err(ureq::Error::BadUri(_)) => {
            Err(Failure { cause: "its address cannot be read".to_owned(), may_pass: false })
        }
        Err(error) => Err(Failure { cause: error.to_string(), may_pass: true }),
    }
}

/// Trusts Mozilla's roots, which the program brings along, and those of the system. A redirect is an answer, and no success.
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
