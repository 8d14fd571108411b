//! What happens during a run, for progress bars, logs and pages.

use std::sync::Arc;

use millrace_core::name::StreamName;
use serde::{Deserialize, Serialize};

use crate::state::run_summary::RunSummary;

/// A step of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StepKind {
    /// A stream is read and loaded.
    Load,
    /// A model is built.
    Build,
    /// Data tests run.
    Test,
    /// Tables are published.
    Publish,
}

impl StepKind {
    /// A verb for people.
    pub fn verb(self) -> &'static str {
        match self {
            Self::Load => "load",
            Self::Build => "build",
            Self::Test => "test",
            Self::Publish => "publish",
        }
    }
}

/// Something that happened. No cell value is ever among it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The run has the warehouse and is on record; what is known of it now.
    Begun(Box<RunSummary>),
    /// A step began.
    Started {
        /// What it does.
        kind: StepKind,
        /// To what.
        name: String,
    },
    /// Rows of the present load so far.
    Rows {
        /// The stream.
        name: String,
        /// Good rows.
        rows: u64,
    },
    /// A step ended well.
    Done {
        /// What it did.
        kind: StepKind,
        /// To what.
        name: String,
        /// What came of it, in words: `50,000 rows, 52 in quarantine`.
        outcome: String,
        /// How long it took.
        duration_ms: u64,
    },
    /// A step had nothing to do.
    Skipped {
        /// What it would have done.
        kind: StepKind,
        /// To what.
        name: String,
        /// Why not.
        reason: String,
    },
    /// The run waits for another one.
    Waiting {
        /// What it waits for: `run 20261123T140501-1a2b`, `a rollback`.
        other: String,
        /// Its process.
        holder: Option<crate::state::lease::Holder>,
    },
    /// Something that people should know of, as a diagnostic.
    Notice(Box<millrace_core::diagnostic::Diagnostic>),
}

/// Is told of events, in order, from the tasks of a run. Must return at once.
pub type Observer = Arc<dyn Fn(Event) + Send + Sync>;

/// An observer that hands all events on, notices as ones about the rows of a stream.
pub(crate) fn of_stream(stream: &StreamName, observer: &Observer) -> Observer {
    let (stream, observer) = (stream.clone(), Arc::clone(observer));
    Arc::new(move |event| {
        observer(match event {
            Event::Notice(diagnostic) => Event::Notice(Box::new(diagnostic.of_stream(&stream))),
            event => event,
        });
    })
}

/// Tells nobody.
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
