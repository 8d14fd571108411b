//! Parses one file with several threads and delivers the result in the order of the file.
//!
//! One thread reads the file and cuts it into pieces at the ends of records ([`Cut::cut`]). Helper
//! threads parse the pieces ([`Cut::walk_piece`]) into sinks of their own, then wait for their turn
//! and hand over what they have collected ([`Shared::take_up`]). So rows, quarantine and errors are
//! those of a read by one thread.
//!
//! A cut is a guess, because a text in quotes may contain what looks like the end of a record. A
//! piece that does not end between two records shows that a guess was wrong. Nothing of that piece
//! counts then; it and all later pieces are put back into the window and read by one thread.

use std::collections::BTreeMap;
use std::io::Read;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use millrace_engine::error::{Error, ErrorKind, Result};

use crate::files::Limits;
use crate::files::fields::Records;
use crate::files::window::Window;

/// How the records of a format are parsed from places within a file.
pub(crate) trait Cut: Send + Sync {
    /// Where a piece of this text may end: after a record and its separator, as far as can be told
    /// without parsing all of the text, which starts where a record starts. Returns `None` if no
    /// such place is found. A wrong guess costs time but not exactness; see [`Self::walk_piece`].
    fn cut(&self, text: &[u8]) -> Option<usize>;

    /// Hands over the records of a piece. Returns false if the piece does not end between two
    /// records: nothing that was handed over counts then, and one thread reads the file on from the
    /// start of this piece.
    fn walk_piece<S: Records>(
        &self,
        piece: &mut Window<&[u8]>,
        limits: Limits,
        records: &mut S,
    ) -> Result<bool>;

    /// Hands over the records from a place between two records to the end of the file.
    fn walk_rest<R: Read, S: Records>(
        &self,
        window: &mut Window<R>,
        limits: Limits,
        records: &mut S,
    ) -> Result<()>;
}

/// A sink for records that several threads can fill.
pub(crate) trait Shared: Records + Send {
    /// What a thread has collected from one piece.
    type Made: Send;

    /// A sink for a helper thread, with the settings and field names of this one.
    fn helper(&self) -> Self;

    /// Takes what has been collected since the last call.
    fn made(&mut self) -> Result<Self::Made>;

    /// Adds what a helper has collected. May block while the warehouse is busy.
    fn take_up(&mut self, made: Self::Made) -> Result<()>;
}

/// A piece of a file.
struct Piece {
    /// Its place in the order of the file, from 0.
    number: u64,
    text: Vec<u8>,
    /// 1-based line on which it starts.
    line: u64,
}

/// The state that the threads share, behind the lock of [`Shop`].
struct Desk<'a, S> {
    /// The number of the piece that is taken up next.
    turn: u64,
    /// The sink for the whole file.
    records: &'a mut S,
    /// Whether a piece that did not end between two records has had its turn.
    wrong_cut: bool,
    /// The first error in the order of the file, or the panic of a thread.
    failed: Option<Error>,
    /// Pieces that were not taken up after a wrong cut or an error: text and first line by number.
    left: BTreeMap<u64, (Vec<u8>, u64)>,
    /// Buffers of finished pieces, for reuse.
    spare: Vec<Vec<u8>>,
}

impl<S> Desk<'_, S> {
    /// Whether no further piece is taken up.
    fn is_over(&self) -> bool {
        self.wrong_cut || self.failed.is_some()
    }
}

/// The shared state, and the signal that the turn has passed on.
struct Shop<'a, S> {
    desk: Mutex<Desk<'a, S>>,
    next: Condvar,
}

impl<'a, S> Shop<'a, S> {
    /// Locks the state. A thread that panicked has reported itself as the failure, so poisoning is
    /// ignored.
    fn desk(&self) -> MutexGuard<'_, Desk<'a, S>> {
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Hands over all records from a place between two records to the end of the file, with
/// `limits.threads` threads besides the one that reads. Returns after all of them have ended.
pub(crate) fn walk<R: Read, C: Cut, S: Shared>(
    format: &C,
    window: &mut Window<R>,
    limits: Limits,
    records: &mut S,
) -> Result<()> {
    if limits.threads < 2 {
        return format.walk_rest(window, limits, records);
    }
    let helpers: Vec<S> = (0..limits.threads).map(|_| records.helper()).collect();
    let desk = Desk {
        turn: 0,
        records: &mut *records,
        wrong_cut: false,
        failed: None,
        left: BTreeMap::new(),
        spare: Vec::new(),
    };
    let shop = Shop { desk: Mutex::new(desk), next: Condvar::new() };
    let (name, encoding) = (window.name().to_owned(), window.encoding());
    let runtime = tokio::runtime::Handle::try_current().ok();
    let read = std::thread::scope(|scope| {
        // At most as many pieces wait as are being parsed, which bounds the memory.
        let (sender, receiver) = sync_channel::<Piece>(limits.threads);
        let receiver = Arc::new(Mutex::new(receiver));
        for mut helper in helpers {
            let (receiver, shop, name, runtime) = (Arc::clone(&receiver), &shop, &name, runtime.clone());
            scope.spawn(move || {
                // Taking up batches waits on the runtime's queue, so the thread needs its context.
                let _guard = runtime.as_ref().map(tokio::runtime::Handle::enter);
                help(format, (name.as_str(), encoding), limits, &receiver, &mut helper, shop);
            });
        }
        // Only the helpers keep the receiver, so that sending fails once they have ended.
        drop(receiver);
        cut(format, window, limits, &sender, &shop)
    });
    let desk = shop.desk.into_inner().unwrap_or_else(PoisonError::into_inner);
    read?;
    if let Some(error) = desk.failed {
        return Err(error);
    }
    // Last piece first, because each is put in front of the rest.
    for (text, line) in desk.left.into_values().rev() {
        window.put_back(&text, line);
    }
    format.walk_rest(window, limits, records)
}

/// Reads the file and sends pieces to the helpers, until the file ends, the rest cannot be cut, or
/// a helper reports the end. What is not cut stays in the window.
fn cut<R: Read, C: Cut, S>(
    format: &C,
    window: &mut Window<R>,
    limits: Limits,
    sender: &SyncSender<Piece>,
    shop: &Shop<'_, S>,
) -> Result<()> {
    let mut number = 0;
    loop {
        while window.rest().len() < limits.piece && window.fill()? {}
        // `None` means that a record is longer than a piece, or that the file ends.
        let Some(length) = format.cut(window.rest()).filter(|length| *length > 0) else { return Ok(()) };
        let spare = {
            let mut desk = shop.desk();
            if desk.is_over() {
                return Ok(());
            }
            desk.spare.pop().unwrap_or_default()
        };
        let line = window.line();
        let text = window.cut(length, spare);
        if sender.send(Piece { number, text, line }).is_err() {
            // The helpers end only after the sender is dropped, or by a panic.
            return Err(Error::new(ErrorKind::Internal, "the threads that read a file are gone"));
        }
        number += 1;
    }
}

/// Reports a panic of the thread that holds it, and wakes the others. Its piece would never have
/// its turn, and the others would wait for it forever.
struct Bell<'a, 'b, S>(&'a Shop<'b, S>);

impl<S> Drop for Bell<'_, '_, S> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let gone = Error::new(ErrorKind::Internal, "a thread that reads a file has panicked");
            self.0.desk().failed.get_or_insert(gone);
            self.0.next.notify_all();
        }
    }
}

/// The work of a helper thread: receives pieces, parses each, and takes up the result when its turn
/// has come. Ends when the sender is dropped.
fn help<C: Cut, S: Shared>(
    format: &C,
    file: (&str, Option<&'static str>),
    limits: Limits,
    receiver: &Mutex<Receiver<Piece>>,
    records: &mut S,
    shop: &Shop<'_, S>,
) {
    let _bell = Bell(shop);
    loop {
        let received = receiver.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(Piece { number, text, line }) = received else { return };
        let mut window = Window::of_piece(file, text, line);
        // After a wrong cut or an error pieces are only collected, so parsing them would be wasted.
        let over = shop.desk().is_over();
        let walked = if over { Ok(false) } else { format.walk_piece(&mut window, limits, records) };
        let made = walked.and_then(|whole| Ok((whole, records.made()?)));
        let text = window.into_piece();
        let mut desk = shop.desk();
        // Records have to be taken up in the order of the file.
        while desk.turn != number && !desk.is_over() {
            desk = shop.next.wait(desk).unwrap_or_else(PoisonError::into_inner);
        }
        match made {
            _ if desk.is_over() => _ = desk.left.insert(number, (text, line)),
            Ok((true, made)) => {
                if let Err(error) = desk.records.take_up(made) {
                    desk.failed = Some(error);
                }
                desk.spare.push(text);
            }
            Ok((false, _)) => {
                desk.wrong_cut = true;
                desk.left.insert(number, (text, line));
            }
            Err(error) => desk.failed = Some(error),
        }
        desk.turn += 1;
        drop(desk);
        shop.next.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::profiler::Profiler;

    /// A format that panics at the second piece.
    struct Broken;

    impl Cut for Broken {
        fn cut(&self, text: &[u8]) -> Option<usize> {
            memchr::memchr(b'\n', text).map(|at| at + 1)
        }

        fn walk_piece<S: Records>(&self, piece: &mut Window<&[u8]>, _: Limits, _: &mut S) -> Result<bool> {
            assert!(!piece.rest().starts_with(b"2"), "broken");
            Ok(true)
        }

        fn walk_rest<R: Read, S: Records>(&self, _: &mut Window<R>, _: Limits, _: &mut S) -> Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_thread_that_panics_keeps_nobody_waiting() {
        let limits = Limits { block: 4, piece: 2, threads: 3, ..Limits::default() };
        let mut window =
            Window::new("f", &b"1\n2\n3\n4\n5\n6\n7\n8\n9\n"[..], limits.block).expect("a window");
        let walked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            walk(&Broken, &mut window, limits, &mut Profiler::default())
        }));
        assert!(walked.is_err(), "the panic is passed on");
    }
}
