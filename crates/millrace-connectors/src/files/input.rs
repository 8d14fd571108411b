//! A file as a stream of unpacked bytes, hashed on the way.

use std::fs::File;
use std::io::{self, BufReader, Read};

use flate2::bufread::MultiGzDecoder;
use millrace_core::cursor::{Cursor, FileState};
use millrace_engine::error::{Error, ErrorKind, Result};

use crate::files::paths::InputFile;

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
}

impl Input {
    /// Opens a file.
    pub(crate) fn open(file: &InputFile) -> Result<Self> {
        let opened = File::open(&file.path).and_then(|opened| {
            if opened.metadata()?.is_dir() {
                Err(io::Error::from(io::ErrorKind::IsADirectory))
            } else {
                Ok(opened)
            }
        });
        let opened = opened.map_err(|error| {
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
        Ok(Self { name: file.name.clone(), bytes })
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

/// What a file is now. Unpacks nothing.
pub(crate) fn state(file: &InputFile) -> Result<FileState> {
    Input::open(file)?.finish()
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

/// What the files of a stream are now.
pub(crate) fn position(files: &[InputFile]) -> Result<Cursor> {
    Ok(Cursor::Files { files: files.iter().map(state).collect::<Result<_>>()? })
}

/// Runs work that blocks where it may.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| {
        Err(Error::new(ErrorKind::Internal, "the task that read a file did not end well").caused_by(error))
    })
}
