//! Retry of a step of a run after a lost connection, with backoff and a notice to the user.
//!
//! That is safe because a failed step has left nothing: a load (`Warehouse::load`), a model's
//! table, a publish. If the answer to a commit was lost, the next attempt first looks whether it
//! was done (`load/columns.rs`, `run/models.rs`, `Runner::try_publish`).

use std::time::Duration;

use millrace_core::diagnostic::Diagnostic;

use crate::error::{Error, ErrorKind, Result, Retry};
use crate::event::{Event, Observer};

/// The pauses before the second attempt, the third and so on: half a minute in all, enough for a
/// server to restart or a suspended cloud database to wake up.
const PAUSES: [Duration; 6] = [
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(4),
    Duration::from_secs(8),
    Duration::from_secs(15),
];

/// How often a read is repeated because its source changed meanwhile. A file that is written
/// continuously never becomes consistent.
const CHANGES: usize = 3;

/// Repeats `attempt` until it succeeds, fails with an error that a retry does not cure, or the
/// pauses are used up. Retries begin only after a connection was lost: what could never be reached
/// has a wrong address or password. `what` is a fragment that names the step: `` the load of stream
/// `crm.orders` ``. `sleep` waits for a pause.
pub(crate) async fn while_lost<T, A: Future<Output = Result<T>>, S: Future<Output = ()>>(
    what: &str,
    observer: &Observer,
    sleep: impl Fn(Duration) -> S,
    mut attempt: impl FnMut() -> A,
) -> Result<T> {
    let mut pauses = PAUSES.iter();
    let mut lost = false;
    let mut changes = 0;
    loop {
        let error = match attempt().await {
            Ok(done) => return Ok(done),
            Err(error) => error,
        };
        lost |= error.kind().policy().retry == Retry::Now;
        changes += usize::from(error.kind() == ErrorKind::SourceChanged);
        let pause = pauses.next().filter(|_| lost && may_pass(&error) && changes <= CHANGES);
        let Some(pause) = pause else { return Err(error) };
        let message = format!("{what} was interrupted; it begins again in {} s", pause.as_secs_f64());
        let notice = Diagnostic::warning(error.kind().policy().code, message).caused_by(error.to_string());
        observer(Event::Notice(Box::new(notice)));
        sleep(*pause).await;
    }
}

/// Whether an error may vanish after a connection was lost. That includes unreachable servers,
/// because a server that restarts accepts no connections for a while.
fn may_pass(error: &Error) -> bool {
    let gone = [ErrorKind::SourceUnreachable, ErrorKind::WarehouseUnreachable];
    error.kind().policy().retry == Retry::Now || gone.contains(&error.kind())
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    /// The result of an operation that fails with these kinds one after the other: its outcome, the
    /// pauses in seconds, and the notices.
    fn told(failures: &[ErrorKind]) -> (std::result::Result<usize, ErrorKind>, Vec<f64>, Vec<String>) {
        let said = Arc::new(Mutex::new(Vec::new()));
        let listener = Arc::clone(&said);
        let observer: Observer = Arc::new(move |event| {
            if let Event::Notice(diagnostic) = event {
                listener.lock().expect("nobody panicked").push(diagnostic.to_string());
            }
        });
        let slept = Mutex::new(Vec::new());
        let sleep = |pause: Duration| {
            slept.lock().expect("nobody panicked").push(pause.as_secs_f64());
            std::future::ready(())
        };
        let mut tries = 0;
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let done = runtime.block_on(while_lost("it", &observer, sleep, || {
            tries += 1;
            std::future::ready(match failures.get(tries - 1) {
                Some(kind) => Err(Error::new(*kind, "no answer")),
                None => Ok(tries),
            })
        }));
        let said = said.lock().expect("nobody panicked").clone();
        (done.map_err(|error| error.kind()), slept.into_inner().expect("nobody panicked"), said)
    }

    #[test]
    fn a_lost_connection_is_made_anew() {
        use ErrorKind::{SourceLost, SourceUnreachable, WarehouseLost};
        assert_eq!(told(&[]), (Ok(1), vec![], vec![]));
        let (done, pauses, said) = told(&[SourceLost, SourceUnreachable, WarehouseLost]);
        assert_eq!((done, pauses), (Ok(4), vec![0.5, 1.0, 2.0]));
        assert_eq!(said[0], "it was interrupted; it begins again in 0.5 s: no answer");
        assert_eq!(said.len(), 3);
    }

    #[test]
    fn it_ends_after_half_a_minute_or_with_what_does_not_pass() {
        use ErrorKind::{Data, SourceLost, SourceUnreachable, Superseded};
        let (done, pauses, _) = told(&[SourceLost; 20]);
        assert_eq!((done, pauses.len()), (Err(SourceLost), PAUSES.len()));
        assert!((25.0..=35.0).contains(&pauses.iter().sum::<f64>()), "{pauses:?}");
        // What was never reached: a wrong address, a wrong password.
        assert_eq!(told(&[SourceUnreachable]), (Err(SourceUnreachable), vec![], vec![]));
        let (done, pauses, _) = told(&[ErrorKind::SourceChanged; 20]);
        assert_eq!((done, pauses.len()), (Err(ErrorKind::SourceChanged), CHANGES));
        for kind in [Data, Superseded] {
            let (done, pauses, _) = told(&[SourceLost, kind]);
            assert_eq!((done, pauses), (Err(kind), vec![0.5]));
        }
    }
}
