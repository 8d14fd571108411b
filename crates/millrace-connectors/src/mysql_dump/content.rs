//! Reads the bytes of a dump's files from any offset.
//!
//! A file that is uncompressed and on this machine is read in place. It must not change between the
//! two passes: its version is compared when a part is opened and when the end of a part is read.
//! Any other file is decompressed or downloaded once, and copied into a scratch file of compressed
//! blocks (ADR 0030). Offsets count uncompressed bytes. A file that changed is an error, and so is
//! a scratch file that cannot be written.

use std::fs::{File, Metadata};
use std::io::{self, Read, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use millrace_core::cursor::FileState;
use millrace_engine::error::{Error, ErrorKind, Result};

use crate::files::input::{Input, open_file, unreadable};
use crate::files::input_file::{InputFile, Place};
use crate::files::stamp;
use crate::files::watch::changed;

/// The number of uncompressed bytes of a block in the scratch file.
const BLOCK: usize = 4 << 20;
/// The compression level of zstd: the fastest one.
const LEVEL: i32 = 1;

/// The content of a file that was read once.
#[derive(Debug)]
pub(super) enum Content {
    /// The file is on this machine and uncompressed.
    Plain {
        name: String,
        path: PathBuf,
        /// The version of the file when it was read.
        stamp: Option<String>,
    },
    /// The content is in a scratch file, because the file is compressed or on another machine.
    Kept(Kept),
    /// Bytes given by a test.
    #[cfg(any(test, feature = "fuzz"))]
    Given(Vec<u8>),
}

impl Content {
    /// Opens a file for reading from its beginning. After that, [`Opened::finish`] returns the
    /// content for reading from any offset. `scratch` is the folder for scratch files.
    pub(super) fn open(file: &InputFile, scratch: &Path) -> Result<Opened> {
        let input = Input::open(file)?;
        let (place, keeper) = match &file.place {
            Place::Disk(path) if input.is_plain() => {
                let (_, metadata) = open_file(&file.name, path)?;
                (Some((path.clone(), version(&metadata))), None)
            }
            _ => (None, Some(Keeper::new(scratch).map_err(|error| full(&file.name, &error))?)),
        };
        Ok(Opened { name: file.name.clone(), input, place, keeper })
    }

    /// Returns a reader of the bytes from `start` to `end`, both in bytes from the beginning of the
    /// content.
    pub(super) fn part(&self, start: u64, end: u64) -> Result<Box<dyn Read + '_>> {
        match self {
            Self::Plain { name, path, stamp } => {
                let (mut opened, metadata) = open_file(name, path)?;
                let part = Part {
                    name,
                    stamp,
                    path,
                    left: end - start,
                    file: {
                        opened.seek(SeekFrom::Start(start)).map_err(|error| unreadable(name, &error))?;
                        opened
                    },
                };
                // The metadata are those of the opened file, so a file that replaced it at its path
                // is noticed.
                if *stamp != version(&metadata) {
                    return Err(changed(name));
                }
                Ok(Box::new(part))
            }
            Self::Kept(kept) => Ok(Box::new(KeptPart { kept, at: start, end, block: Vec::new(), from: 0 })),
            #[cfg(any(test, feature = "fuzz"))]
            Self::Given(bytes) => Ok(Box::new(&bytes[start as usize..end as usize])),
        }
    }
}

/// Returns what identifies a version of a file: its modification time, its identity and its size.
/// `None` if the system does not tell.
fn version(metadata: &Metadata) -> Option<String> {
    stamp::of(metadata).map(|stamp| format!("{stamp}/{}", metadata.len()))
}

/// The error for a scratch file that cannot be written.
fn full(name: &str, error: &io::Error) -> Error {
    let message = format!("what file `{name}` holds cannot be written to the project's folder `.millrace`");
    Error::new(ErrorKind::Resources, message).caused_by(error)
}

/// A reader of a part of a file in place.
struct Part<'a> {
    name: &'a str,
    path: &'a Path,
    stamp: &'a Option<String>,
    file: File,
    left: u64,
}

impl Read for Part<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = buffer.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        let n = self.file.read(&mut buffer[..most])?;
        self.left -= n as u64;
        // The file was truncated or changed: the bytes that were read may come from two versions.
        if n == 0 || self.left == 0 {
            let now = std::fs::metadata(self.path)?;
            if (n == 0 && most > 0) || version(&now) != *self.stamp {
                return Err(io::Error::other(changed(self.name)));
            }
        }
        Ok(n)
    }
}

/// A file that is read from its beginning, and copied to a scratch file if necessary.
pub(super) struct Opened {
    name: String,
    input: Input,
    /// The path and version of a file that can be read in place.
    place: Option<(PathBuf, Option<String>)>,
    keeper: Option<Keeper>,
}

impl Read for Opened {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.input.read(buffer)?;
        if let Some(keeper) = &mut self.keeper {
            keeper.write(&buffer[..n]).map_err(|error| io::Error::other(full(&self.name, &error)))?;
        }
        Ok(n)
    }
}

impl Opened {
    /// Returns the state of the file for the checkpoint, and its content.
    pub(super) fn finish(self) -> Result<(FileState, Content)> {
        let state = self.input.finish()?;
        let content = match (self.place, self.keeper) {
            (Some((path, stamp)), _) => {
                let now = std::fs::metadata(&path).map_err(|error| unreadable(&self.name, &error))?;
                if stamp != version(&now) {
                    return Err(changed(&self.name));
                }
                Content::Plain { name: self.name, path, stamp }
            }
            (None, Some(keeper)) => Content::Kept(keeper.finish().map_err(|error| full(&self.name, &error))?),
            (None, None) => return Err(Error::new(ErrorKind::Internal, "a file was read to nowhere")),
        };
        Ok((state, content))
    }
}

/// Compresses what is read into blocks of a scratch file, so that it can be read from any offset.
struct Keeper {
    file: File,
    /// The uncompressed bytes of the current block.
    block: Vec<u8>,
    /// The offset of each block in the scratch file.
    starts: Vec<u64>,
    /// The size of the scratch file.
    end: u64,
}

impl Keeper {
    /// Creates an unnamed scratch file, which the operating system removes with the process.
    fn new(scratch: &Path) -> io::Result<Self> {
        std::fs::create_dir_all(scratch)?;
        let file = tempfile::tempfile_in(scratch)?;
        Ok(Self { file, block: Vec::with_capacity(BLOCK), starts: Vec::new(), end: 0 })
    }

    fn write(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let (now, rest) = bytes.split_at(bytes.len().min(BLOCK - self.block.len()));
            self.block.extend_from_slice(now);
            bytes = rest;
            if self.block.len() == BLOCK {
                self.pack()?;
            }
        }
        Ok(())
    }

    /// Writes the current block, compressed.
    fn pack(&mut self) -> io::Result<()> {
        let packed = zstd::bulk::compress(&self.block, LEVEL)?;
        self.file.write_all(&packed)?;
        self.starts.push(self.end);
        self.end += packed.len() as u64;
        self.block.clear();
        Ok(())
    }

    fn finish(mut self) -> io::Result<Kept> {
        if !self.block.is_empty() {
            self.pack()?;
        }
        self.starts.push(self.end);
        Ok(Kept { file: Arc::new(Mutex::new(self.file)), starts: self.starts })
    }
}

/// The content of a file in a scratch file, which ends with this value.
#[derive(Debug)]
pub(super) struct Kept {
    file: Arc<Mutex<File>>,
    /// The offset of each block in the scratch file, and the end of the last block.
    starts: Vec<u64>,
}

impl Kept {
    /// Returns a block, decompressed. It is empty for a number beyond the last block.
    fn block(&self, number: usize) -> io::Result<Vec<u8>> {
        let (Some(&start), Some(&end)) = (self.starts.get(number), self.starts.get(number + 1)) else {
            return Ok(Vec::new());
        };
        let mut packed = vec![0; (end - start) as usize];
        {
            // The lock covers position and read together: several streams may share the file.
            let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
            file.seek(SeekFrom::Start(start))?;
            file.read_exact(&mut packed)?;
        }
        zstd::bulk::decompress(&packed, BLOCK)
    }
}

/// A reader of a part of the content in a scratch file.
struct KeptPart<'a> {
    kept: &'a Kept,
    at: u64,
    end: u64,
    /// The block that contains the offset `at`, and begins at the offset `from`. Empty before the
    /// first read.
    block: Vec<u8>,
    from: u64,
}

impl Read for KeptPart<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.at >= self.end {
            return Ok(0);
        }
        if self.block.is_empty() || self.at >= self.from + self.block.len() as u64 {
            let number = self.at / BLOCK as u64;
            self.block = self.kept.block(number as usize)?;
            self.from = number * BLOCK as u64;
        }
        let inside = (self.at - self.from) as usize;
        let rest = self.block.get(inside..).unwrap_or_default();
        let most = rest.len().min(buffer.len()).min((self.end - self.at) as usize);
        if most == 0 && !buffer.is_empty() {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof));
        }
        buffer[..most].copy_from_slice(&rest[..most]);
        self.at += most as u64;
        Ok(most)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_comes_back_from_any_place() {
        let folder = tempfile::tempdir().expect("a folder");
        let text: Vec<u8> = (0..BLOCK as u32 / 2).flat_map(u32::to_le_bytes).collect();
        let mut keeper = Keeper::new(folder.path()).expect("a file");
        text.chunks(99_991).for_each(|part| keeper.write(part).expect("written"));
        let kept = Content::Kept(keeper.finish().expect("kept"));
        for (start, end) in
            [(0, 10), (BLOCK - 5, BLOCK + 5), (BLOCK * 2 - 7, BLOCK * 2), (5, BLOCK * 2), (9, 9)]
        {
            let mut found = Vec::new();
            kept.part(start as u64, end as u64).expect("a part").read_to_end(&mut found).expect("readable");
            assert!(found == text[start..end], "{start} to {end}");
        }
    }

    #[test]
    fn a_file_that_changes_is_told_so() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a.sql");
        std::fs::write(&path, "select 1;").expect("written");
        let file = InputFile { place: Place::Disk(path.clone()), name: "a.sql".to_owned() };
        let mut opened = Content::open(&file, folder.path()).expect("a file");
        io::copy(&mut opened, &mut io::sink()).expect("read");
        let (_, content) = opened.finish().expect("a state");
        let mut found = String::new();
        content.part(7, 9).expect("a part").read_to_string(&mut found).expect("readable");
        assert_eq!(found, "1;");
        std::fs::write(&path, "select 2; ").expect("written");
        let error = content.part(7, 9).err().expect("an error");
        assert!(error.to_string().contains("has changed"), "{error}");
    }
}
