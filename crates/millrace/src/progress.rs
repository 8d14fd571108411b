//! Progress of a run on stderr: a spinner on a terminal, and one line for each finished step.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use millrace_core::project::SourceTexts;
use millrace_core::render;
use millrace_core::visible::grouped;
use millrace_engine::event::{Event, Observer, StepKind};

use crate::terminal;

/// An observer that writes events to stderr. `texts` are the files that notices point into. The
/// spinner is removed before each line, so that they do not overlap.
pub(crate) fn observer(texts: SourceTexts) -> Observer {
    let bar: Mutex<Option<ProgressBar>> = Mutex::new(None);
    let watched = terminal::is_watched();
    Arc::new(move |event| {
        let mut bar = bar.lock().unwrap_or_else(PoisonError::into_inner);
        match event {
            Event::Started { kind, name } if watched => *bar = Some(spinner(kind, &name)),
            Event::Rows { rows, .. } => {
                if let Some(bar) = &*bar {
                    bar.set_message(format!("{} rows", grouped(rows)));
                }
            }
            Event::Done { kind, name, outcome, duration_ms } => {
                clear(&mut bar);
                line("✓", kind, &name, &outcome, Some(duration_ms));
            }
            Event::Skipped { kind, name, reason } => {
                clear(&mut bar);
                line("·", kind, &name, &reason, None);
            }
            Event::Waiting { other, holder } => {
                clear(&mut bar);
                let who = holder.map(|holder| format!(" (process {} on `{}`)", holder.process, holder.host));
                terminal::note(&format!("waiting for {other}{}", who.unwrap_or_default()));
            }
            Event::Notice(diagnostic) => {
                clear(&mut bar);
                terminal::note(&render::to_terminal(&diagnostic, &texts, terminal::color()));
            }
            // Without a terminal there is no spinner; the line of the finished step is enough.
            Event::Begun(_) | Event::Started { .. } => {}
        }
    })
}

/// Starts a spinner for a step.
fn spinner(kind: StepKind, name: &str) -> ProgressBar {
    let bar = ProgressBar::new_spinner();
    if let Ok(style) = ProgressStyle::with_template("{spinner} {prefix}  {msg}  {elapsed}") {
        bar.set_style(style);
    }
    bar.set_prefix(step(kind, name));
    bar.enable_steady_tick(Duration::from_millis(100));
    bar
}

fn clear(bar: &mut Option<ProgressBar>) {
    if let Some(bar) = bar.take() {
        bar.finish_and_clear();
    }
}

/// Verb and name of a step, padded to columns.
fn step(kind: StepKind, name: &str) -> String {
    format!("{:<7} {name:<24}", kind.verb())
}

/// Prints the line of a finished or skipped step.
fn line(mark: &str, kind: StepKind, name: &str, outcome: &str, duration_ms: Option<u64>) {
    let time = duration_ms.map(|ms| format!("  {}", duration(ms))).unwrap_or_default();
    terminal::note(&format!("{mark} {}  {outcome}{time}", step(kind, name)));
}

/// A duration for people: `340 ms`, `1.2 s` or `3 min 5 s`.
pub(crate) fn duration(ms: u64) -> String {
    match ms {
        0..1_000 => format!("{ms} ms"),
        1_000..60_000 => format!("{:.1} s", ms as f64 / 1_000.0),
        _ => format!("{} min {} s", ms / 60_000, ms / 1_000 % 60),
    }
}
