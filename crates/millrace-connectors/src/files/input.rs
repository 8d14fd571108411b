//! A file as a stream of unpacked bytes, hashed on the way.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::time::SystemTime;

use flate2::bufread::MultiGzDecoder;
use millrace_core::cursor::{Cursor, FileState};
use millrace_engine::error::{Error, ErrorKind, Result};

use crate::files::paths::InputFile;
use crate::files::stamp;

const DISK_BLOCK: usize = 1 << 18;

/// Reads a file from disk and remembers size and hash of what it has read.
struct Hashed {
    file: File,
    hash: Box<blake3::Hasher>,
    size: u64,
}

impl Read for Hashed {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.file.read(buffer)?;
        self.hash.update(&buffer[..n]);
        self.size += n as u64;
        Ok(n)
    }
}

enum Unpacking {
    Plain(Hashed),
    Gzip(Box<MultiGzDecoder<BufReader<Hashed>>>),
}

/// An open file. Reading gives its content, unpacked where its name ends in `.gz`.
pub(crate) struct Input {
    name: String,
    bytes: Unpacking,
    stamp: Option<String>,
}

impl Input {
    /// Opens a file.
    pub(crate) fn open(file: &InputFile) -> Result<Self> {
        let opened = File::open(&file.path).and_then(|opened| {
            let metadata = opened.metadata()?;
            if metadata.is_dir() {
                Err(io::Error::from(io::ErrorKind::IsADirectory))
            } else {
                Ok((opened, stamp::settled(&metadata, SystemTime::now())))
            }
        });
        let (opened, stamp) = opened.map_err(|error| {
            let name = &file.name;
            let unreachable =
                Error::new(ErrorKind::SourceUnreachable, format!("file `{name}` cannot be opened"))
                    .caused_by(&error);
            match error.kind() {
                io::ErrorKind::NotFound => unreachable
                    .hint("`path` of a source or stream starts at the project folder; is the file there?"),
                io::ErrorKind::PermissionDenied => {
                    unreachable.hint("Let the user who runs Millrace read the file.")
                }
                io::ErrorKind::IsADirectory => {
                    unreachable.hint("For all files of a folder, write `path: folder/*.json`.")
                }
                _ => unreachable,
            }
        })?;
        let hashed = Hashed { file: opened, hash: Box::default(), size: 0 };
        let bytes = if file.name.to_ascii_lowercase().ends_with(".gz") {
            Unpacking::Gzip(Box::new(MultiGzDecoder::new(BufReader::with_capacity(DISK_BLOCK, hashed))))
        } else {
            Unpacking::Plain(hashed)
        };
        Ok(Self { name: file.name.clone(), bytes, stamp })
    }

    /// Reads what is left on disk, and says what the file is.
    pub(crate) fn finish(self) -> Result<FileState> {
        let mut hashed = match self.bytes {
            Unpacking::Plain(hashed) => hashed,
            Unpacking::Gzip(decoder) => decoder.into_inner().into_inner(),
        };
        io::copy(&mut hashed, &mut io::sink()).map_err(|error| unreadable(&self.name, &error))?;
        Ok(FileState {
            path: self.name,
            size: hashed.size,
            hash: hashed.hash.finalize().to_hex().to_string(),
            stamp: self.stamp,
        })
    }
}

impl Read for Input {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match &mut self.bytes {
            Unpacking::Plain(file) => file.read(buffer),
            Unpacking::Gzip(decoder) => decoder.read(buffer),
        }
    }
}

/// What a file is now, and the very state that is known of it where it still is what it was. Unpacks nothing.
fn state(file: &InputFile, known: Option<&FileState>) -> Result<FileState> {
    if let Some(known) = known.filter(|known| known.stamp.is_some())
        && let Ok(metadata) = std::fs::metadata(&file.path)
        && metadata.len() == known.size
        && stamp::of(&metadata) == known.stamp
    {
        return Ok(known.clone());
    }
    let now = Input::open(file)?.finish()?;
    let same = known.filter(|known| (known.size, &known.hash) == (now.size, &now.hash));
    Ok(same.cloned().unwrap_or(now))
}

/// The error for a file that fails while it is read.
pub(crate) fn unreadable(name: &str, error: &io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => {
            Error::new(ErrorKind::SourceUnreadable, format!("the gzip data of file `{name}` end too early"))
                .hint("The file is not complete: fetch it again.")
        }
        io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput => Error::new(
            ErrorKind::SourceUnreadable,
            format!("file `{name}` is not good gzip data"),
        )
        .caused_by(error)
        .hint(
            "A name that ends in `.gz` means a file packed by gzip. If it is, it is damaged: fetch it again.",
        ),
        _ => {
            Error::new(ErrorKind::SourceUnreachable, format!("file `{name}` cannot be read")).caused_by(error)
        }
    }
}

/// What the files of a stream are now. Equal to `last` where they are what they were.
pub(crate) fn position(files: &[InputFile], last: &Cursor) -> Result<Cursor> {
    let known = match last {
        Cursor::Files { files } => files.as_slice(),
        Cursor::Column { .. } => &[],
    };
    let known = |name: &str| known.iter().find(|state| state.path == name);
    Ok(Cursor::Files {
        files: files.iter().map(|file| state(file, known(&file.name))).collect::<Result<_>>()?,
    })
}

/// Runs work that blocks where it may.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| {
        Err(Error::new(ErrorKind::Internal, "the task that read a file did not end well").caused_by(error))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_with_the_stamp_that_is_known_is_not_read() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = InputFile { path: folder.path().join("a.csv"), name: "a.csv".to_owned() };
        std::fs::write(&file.path, "one").expect("written");
        let stamp = stamp::of(&std::fs::metadata(&file.path).expect("a file"));
        assert!(stamp.is_some());
        let known = |hash: &str, stamp: &Option<String>| FileState {
            path: "a.csv".to_owned(),
            size: 3,
            hash: hash.to_owned(),
            stamp: stamp.clone(),
        };
        let read = state(&file, None).expect("a state");
        assert_eq!(read.hash, blake3::hash(b"one").to_hex().as_str());
        assert_eq!(read.stamp, None, "it was written a moment ago");
        // A hash that nobody could have read.
        let trusted = known("none", &stamp);
        assert_eq!(state(&file, Some(&trusted)).expect("a state"), trusted);
        for known in [known("none", &None), known("none", &Some("other".to_owned()))] {
            assert_eq!(state(&file, Some(&known)).expect("a state").hash, read.hash);
        }
        // What was read is what is known: then it is the same, whatever its stamp.
        let moved = known(&read.hash, &Some("other".to_owned()));
        assert_eq!(state(&file, Some(&moved)).expect("a state"), moved);
        std::fs::write(&file.path, "two").expect("written");
        // The clock of the file system may not have moved on.
        let written = File::options().write(true).open(&file.path).expect("a file");
        written.set_modified(SystemTime::UNIX_EPOCH).expect("another time");
        assert_eq!(
            state(&file, Some(&trusted)).expect("a state").hash,
            blake3::hash(b"two").to_hex().as_str()
        );
    }
}
