//! A buffer for the rows that a load quarantines, until they are written together with its
//! checkpoint.
//!
//! They cannot be written earlier, because the warehouse's transaction is busy with the rows that
//! load. Beyond [`MEMORY`] bytes the rows go to an unnamed temporary file, which disappears with
//! the process, so that memory stays bounded however many rows are bad. Format of file and memory:
//! for each row its length as 8 bytes, little-endian, then its JSON.

use std::fs::File;
use std::io::{BufReader, Cursor, Read as _, Seek as _, Write as _};

use millrace_core::digest::sha256;
use millrace_core::quarantine::{QuarantineCode, QuarantinedRow};
use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorKind, Result};

/// Bytes that are kept in memory at most. Also the bound for the texts of one call of
/// [`BufferedRows::next`], within one row.
const MEMORY: usize = 4 * 1024 * 1024;

/// A row as the quarantine table stores it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct BufferedRow {
    pub(crate) file: String,
    pub(crate) line: u64,
    pub(crate) column: Option<String>,
    pub(crate) code: QuarantineCode,
    pub(crate) reason: String,
    /// The row's text; `None` if the stream hides it (excluded columns).
    pub(crate) raw: Option<String>,
    pub(crate) raw_sha256: String,
    /// The digest of its key, if the text contains one.
    pub(crate) key_sha256: Option<String>,
}

impl BufferedRow {
    /// From a row that a source or warehouse refused.
    pub(crate) fn of(row: &QuarantinedRow, hide_raw: bool, key_sha256: Option<String>) -> Self {
        Self {
            file: row.file.clone(),
            line: row.line,
            column: row.column.clone(),
            code: row.code,
            reason: row.reason.clone(),
            raw: (!hide_raw).then(|| row.raw.clone()),
            raw_sha256: sha256(&row.raw),
            key_sha256,
        }
    }
}

/// Quarantined rows in order of arrival.
#[derive(Debug, Default)]
pub(crate) struct QuarantineBuffer {
    /// The last rows, encoded.
    memory: Vec<u8>,
    /// Earlier rows, encoded; `None` as long as memory suffices.
    file: Option<File>,
    rows: u64,
    /// The first few rows without their texts, to be named in an error if there are too many.
    first: Vec<QuarantinedRow>,
}

impl QuarantineBuffer {
    /// The number of rows.
    pub(crate) fn len(&self) -> u64 {
        self.rows
    }

    /// The first 5 rows at most, without their texts.
    pub(crate) fn first(&self) -> &[QuarantinedRow] {
        &self.first
    }

    /// Appends a row. `origin` is the row as the source sent it. Fails with `Resources` if the
    /// temporary file cannot be written.
    pub(crate) fn push(&mut self, row: &BufferedRow, origin: &QuarantinedRow) -> Result<()> {
        const NAMED: usize = 5;
        if self.first.len() < NAMED {
            self.first.push(QuarantinedRow { raw: String::new(), ..origin.clone() });
        }
        let text = serde_json::to_vec(row).map_err(|error| {
            Error::new(ErrorKind::Internal, "a row of quarantine cannot be written").caused_by(error)
        })?;
        self.memory.extend((text.len() as u64).to_le_bytes());
        self.memory.extend(text);
        self.rows += 1;
        if self.memory.len() > MEMORY { self.spill().map_err(|error| unkept(&error)) } else { Ok(()) }
    }

    /// Moves the encoded rows from memory to the file.
    fn spill(&mut self) -> std::io::Result<()> {
        let file = match &mut self.file {
            Some(file) => file,
            none => none.insert(tempfile::tempfile()?),
        };
        file.write_all(&self.memory)?;
        self.memory.clear();
        Ok(())
    }

    /// Ends writing, and returns a reader positioned at the first row.
    pub(crate) fn into_rows(self) -> Result<BufferedRows> {
        let mut rows = BufferedRows { file: self.file.map(BufReader::new), memory: Cursor::new(self.memory) };
        rows.rewind()?;
        Ok(rows)
    }
}

/// Reads buffered rows in order: the file first, then the memory.
#[derive(Debug)]
pub(crate) struct BufferedRows {
    file: Option<BufReader<File>>,
    memory: Cursor<Vec<u8>>,
}

impl BufferedRows {
    /// Returns to the first row.
    pub(crate) fn rewind(&mut self) -> Result<()> {
        self.memory.set_position(0);
        match &mut self.file {
            Some(file) => file.rewind().map_err(|error| unkept(&error)),
            None => Ok(()),
        }
    }

    /// The next `most` rows at most, fewer if their texts exceed [`MEMORY`] bytes; empty at the
    /// end.
    pub(crate) fn next(&mut self, most: usize) -> Result<Vec<BufferedRow>> {
        let (mut rows, mut bytes) = (Vec::new(), 0);
        while rows.len() < most
            && bytes < MEMORY
            && let Some(row) = self.row()?
        {
            bytes += row.raw.as_ref().map_or(0, String::len);
            rows.push(row);
        }
        Ok(rows)
    }

    fn row(&mut self) -> Result<Option<BufferedRow>> {
        if let Some(file) = &mut self.file
            && let Some(row) = read(file)?
        {
            return Ok(Some(row));
        }
        read(&mut self.memory)
    }
}

/// Decodes one row; returns `None` at the end of the data.
fn read(from: &mut impl std::io::Read) -> Result<Option<BufferedRow>> {
    let mut length = [0; 8];
    // One byte first: at the end there is none, whereas a shorter rest would be an error.
    match from.read(&mut length[..1]).map_err(|error| unkept(&error))? {
        0 => return Ok(None),
        _ => from.read_exact(&mut length[1..]).map_err(|error| unkept(&error))?,
    }
    let mut text = Vec::new();
    from.take(u64::from_le_bytes(length)).read_to_end(&mut text).map_err(|error| unkept(&error))?;
    let row = serde_json::from_slice(&text).map_err(|error| {
        Error::new(ErrorKind::Internal, "a row of quarantine cannot be read").caused_by(error)
    })?;
    Ok(Some(row))
}

fn unkept(error: &std::io::Error) -> Error {
    let message = "rows of quarantine could not be kept in a temporary file";
    Error::new(ErrorKind::Resources, message).caused_by(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(line: u64, raw: &str) -> QuarantinedRow {
        QuarantinedRow {
            file: "data/a.csv".into(),
            line,
            column: line.is_multiple_of(2).then(|| "n".into()),
            code: QuarantineCode::WrongType,
            reason: "expected an integer, found text".into(),
            raw: raw.to_owned(),
        }
    }

    #[test]
    fn all_rows_come_back_in_order_as_often_as_they_are_read() {
        let mut buffer = QuarantineBuffer::default();
        let raw = |line: u64| format!("é,{line},\"\n{}", "x".repeat((line % 700) as usize));
        for line in 0..30_000 {
            let origin = row(line, &raw(line));
            buffer.push(&BufferedRow::of(&origin, line % 3 == 0, None), &origin).expect("room");
            assert!(buffer.memory.len() <= MEMORY);
        }
        assert!(buffer.file.is_some(), "it went beyond what memory may hold");
        assert_eq!((buffer.len(), buffer.first().len()), (30_000, 5));
        let mut rows = buffer.into_rows().expect("they can be read");
        for _ in 0..2 {
            rows.rewind().expect("from the beginning");
            let mut line = 0;
            loop {
                let next = rows.next(700).expect("rows");
                if next.is_empty() {
                    break;
                }
                assert!(next.len() <= 700);
                for found in next {
                    assert_eq!(found, BufferedRow::of(&row(line, &raw(line)), line % 3 == 0, None));
                    line += 1;
                }
            }
            assert_eq!(line, 30_000);
        }
        let mut none = QuarantineBuffer::default().into_rows().expect("nothing");
        assert!(none.next(10).expect("nothing").is_empty());
    }
}
