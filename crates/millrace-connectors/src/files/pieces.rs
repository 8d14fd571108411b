//! One file read by several threads: one reads and cuts, the others each take a piece apart, and what they make of it goes on in the
//! order of the file.

use std::collections::BTreeMap;
use std::io::Read;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use millrace_engine::error::{Error, ErrorKind, Result};

use crate::files::Limits;
use crate::files::fields::Records;
use crate::files::window::Window;

/// How the records of a format can be taken apart from places within a file.
pub(crate) trait Cut: Send + Sync {
    /// Where a piece of this text may end: after a record and what follows it, as far as can be told without reading all of it. The text
    /// starts where a record starts. A wrong guess costs time, not exactness: see [`Self::walk_piece`].
    fn cut(&self, text: &[u8]) -> Option<usize>;

    /// Hands over the records of a piece. False where the piece did not end between two records: then nothing that was handed over counts,
    /// and the file is read on by one thread from the start of this piece.
    fn walk_piece<S: Records>(
        &self,
        piece: &mut Window<&[u8]>,
        limits: Limits,
        records: &mut S,
    ) -> Result<bool>;

    /// Hands over the records up to the end of the file, from between two of them on.
    fn walk_rest<R: Read, S: Records>(
        &self,
        window: &mut Window<R>,
        limits: Limits,
        records: &mut S,
    ) -> Result<()>;
}

/// Records that several threads can collect.
pub(crate) trait Shared: Records + Send {
    /// What a thread has made of a piece.
    type Made: Send;

    /// One for a thread, which knows what this one knows.
    fn helper(&self) -> Self;

    /// What has come together since the last call.
    fn made(&mut self) -> Result<Self::Made>;

    /// Takes up what a helper has made. May block.
    fn take_up(&mut self, made: Self::Made) -> Result<()>;
}

/// A piece of a file.
struct Piece {
    number: u64,
    text: Vec<u8>,
    /// On which it starts.
    line: u64,
}

/// What the threads share.
struct Desk<'a, S> {
    /// Which piece's turn it is.
    turn: u64,
    records: &'a mut S,
    /// A piece that did not end between two records has had its turn.
    wrong_cut: bool,
    failed: Option<Error>,
    /// From that piece on: what was not taken up, with its line.
    left: BTreeMap<u64, (Vec<u8>, u64)>,
    /// Room of pieces that are done with.
    spare: Vec<Vec<u8>>,
}

impl<S> Desk<'_, S> {
    fn is_over(&self) -> bool {
        self.wrong_cut || self.failed.is_some()
    }
}

struct Shop<'a, S> {
    desk: Mutex<Desk<'a, S>>,
    next: Condvar,
}

impl<'a, S> Shop<'a, S> {
    fn desk(&self) -> MutexGuard<'_, Desk<'a, S>> {
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Hands over all records of a file from between two of them on, by so many threads.
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
        // As many pieces wait as are worked at.
        let (sender, receiver) = sync_channel::<Piece>(limits.threads);
        let receiver = Arc::new(Mutex::new(receiver));
        for mut helper in helpers {
            let (receiver, shop, name, runtime) = (Arc::clone(&receiver), &shop, &name, runtime.clone());
            scope.spawn(move || {
                // What takes batches up waits on the runtime.
                let _guard = runtime.as_ref().map(tokio::runtime::Handle::enter);
                help(format, (name.as_str(), encoding), limits, &receiver, &mut helper, shop);
            });
        }
        drop(receiver);
        cut(format, window, limits, &sender, &shop)
    });
    let desk = shop.desk.into_inner().unwrap_or_else(PoisonError::into_inner);
    read?;
    if let Some(error) = desk.failed {
        return Err(error);
    }
    for (text, line) in desk.left.into_values().rev() {
        window.put_back(&text, line);
    }
    format.walk_rest(window, limits, records)
}

/// Reads the file and cuts it, until it ends, or what is left cannot be cut.
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
        // None: a record that is longer than a piece, or the end.
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
            // The threads have ended, which they do only after the sender.
            return Err(Error::new(ErrorKind::Internal, "the threads that read a file are gone"));
        }
        number += 1;
    }
}

/// Rung when a thread ends. One that panics never has its turn, and the others would wait for it.
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

/// Takes pieces apart until there are no more.
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
        let over = shop.desk().is_over();
        let walked = if over { Ok(false) } else { format.walk_piece(&mut window, limits, records) };
        let made = walked.and_then(|whole| Ok((whole, records.made()?)));
        let text = window.into_piece();
        let mut desk = shop.desk();
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

    /// Breaks at the second piece.
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
