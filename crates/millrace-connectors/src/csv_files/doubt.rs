//! What the records after a broken quote say of where it ended. See ADR 0028.

use crate::csv_files::records::Field;

/// A record in which something follows a closing quote. Its first line went to quarantine, and reading went on at the next one: as if the quote
/// had been no quote. Then what follows is made of records. Otherwise it is the rest of a text, which must end with a quote somewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Doubt {
    /// On which the record started.
    pub(super) line: u64,
    /// On which the closing quote stands.
    pub(super) until: u64,
}

/// A record that follows.
#[derive(Debug, Clone, Copy)]
pub(super) struct Follower<'a> {
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
    Right,
    /// It has another number of fields.
    Ragged,
    /// Something follows a closing quote in its last field.
    AfterQuote,
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

impl Doubt {
    /// What a record says. `columns` is how many there are.
    pub(super) fn judge(&self, follower: &Follower<'_>, columns: usize, quote: u8) -> Verdict {
        let Follower { raw, fields, line, kind } = *follower;
        // Between the quotes every line has to look like a record. Where there is one column, all lines do.
        if line <= self.until && (kind == Kind::Ragged || columns == 1) {
            return Verdict::Unknown;
        }
        let mut bare = fields.iter().filter(|field| !field.quoted).map(|field| &raw[field.text.clone()]);
        match kind {
            // Its quote is one if none stands before it, and then it is in doubt itself.
            Kind::AfterQuote if bare.any(|text| text.contains(&quote)) => Verdict::Unknown,
            Kind::AfterQuote => Verdict::Records,
            // The end of a text looks so.
            Kind::Right | Kind::Ragged if bare.any(|text| text.last() == Some(&quote)) => Verdict::Unknown,
            Kind::Right if fields.iter().any(|field| field.quoted) => Verdict::Records,
            Kind::Right | Kind::Ragged => Verdict::Open,
        }
    }
}
