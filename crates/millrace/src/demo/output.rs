//! Buffered output file that counts its bytes.

use std::fs::File;
use std::io::{self, BufWriter, Write as _};
use std::path::Path;

/// Size of the write buffer in bytes.
const BUFFER: usize = 256 * 1024;

/// A file that is being written. Adding to a record never fails; only [`Output::end_record`] does
/// I/O.
pub(super) struct Output {
    name: String,
    file: BufWriter<File>,
    record: Vec<u8>,
    bytes: u64,
}

impl Output {
    /// Creates or truncates the file `name`, a path with forward slashes, below `dir`. Creates its
    /// folder.
    pub(super) fn create(dir: &Path, name: &str) -> io::Result<Self> {
        let path = dir.join(name);
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        let file = BufWriter::with_capacity(BUFFER, File::create(path)?);
        Ok(Self { name: name.to_owned(), file, record: Vec::with_capacity(512), bytes: 0 })
    }

    /// Appends a text to the record.
    pub(super) fn text(&mut self, text: &str) -> &mut Self {
        self.record.extend_from_slice(text.as_bytes());
        self
    }

    /// Appends a number in decimal digits.
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

    /// Appends an amount in cents, with two digits after the decimal point.
    pub(super) fn cents(&mut self, cents: u64) -> &mut Self {
        self.number(cents / 100);
        let rest = (cents % 100) as u8;
        self.record.extend_from_slice(&[b'.', b'0' + rest / 10, b'0' + rest % 10]);
        self
    }

    /// Writes the record to the buffer of the file; returns the file's size so far, in bytes.
    pub(super) fn end_record(&mut self) -> io::Result<u64> {
        self.file.write_all(&self.record)?;
        self.bytes += self.record.len() as u64;
        self.record.clear();
        Ok(self.bytes)
    }

    /// Flushes the file; returns its name and its size in bytes.
    pub(super) fn finish(mut self) -> io::Result<(String, u64)> {
        self.end_record()?;
        self.file.flush()?;
        Ok((self.name, self.bytes))
    }
}
