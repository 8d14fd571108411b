//! Detects files that change while they are read.
//!
//! A file that is written to during a read may yield some old bytes and some new ones, a mixture
//! that was never a file. So the state at opening is compared with the state after the last byte,
//! and the rows count only if the two are equal. A file of this machine is compared by size and
//! stamp (see [`stamp`]); a file of another machine by its entity tag. A file that was modified so
//! recently that its stamp proves nothing is hashed a second time.

use std::fs::{File, Metadata};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use millrace_core::cursor::{Cursor, FileState};
use millrace_engine::error::{Error, ErrorKind, Result};

use crate::files::input_file::{InputFile, Place};
use crate::files::remote::Object;
use crate::files::stamp;

/// The state of a file when it was opened, for comparison after the read.
#[derive(Debug, Clone)]
pub(crate) struct Watch {
    name: String,
    /// `None` for a pipe, or for a read without a file: then there is nothing to compare.
    what: Option<Watched>,
}

#[derive(Debug, Clone)]
enum Watched {
    /// A file of this machine. `is_settled` is true if any later change gives it another stamp.
    Disk { path: PathBuf, file: Arc<File>, before: Box<Metadata>, is_settled: bool },
    /// A file of another machine, and the entity tag of the version that is read, if the server
    /// names one.
    Remote { object: Arc<Object>, etag: Option<String> },
}

impl Watch {
    /// Watches a file of this machine. `before` is the metadata of the opened file.
    pub(crate) fn disk(file: &InputFile, opened: Arc<File>, before: &Metadata) -> Self {
        let what = match &file.place {
            Place::Disk(path) if before.is_file() => Some(Watched::Disk {
                path: path.clone(),
                file: opened,
                before: Box::new(before.clone()),
                is_settled: stamp::settled(before, SystemTime::now()).is_some(),
            }),
            // A pipe has no state to compare with.
            _ => None,
        };
        Self { name: file.name.clone(), what }
    }

    /// Watches a file of another machine; `etag` is the version that is read.
    pub(crate) fn remote(name: &str, object: &Arc<Object>, etag: Option<&str>) -> Self {
        let what = Watched::Remote { object: Arc::clone(object), etag: etag.map(str::to_owned) };
        Self { name: name.to_owned(), what: Some(what) }
    }

    /// Watches nothing, for bytes that come from memory.
    #[cfg(any(test, feature = "fuzz"))]
    pub(crate) fn nothing(name: &str) -> Self {
        Self { name: name.to_owned(), what: None }
    }

    /// The stamp by which later runs know the file without reading it. Returns `None` if one more
    /// change could leave the stamp as it is, or if the server names no entity tag.
    pub(crate) fn stamp(&self) -> Option<String> {
        match &self.what {
            Some(Watched::Disk { before, is_settled: true, .. }) => stamp::of(before),
            Some(Watched::Remote { etag, .. }) => etag.clone(),
            _ => None,
        }
    }

    /// The state of the opened file, by which a later opening detects a change. The hash is empty,
    /// and so is the stamp of a file that has none.
    #[cfg(feature = "parquet")]
    pub(crate) fn mark(&self) -> FileState {
        let (size, stamp) = match &self.what {
            Some(Watched::Disk { before, .. }) => (before.len(), stamp::of(before)),
            Some(Watched::Remote { etag, .. }) => (0, etag.clone()),
            None => (0, None),
        };
        FileState { path: self.name.clone(), size, hash: String::new(), stamp }
    }

    /// Fails with `SourceChanged` if the file has changed since it was opened, or if its path leads
    /// to another file. `hash` is the BLAKE3 hash in hex of all bytes that were read.
    pub(crate) fn assert_unchanged(&self, hash: &str) -> Result<()> {
        if self.seems_unchanged()? && self.reads_the_same(hash)? { Ok(()) } else { Err(changed(&self.name)) }
    }

    /// Replaces an error of a read by `SourceChanged` if the file was written to in the meantime,
    /// because the error may then concern bytes that were never a file.
    pub(crate) fn cause(&self, error: Error) -> Error {
        let is_of_the_file =
            matches!(error.kind(), ErrorKind::SourceUnreadable | ErrorKind::SourceUnreachable);
        if is_of_the_file && self.seems_unchanged().is_ok_and(|unchanged| !unchanged) {
            return changed(&self.name).caused_by(error);
        }
        error
    }

    /// Compares size and stamp, or the entity tag. Reads nothing.
    fn seems_unchanged(&self) -> Result<bool> {
        match &self.what {
            Some(Watched::Disk { path, file, before, .. }) => {
                let same = |now: io::Result<Metadata>| {
                    now.is_ok_and(|now| now.len() == before.len() && stamp::of(&now) == stamp::of(before))
                };
                // A rename may have put another complete file at the path, so both are checked.
                Ok(same(file.metadata()) && same(std::fs::metadata(path)))
            }
            None | Some(Watched::Remote { etag: None, .. }) => Ok(true),
            Some(Watched::Remote { object, etag: Some(etag) }) => object.still_is(etag),
        }
    }

    /// Hashes a file again that was changed so shortly before it was opened that a change since
    /// then need not change its stamp. Returns true without reading if the stamp is settled.
    fn reads_the_same(&self, hash: &str) -> Result<bool> {
        let Some(Watched::Disk { path, is_settled: false, .. }) = &self.what else { return Ok(true) };
        let read = File::open(path).and_then(|file| {
            let mut hasher = blake3::Hasher::new();
            hasher.update_reader(file)?;
            Ok(hasher.finalize())
        });
        Ok(read.is_ok_and(|now| now.to_hex().as_str() == hash) && self.seems_unchanged()?)
    }
}

/// The error for a file that has changed while it was read.
pub(crate) fn changed(name: &str) -> Error {
    Error::new(ErrorKind::SourceChanged, format!("file `{name}` has changed while it was read"))
}

/// Compares by size and hash; by the stamp if the file was not hashed.
fn is_as_seen(read: &FileState, seen: &FileState) -> bool {
    let same_stamp = || !read.hash.is_empty() || read.stamp == seen.stamp;
    (read.size, &read.hash) == (seen.size, &seen.hash) && same_stamp()
}

/// Fails with `SourceChanged` if a file differs from what discovery saw when it worked out the
/// columns, or if discovery did not see it.
pub(crate) fn assert_as_seen(read: &[FileState], seen: Option<&Cursor>) -> Result<()> {
    let Some(Cursor::Files { files, .. }) = seen else { return Ok(()) };
    for state in read {
        // A cursor lists its files in the order of their names.
        match files.binary_search_by(|seen| seen.path.cmp(&state.path)) {
            Ok(at) if is_as_seen(state, &files[at]) => {}
            Ok(_) => return Err(changed(&state.path)),
            Err(_) => {
                let message = format!("file `{}` has come while the others were looked at", state.path);
                return Err(Error::new(ErrorKind::SourceChanged, message));
            }
        }
    }
    Ok(())
}
