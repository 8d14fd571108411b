//! Decides, by the records after a possibly broken quote, whether they are records at all (ADR 28).
//!
//! After a broken quote, reading continues at the next line as if the quote closed nothing. That
//! guess is right if the lines that follow are records, and wrong if they are the rest of a quoted
//! text. Each further record is judged until one settles the question; if the evidence contradicts
//! the guess, the file is an error instead of being loaded with invented records.

use crate::csv_files::records::Field;
use crate::csv_files::settings::CsvSettings;

/// A record whose quotes may be broken. It went to quarantine (only its first line, if something
/// follows a closing quote), and reading continued at the next line: as if the quote were an
/// ordinary character, or the one that closes its text. If that is right, what follows is a
/// sequence of records. Otherwise it is the rest of a text, which must end with a quote somewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct BrokenQuote {
    /// 1-based line on which the record started.
    pub(super) line: u64,
    /// The line of the closing quote. Everything up to there may be one text, unless each line of
    /// it looks like a record.
    pub(super) until: u64,
    /// What is wrong with the record, for the error message.
    pub(super) cause: &'static str,
}

/// A record after the doubtful one.
#[derive(Debug, Clone, Copy)]
pub(super) struct NextRecord<'a> {
    /// Its bytes and whatever follows them; the ranges of `fields` count from its start.
    pub(super) raw: &'a [u8],
    /// Its fields, up to the broken one if there is one.
    pub(super) fields: &'a [Field],
    /// 1-based line of its first byte.
    pub(super) line: u64,
    /// How it relates to the columns.
    pub(super) kind: Kind,
}

/// How a record relates to the columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// It has as many fields as there are columns.
    Fits,
    /// It has a different number of fields.
    Misfits,
    /// Something follows a closing quote in its last field.
    BrokenQuote,
}

/// What is known after one more record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// So far everything looks like records; more of them have to be judged.
    Open,
    /// The records are records: quotes and fields are in step again.
    Records,
    /// It cannot be decided which lines are records. The file is an error.
    Unknown,
}

impl BrokenQuote {
    /// Judges the next record after the doubtful one. `columns` is the number of columns.
    pub(super) fn judge(&self, next: &NextRecord<'_>, columns: usize, settings: &CsvSettings) -> Verdict {
        let (delimiter, quote) = (settings.delimiter, settings.quote);
        let NextRecord { raw, fields, line, kind } = *next;
        // Up to the closing quote, every line must look like a record. If there is only one column,
        // every line does, so the look proves nothing.
        if line <= self.until && (kind == Kind::Misfits || columns == 1) {
            return Verdict::Unknown;
        }
        // A quote directly before a delimiter or a line end is how a text ends; doubled quotes may
        // precede it. If a quoted field begins like that, its opening quote in fact closes the
        // doubtful text.
        let looks_closing = |field: &Field| {
            let mut content = raw[field.text.clone()].iter().copied().skip_while(|byte| *byte == quote);
            field.quoted
                && content.next().is_some_and(|byte| byte == delimiter || matches!(byte, b'\r' | b'\n'))
        };
        if fields.iter().any(looks_closing) {
            return Verdict::Unknown;
        }
        let mut bare = fields.iter().filter(|field| !field.quoted).map(|field| &raw[field.text.clone()]);
        match kind {
            // The broken quote of this record opens a text only if no unquoted field has a quote in
            // it. In that case this record becomes the doubtful one.
            Kind::BrokenQuote if bare.any(|text| text.contains(&quote)) => Verdict::Unknown,
            Kind::BrokenQuote => Verdict::Records,
            // An unquoted field that ends in a quote looks like the last line of a text.
            Kind::Fits | Kind::Misfits if bare.any(|text| text.last() == Some(&quote)) => Verdict::Unknown,
            Kind::Fits if fields.iter().any(|field| field.quoted) => Verdict::Records,
            Kind::Fits | Kind::Misfits => Verdict::Open,
        }
    }
}
