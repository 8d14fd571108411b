//! Diagnostics for a run that ended without an error: failed data tests, and what holds the run.

use millrace_core::code::Code;
use millrace_core::diagnostic::Diagnostic;

use crate::compile::compiled::Compiled;
use crate::state::run_summary::{HeldBy, RunNotice, RunSummary};
use crate::state::test_result::TestResult;

/// Each data test with failing rows, at its place in the project, followed by what else holds the
/// run.
pub fn findings(compiled: &Compiled, summary: &RunSummary) -> Vec<Diagnostic> {
    let tests = summary.tests.iter().filter(|result| result.rows > 0);
    let mut found: Vec<Diagnostic> = tests.map(|result| of_test(compiled, result)).collect();
    if let Some(HeldBy::Sources { problems }) = &summary.held {
        found.extend(problems.iter().map(of_problem));
    }
    found.extend(summary.held.as_ref().and_then(of_hold));
    found
}

/// A problem of a source, as an error. The record has only the text of the code.
fn of_problem(problem: &RunNotice) -> Diagnostic {
    let code = Code::ALL.iter().copied().find(|code| code.as_str() == problem.code);
    let diagnostic = Diagnostic::error(code.unwrap_or(Code::SourceUnreadable), &problem.message);
    diagnostic.maybe_hint(problem.hint.clone())
}

/// A data test with failing rows: an error if it holds the publish, otherwise a warning.
fn of_test(compiled: &Compiled, result: &TestResult) -> Diagnostic {
    let rows = if result.rows == 1 { "1 row".to_owned() } else { format!("{} rows", result.rows) };
    let message = format!("data test `{}` failed for {rows}", result.test);
    let diagnostic = if result.holds() {
        Diagnostic::error(Code::TestFailed, message)
    } else {
        Diagnostic::warning(Code::TestFailed, message)
    };
    let diagnostic = match compiled.tests.iter().find(|test| test.name() == result.test) {
        Some(test) => diagnostic.at(test.span.clone(), test.derived_from.clone().unwrap_or_default()),
        None => diagnostic,
    };
    diagnostic.hint("`millrace status --rows` shows some of them.")
}

/// What holds a run, except data tests and sources, which are reported one by one.
fn of_hold(held: &HeldBy) -> Option<Diagnostic> {
    Some(match held {
        HeldBy::Tests | HeldBy::Sources { .. } => return None,
        HeldBy::Blocked { what, hint } => what.iter().fold(
            Diagnostic::error(Code::PublishBlocked, "the run is built and tested, but cannot be published")
                .hint(hint),
            Diagnostic::caused_by,
        ),
        HeldBy::Rollback { publication } => {
            let message = format!("somebody has rolled back to what is data version {publication} now");
            Diagnostic::error(Code::RolledBack, message)
                .hint("`millrace rollback --release` lets the next run publish.")
        }
    })
}
