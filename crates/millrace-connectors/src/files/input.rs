//! Opens a file as a stream of unpacked bytes that are hashed while they are read.
//!
//! The hash covers the bytes on disk, before unpacking, because checkpoints compare files without
//! unpacking them. [`Input::finish`] returns it with the size and the stamp, after [`Watch`] has
//! confirmed that the file did not change.

use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;

use millrace_core::cursor::FileState;
use millrace_engine::error::{Error, ErrorKind, Result};

use crate::files::input_file::{InputFile, Place};
use crate::files::packing::{Damaged, Unpacked};
use crate::files::stamp;
use crate::files::watch::Watch;

/// A reader that counts and hashes (BLAKE3) the packed bytes that pass through it.
struct Hashed {
    bytes: Box<dyn Read + Send>,
    hash: Box<blake3::Hasher>,
    size: u64,
}

impl Read for Hashed {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.bytes.read(buffer)?;
        self.hash.update(&buffer[..n]);
        self.size += n as u64;
        Ok(n)
    }
}

/// An open file. Reading yields its content, unpacked if it is packed.
pub(crate) struct Input {
    name: String,
    bytes: Unpacked<Hashed>,
    watch: Watch,
}

impl Input {
    /// Opens a file, on this machine or on another one.
    pub(crate) fn open(file: &InputFile) -> Result<Self> {
        match &file.place {
            Place::Disk(path) => {
                let (opened, metadata) = open_file(&file.name, path)?;
                // The watch keeps the same file open, to compare it after the read.
                let opened = Arc::new(opened);
                let watch = Watch::disk(file, Arc::clone(&opened), &metadata);
                Self::of(&file.name, Box::new(opened), watch)
            }
            Place::Remote(object) => {
                let (download, etag) = object.open()?;
                let watch = Watch::remote(&file.name, object, etag.as_deref());
                Self::of(&file.name, Box::new(download), watch)
            }
        }
    }

    /// Reads from any reader; `name` decides with the first bytes how the data are packed.
    pub(crate) fn of(name: &str, bytes: Box<dyn Read + Send>, watch: Watch) -> Result<Self> {
        let hashed = Hashed { bytes, hash: Box::default(), size: 0 };
        let bytes = Unpacked::new(name, hashed).map_err(|error| unreadable(name, &error))?;
        Ok(Self { name: name.to_owned(), bytes, watch })
    }

    /// Detects whether the file has changed since it was opened.
    pub(crate) fn watch(&self) -> Watch {
        self.watch.clone()
    }

    /// The file's name, relative to the project folder; the address if it is on another machine.
    #[cfg(any(feature = "json", feature = "csv"))]
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Whether the file is not packed, so that an offset into the content is an offset into the
    /// file.
    #[cfg(feature = "mysql-dump")]
    pub(crate) fn is_plain(&self) -> bool {
        matches!(self.bytes, Unpacked::Plain(_))
    }

    /// Reads and hashes the rest of the file, and returns its state. Fails if the file has changed
    /// since it was opened.
    pub(crate) fn finish(self) -> Result<FileState> {
        let mut hashed = self.bytes.into_inner();
        // The reader may have stopped early; the hash has to cover the whole file.
        io::copy(&mut hashed, &mut io::sink()).map_err(|error| unreadable(&self.name, &error))?;
        let hash = hashed.hash.finalize().to_hex().to_string();
        self.watch.assert_unchanged(&hash)?;
        Ok(FileState { path: self.name, size: hashed.size, hash, stamp: self.watch.stamp() })
    }
}

/// Opens a file of this machine, with a hint for each usual failure. Refuses folders, which Unix
/// would open.
pub(crate) fn open_file(name: &str, path: &Path) -> Result<(File, Metadata)> {
    let opened = File::open(path).and_then(|opened| {
        let metadata = opened.metadata()?;
        if metadata.is_dir() {
            Err(io::Error::from(io::ErrorKind::IsADirectory))
        } else {
            Ok((opened, metadata))
        }
    });
    opened.map_err(|error| {
        let unreachable = Error::new(ErrorKind::SourceUnreachable, format!("file `{name}` cannot be opened"))
            .caused_by(&error);
        match error.kind() {
            io::ErrorKind::NotFound => unreachable
                .hint("`path` of a source or stream starts at the project folder; is the file there?"),
            io::ErrorKind::PermissionDenied => {
                unreachable.hint("Let the user who runs Millrace read the file.")
            }
            io::ErrorKind::IsADirectory => unreachable.hint(format!(
                "For all files of the folder, write `path: {}/*`.",
                name.trim_end_matches('/')
            )),
            _ => unreachable,
        }
    })
}

impl Read for Input {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.bytes.read(buffer)
    }
}

/// The present state of a file that was loaded before. Returns `known` if the stamp proves that the
/// file is unchanged; otherwise reads and hashes the file, without unpacking it.
pub(crate) fn state(file: &InputFile, known: &FileState) -> Result<FileState> {
    if is_as_read(file, known)? { Ok(known.clone()) } else { Input::open(file)?.finish() }
}

/// Whether the stamp of the file system or of the server proves that a file is unchanged. Reads no
/// content.
pub(crate) fn is_as_read(file: &InputFile, known: &FileState) -> Result<bool> {
    match &file.place {
        Place::Disk(path) => Ok(known.stamp.is_some()
            && std::fs::metadata(path)
                .is_ok_and(|metadata| metadata.len() == known.size && stamp::of(&metadata) == known.stamp)),
        Place::Remote(object) => object.is_unchanged(known),
    }
}

/// The error for a file that fails while it is read. Passes on an error of this program that the
/// reader wraps, and tells damaged packed data from a failure to read.
pub(crate) fn unreadable(name: &str, error: &io::Error) -> Error {
    // An error of a remote read is already complete.
    if let Some(known) = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) {
        return known.clone();
    }
    let Some(damaged) = error.get_ref().and_then(|inner| inner.downcast_ref::<Damaged>()) else {
        return Error::new(ErrorKind::SourceUnreachable, format!("file `{name}` cannot be read"))
            .caused_by(error);
    };
    let (word, suffix) = (damaged.packing.word(), damaged.packing.suffix());
    if damaged.cut_off {
        return Error::new(
            ErrorKind::SourceUnreadable,
            format!("the {word} data of file `{name}` end too early"),
        )
        .hint("The file is not complete: fetch it again.");
    }
    Error::new(ErrorKind::SourceUnreadable, format!("file `{name}` is not good {word} data"))
        .caused_by(error)
        .hint(format!("A name that ends in `{suffix}` means a file packed by {word}. If it is, it is damaged: fetch it again."))
}

/// Runs blocking work on a thread of the runtime that may block.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| {
        Err(Error::new(ErrorKind::Internal, "the task that read a file did not end well").caused_by(error))
    })
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;

    #[test]
    fn a_file_with_the_stamp_that_is_known_is_not_read() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a.csv");
        let file = InputFile { place: Place::Disk(path.clone()), name: "a.csv".to_owned() };
        std::fs::write(&path, "one").expect("written");
        let to_come = SystemTime::now() + std::time::Duration::from_hours(1);
        File::options().write(true).open(&path).and_then(|file| file.set_modified(to_come)).expect("a time");
        let stamp = stamp::of(&std::fs::metadata(&path).expect("a file"));
        assert!(stamp.is_some());
        let known = |hash: &str, stamp: &Option<String>| FileState {
            path: "a.csv".to_owned(),
            size: 3,
            hash: hash.to_owned(),
            stamp: stamp.clone(),
        };
        let read = Input::open(&file).and_then(Input::finish).expect("a state");
        assert_eq!(read.hash, blake3::hash(b"one").to_hex().as_str());
        assert_eq!(read.stamp, None, "its time has not come");
        // A hash that no read could return, so it shows that the stamp was trusted.
        let trusted = known("none", &stamp);
        assert_eq!(state(&file, &trusted).expect("a state"), trusted);
        for known in [known("none", &None), known("none", &Some("other".to_owned()))] {
            assert_eq!(state(&file, &known).expect("a state").hash, read.hash);
        }
        std::fs::write(&path, "two").expect("written");
        // The second write may fall into the same tick as the first, so set another time.
        let written = File::options().write(true).open(&path).expect("a file");
        written.set_modified(SystemTime::UNIX_EPOCH).expect("another time");
        assert_eq!(state(&file, &trusted).expect("a state").hash, blake3::hash(b"two").to_hex().as_str());
    }
}
