//! What the records after a quote that may be broken say of where it ended. See ADR 0028.

use crate::csv_files::records::Field;
use crate::csv_files::settings::CsvSettings;

/// A record of which the quotes may be broken. It went to quarantine, or where something follows a closing quote its first line did, and reading
/// went on at the next one: as if the quote had been no quote, or the last one of its text. Then what follows is made of records. Otherwise it
/// is the rest of a text, which must end with a quote somewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct BrokenQuote {
    /// On which the record started.
    pub(super) line: u64,
    /// On which the closing quote stands: up to there it is a text, unless every line looks like a record.
    pub(super) until: u64,
    /// What is wrong with the record.
    pub(super) cause: &'static str,
}

/// A record that follows.
#[derive(Debug, Clone, Copy)]
pub(super) struct NextRecord<'a> {
    pub(super) raw: &'a [u8],
    pub(super) fields: &'a [Field],
    /// Of its first byte.
    pub(super) line: u64,
    pub(super) kind: Kind,
}

/// What kind of record it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// It has as many fields as the columns are.
    Fits,
    /// It has another number of fields.
    Misfits,
    /// Something follows a closing quote in its last field.
    BrokenQuote,
}

/// What is known once a record more was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The records are records, as far as can be seen.
    Open,
    /// They are.
    Records,
    /// Nobody can say.
    Unknown,
}

impl BrokenQuote {
    /// What a record says. `columns` is how many there are.
    pub(super) fn judge(&self, next: &NextRecord<'_>, columns: usize, settings: &CsvSettings) -> Verdict {
        let (delimiter, quote) = (settings.delimiter, settings.quote);
        let NextRecord { raw, fields, line, kind } = *next;
        // Between the quotes every line has to look like a record. Where there is one column, all lines do.
        if line <= self.until && (kind == Kind::Misfits || columns == 1) {
            return Verdict::Unknown;
        }
        // A quote before a delimiter or a line's end is how a text ends. It may have doubled ones before it.
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
            // Its quote is one if none stands before it, and then it is in doubt itself.
            Kind::BrokenQuote if bare.any(|text| text.contains(&quote)) => Verdict::Unknown,
            Kind::BrokenQuote => Verdict::Records,
            // The end of a text looks so.
            Kind::Fits | Kind::Misfits if bare.any(|text| text.last() == Some(&quote)) => Verdict::Unknown,
            Kind::Fits if fields.iter().any(|field| field.quoted) => Verdict::Records,
            Kind::Fits | Kind::Misfits => Verdict::Open,
        }
    }
}
