//! Ctrl-C (SIGINT) and SIGTERM, turned into cancellation.

use millrace_engine::cancel::Cancel;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::terminal;

/// Returns a token that the first signal sets; the note `say` is printed then. A second signal ends
/// the process at once with exit code 130. Signals are caught from this call on.
pub(crate) fn cancelled(say: Option<&'static str>) -> Cancel {
    // Registered here and not in the task, so that a signal right after this call is not missed.
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

/// The two signal streams. One that the system refuses to register is `None` and never fires.
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

    /// Waits for either signal.
    async fn next(&mut self) {
        tokio::select! {
            () = received(&mut self.interrupt) => {}
            () = received(&mut self.terminate) => {}
        }
    }
}

/// Waits for one signal; forever if it could not be registered.
async fn received(signal: &mut Option<Signal>) {
    match signal {
        Some(signal) => _ = signal.recv().await,
        None => std::future::pending().await,
    }
}
