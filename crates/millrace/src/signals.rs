//! Ctrl-C and SIGTERM.

use millrace_engine::cancel::Cancel;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::terminal;

/// A token that the first signal sets, and what is said then; a second signal ends the process at once. The process listens from
/// this call on.
pub(crate) fn cancelled(say: Option<&'static str>) -> Cancel {
    let mut signals = Signals::listen();
    let cancel = Cancel::default();
    let token = cancel.clone();
    tokio::spawn(async move {
        signals.next().await;
        if let Some(words) = say {
            terminal::note(words);
        }
        token.cancel();
        signals.next().await;
        #[expect(clippy::exit, reason = "a second Ctrl-C means: now")]
        std::process::exit(130);
    });
    cancel
}

/// Where the system refuses one, there is still the other.
struct Signals {
    interrupt: Option<Signal>,
    terminate: Option<Signal>,
}

impl Signals {
    fn listen() -> Self {
        Self {
            interrupt: signal(SignalKind::interrupt()).ok(),
            terminate: signal(SignalKind::terminate()).ok(),
        }
    }

    async fn next(&mut self) {
        tokio::select! {
            () = received(&mut self.interrupt) => {}
            () = received(&mut self.terminate) => {}
        }
    }
}

async fn received(signal: &mut Option<Signal>) {
    match signal {
        Some(signal) => _ = signal.recv().await,
        None => std::future::pending().await,
    }
}
