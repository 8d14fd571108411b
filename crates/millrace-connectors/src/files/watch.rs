//! Whether a file is what it was when it was opened.
//!
//! A file that somebody writes to while it is read gives some of its old bytes and some of its new ones, which nobody ever meant to be one
//! file. So what it was is held against what it is once all of it was read, and what was read counts only where the two are the same.

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

/// A file that is being read.
#[derive(Debug, Clone)]
pub(crate) struct Watch {
    name: String,
    what: Option<Watched>,
}

#[derive(Debug, Clone)]
enum Watched {
    Disk { path: PathBuf, file: Arc<File>, before: Box<Metadata>, is_settled: bool },
    Remote { object: Arc<Object>, etag: Option<String> },
}

impl Watch {
    /// Watches a file of this machine that was opened; `before` is what it was then.
    pub(crate) fn disk(file: &InputFile, opened: Arc<File>, before: &Metadata) -> Self {
        let what = match &file.place {
            Place::Disk(path) if before.is_file() => Some(Watched::Disk {
                path: path.clone(),
                file: opened,
                before: Box::new(before.clone()),
                is_settled: stamp::settled(before, SystemTime::now()).is_some(),
            }),
            // A pipe has nothing to be held against.
            _ => None,
        };
        Self { name: file.name.clone(), what }
    }

    /// Watches a file of another machine, of which this version was asked for.
    pub(crate) fn remote(name: &str, object: &Arc<Object>, etag: Option<&str>) -> Self {
        let what = Watched::Remote { object: Arc::clone(object), etag: etag.map(str::to_owned) };
        Self { name: name.to_owned(), what: Some(what) }
    }

    /// Watches nothing.
    #[cfg(any(test, feature = "fuzz"))]
    pub(crate) fn nothing(name: &str) -> Self {
        Self { name: name.to_owned(), what: None }
    }

    /// By which the file is known without being read; none where one more change may leave it as it is.
    pub(crate) fn stamp(&self) -> Option<String> {
        match &self.what {
            Some(Watched::Disk { before, is_settled: true, .. }) => stamp::of(before),
            Some(Watched::Remote { etag, .. }) => etag.clone(),
            _ => None,
        }
    }

    /// What tells the file from what it may become before it is opened again.
    #[cfg(feature = "parquet")]
    pub(crate) fn mark(&self) -> FileState {
        let (size, stamp) = match &self.what {
            Some(Watched::Disk { before, .. }) => (before.len(), stamp::of(before)),
            Some(Watched::Remote { etag, .. }) => (0, etag.clone()),
            None => (0, None),
        };
        FileState { path: self.name.clone(), size, hash: String::new(), stamp }
    }

    /// An error where the file is not what it was, or another one has its name. `hash` is that of the bytes that were read, all of them.
    pub(crate) fn assert_unchanged(&self, hash: &str) -> Result<()> {
        if self.seems_unchanged()? && self.reads_the_same(hash)? { Ok(()) } else { Err(changed(&self.name)) }
    }

    /// The error of a read, which may be of no file at all where somebody wrote to it in the meantime.
    pub(crate) fn cause(&self, error: Error) -> Error {
        let is_of_the_file =
            matches!(error.kind(), ErrorKind::SourceUnreadable | ErrorKind::SourceUnreachable);
        if is_of_the_file && self.seems_unchanged().is_ok_and(|unchanged| !unchanged) {
            return changed(&self.name).caused_by(error);
        }
        error
    }

    fn seems_unchanged(&self) -> Result<bool> {
        match &self.what {
            Some(Watched::Disk { path, file, before, .. }) => {
                let same = |now: io::Result<Metadata>| {
                    now.is_ok_and(|now| now.len() == before.len() && stamp::of(&now) == stamp::of(before))
                };
                // The path may have come to another file, which then is whole.
                Ok(same(file.metadata()) && same(std::fs::metadata(path)))
            }
            None | Some(Watched::Remote { etag: None, .. }) => Ok(true),
            Some(Watched::Remote { object, etag: Some(etag) }) => object.still_is(etag),
        }
    }

    /// Reads a file once more that was changed so shortly before it was opened that a change since need not show.
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

/// The error for a file that is not what it was.
pub(crate) fn changed(name: &str) -> Error {
    Error::new(ErrorKind::SourceChanged, format!("file `{name}` has changed while it was read"))
}

/// By the hash, or the stamp of what was not hashed.
fn is_as_seen(read: &FileState, seen: &FileState) -> bool {
    let same_stamp = || !read.hash.is_empty() || read.stamp == seen.stamp;
    (read.size, &read.hash) == (seen.size, &seen.hash) && same_stamp()
}

/// An error where files are not what was seen when their columns were worked out.
pub(crate) fn assert_as_seen(read: &[FileState], seen: Option<&Cursor>) -> Result<()> {
    let Some(Cursor::Files { files, .. }) = seen else { return Ok(()) };
    for state in read {
        // They are in the order of their names.
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
