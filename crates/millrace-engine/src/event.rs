//! The events of a run, for progress bars, logs and pages.

use std::sync::Arc;

use millrace_core::name::StreamName;
use serde::{Deserialize, Serialize};

use crate::state::run_summary::RunSummary;

/// The kind of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StepKind {
    /// A stream is loaded.
    Load,
    /// A model is built.
    Build,
    /// All data tests run.
    Test,
    /// Tables are published.
    Publish,
}

impl StepKind {
    /// The step as a verb, for people.
    pub fn verb(self) -> &'static str {
        match self {
            Self::Load => "load",
            Self::Build => "build",
            Self::Test => "test",
            Self::Publish => "publish",
        }
    }
}

/// An event of a run. Never contains a cell value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The run holds the lease and is recorded. Carries its summary so far.
    Begun(Box<RunSummary>),
    /// A step began.
    Started {
        /// The kind of the step.
        kind: StepKind,
        /// The stream, the model, or what is tested or published.
        name: String,
    },
    /// Progress of the present load.
    Rows {
        /// The stream's name.
        name: String,
        /// Accepted rows so far.
        rows: u64,
    },
    /// A step succeeded.
    Done {
        /// The kind of the step.
        kind: StepKind,
        /// The stream, the model, or what was tested or published.
        name: String,
        /// The result in words: `50,000 rows, 52 in quarantine`.
        outcome: String,
        /// Duration in milliseconds.
        duration_ms: u64,
    },
    /// A step was not necessary.
    Skipped {
        /// The kind of the step.
        kind: StepKind,
        /// The stream, the model, or the project.
        name: String,
        /// Why it was not necessary.
        reason: String,
    },
    /// The run waits for another operation.
    Waiting {
        /// What it waits for: `run 20261123T140501-1a2b`, `a rollback`.
        other: String,
        /// The process of the other operation, if known.
        holder: Option<crate::state::lease::Holder>,
    },
    /// A warning for people.
    Notice(Box<millrace_core::diagnostic::Diagnostic>),
}

/// Receives events in order, from the tasks of a run. Must return at once, because it runs within
/// the step.
pub type Observer = Arc<dyn Fn(Event) + Send + Sync>;

/// An observer that forwards all events, and marks notices as concerning the rows of a stream.
pub(crate) fn of_stream(stream: &StreamName, observer: &Observer) -> Observer {
    let (stream, observer) = (stream.clone(), Arc::clone(observer));
    Arc::new(move |event| {
        observer(match event {
            Event::Notice(diagnostic) => Event::Notice(Box::new(diagnostic.of_stream(&stream))),
            event => event,
        });
    })
}

/// An observer that ignores all events.
pub fn silent() -> Observer {
    Arc::new(|_| {})
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use millrace_core::code::Code;
    use millrace_core::diagnostic::Diagnostic;

    use super::*;

    #[test]
    fn notices_are_about_the_stream_and_other_events_go_on_as_they_are() {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let all = Arc::clone(&seen);
        let observer: Observer = Arc::new(move |event| all.lock().expect("nobody panicked").push(event));
        let orders = StreamName::new("crm", "orders");
        let observer = of_stream(&orders, &observer);
        let notice = Diagnostic::warning(Code::StreamShrunk, "it has lost rows");
        let started = Event::Started { kind: StepKind::Load, name: "crm.orders".into() };
        observer(Event::Notice(Box::new(notice.clone())));
        observer(started.clone());
        let expected = [Event::Notice(Box::new(notice.of_stream(&orders))), started];
        assert_eq!(*seen.lock().expect("nobody panicked"), expected);
    }
}
