//! Collects the warnings of a run for its record.

use std::sync::{Arc, Mutex, PoisonError};

use crate::event::{Event, Observer};
use crate::state::run_summary::RunNotice;

/// The notices of a run so far. Clones share the list.
#[derive(Debug, Clone, Default)]
pub(crate) struct Notices(Arc<Mutex<Vec<RunNotice>>>);

impl Notices {
    /// An observer that forwards all events and keeps the notices among them, each once.
    pub(crate) fn keeping(&self, observer: &Observer) -> Observer {
        let (kept, observer) = (self.clone(), Arc::clone(observer));
        Arc::new(move |event| {
            if let Event::Notice(diagnostic) = &event {
                kept.keep(RunNotice::of(diagnostic));
            }
            observer(event);
        })
    }

    fn keep(&self, notice: RunNotice) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !kept.contains(&notice) {
            kept.push(notice);
        }
    }

    /// All notices, in order.
    pub(crate) fn all(&self) -> Vec<RunNotice> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[cfg(test)]
mod tests {
    use millrace_core::code::Code;
    use millrace_core::diagnostic::Diagnostic;

    use super::*;
    use crate::event::StepKind;

    #[test]
    fn notices_are_kept_once_and_all_events_go_on() {
        let told = Arc::new(Mutex::new(0));
        let count = Arc::clone(&told);
        let notices = Notices::default();
        let observer =
            notices.keeping(&(Arc::new(move |_| *count.lock().expect("nobody panicked") += 1) as Observer));
        let notice = |message: &str| {
            let diagnostic =
                Diagnostic::warning(Code::SchemaDrift, message).caused_by("it moved").hint("Look.");
            Event::Notice(Box::new(diagnostic))
        };
        observer(notice("a"));
        observer(Event::Started { kind: StepKind::Load, name: "s.t".into() });
        observer(notice("b"));
        observer(notice("a"));
        assert_eq!(*told.lock().expect("nobody panicked"), 4);
        let messages: Vec<String> = notices.all().into_iter().map(|notice| notice.message).collect();
        assert_eq!(messages, ["a: it moved", "b: it moved"]);
        assert_eq!(notices.all()[0].hint.as_deref(), Some("Look."));
    }
}
