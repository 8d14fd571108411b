//! Reads one file from several threads, each at positions of its own.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::sync::Arc;

use bytes::Bytes;
use parquet::errors::{ParquetError, Result};
use parquet::file::reader::{ChunkReader, Length};

/// A file that is read at explicit positions. Duplicated file descriptors would share one position.
#[derive(Debug, Clone)]
pub(super) struct Pages {
    file: Arc<File>,
    bytes: u64,
}

impl Pages {
    /// Wraps a file of `bytes` bytes.
    pub(super) fn new(file: Arc<File>, bytes: u64) -> Self {
        Self { file, bytes }
    }

    /// A reader from byte `at` to the end of the file.
    pub(super) fn from(&self, at: u64) -> From {
        From { file: Arc::clone(&self.file), at }
    }
}

/// A reader with a position of its own.
pub(super) struct From {
    file: Arc<File>,
    at: u64,
}

impl Read for From {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = read_at(&self.file, buffer, self.at)?;
        self.at += n as u64;
        Ok(n)
    }
}

/// Reads at a position without moving that of the descriptor. May read less than the buffer holds.
#[cfg(unix)]
fn read_at(file: &File, buffer: &mut [u8], at: u64) -> io::Result<usize> {
    std::os::unix::fs::FileExt::read_at(file, buffer, at)
}

#[cfg(windows)]
fn read_at(file: &File, buffer: &mut [u8], at: u64) -> io::Result<usize> {
    std::os::windows::fs::FileExt::seek_read(file, buffer, at)
}

impl Length for Pages {
    fn len(&self) -> u64 {
        self.bytes
    }
}

impl ChunkReader for Pages {
    type T = BufReader<From>;

    fn get_read(&self, start: u64) -> Result<Self::T> {
        Ok(BufReader::new(self.from(start)))
    }

    // The contract of `ChunkReader`: exactly `length` bytes, or an error.
    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes> {
        let missing =
            || ParquetError::EOF(format!("{length} bytes are expected at {start} of {}", self.bytes));
        // Checked first, because a damaged file may ask for more bytes than memory holds.
        if start.checked_add(length as u64).is_none_or(|end| end > self.bytes) {
            return Err(missing());
        }
        let mut bytes = Vec::with_capacity(length);
        self.from(start).take(length as u64).read_to_end(&mut bytes)?;
        if bytes.len() == length { Ok(bytes.into()) } else { Err(missing()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readers_do_not_move_one_another() {
        let mut file = tempfile::tempfile().expect("a file");
        io::Write::write_all(&mut file, b"0123456789").expect("written");
        let pages = Pages::new(Arc::new(file), 10);
        let (mut one, mut other) =
            (pages.get_read(2).expect("a reader"), pages.get_read(7).expect("a reader"));
        let mut read = [0; 3];
        one.read_exact(&mut read).expect("readable");
        assert_eq!(&read, b"234");
        assert_eq!(pages.get_bytes(0, 4).expect("readable").as_ref(), b"0123");
        other.read_exact(&mut read).expect("readable");
        assert_eq!(&read, b"789");
        for (start, length) in [(7, 4), (11, 0), (u64::MAX, 1), (0, usize::MAX)] {
            assert!(pages.get_bytes(start, length).is_err(), "{length} at {start}");
        }
    }
}
