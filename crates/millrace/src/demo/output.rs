//! Files that are written piece by piece, and counted.

use std::fs::File;
use std::io::{self, BufWriter, Write as _};
use std::path::Path;

/// Bytes that are collected before they go to the file.
const BUFFER: usize = 256 * 1024;

/// A file that is being written. The pieces of a record cannot fail; [`Output::end_record`] can.
pub(super) struct Output {
    name: String,
    file: BufWriter<File>,
    record: Vec<u8>,
    bytes: u64,
}

impl Output {
    /// Makes (or empties) the file `name`, a path with forward slashes, below `dir`.
    pub(super) fn create(dir: &Path, name: &str) -> io::Result<Self> {
        let path = dir.join(name);
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        let file = BufWriter::with_capacity(BUFFER, File::create(path)?);
        Ok(Self { name: name.to_owned(), file, record: Vec::with_capacity(512), bytes: 0 })
    }

    /// Adds a text.
    pub(super) fn text(&mut self, text: &str) -> &mut Self {
        self.record.extend_from_slice(text.as_bytes());
        self
    }

    /// Adds a number.
    pub(super) fn number(&mut self, mut number: u64) -> &mut Self {
        let mut digits = [0u8; 20];
        let mut at = digits.len();
        loop {
            at -= 1;
            digits[at] = b'0' + (number % 10) as u8;
            number /= 10;
            if number == 0 {
                break;
            }
        }
        self.record.extend_from_slice(&digits[at..]);
        self
    }

    /// Adds an amount of cents with two digits after the point.
    pub(super) fn cents(&mut self, cents: u64) -> &mut Self {
        self.number(cents / 100);
        let rest = (cents % 100) as u8;
        self.record.extend_from_slice(&[b'.', b'0' + rest / 10, b'0' + rest % 10]);
        self
    }

    /// Hands what was added to the file; returns its size so far.
    pub(super) fn end_record(&mut self) -> io::Result<u64> {
        self.file.write_all(&self.record)?;
        self.bytes += self.record.len() as u64;
        self.record.clear();
        Ok(self.bytes)
    }

    /// Writes the rest; returns the file's name and size.
    pub(super) fn finish(mut self) -> io::Result<(String, u64)> {
        self.end_record()?;
        self.file.flush()?;
        Ok((self.name, self.bytes))
    }
}
