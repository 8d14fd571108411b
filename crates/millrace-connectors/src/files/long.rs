//! Counts records that span so many lines that they may have swallowed others, because a quote is
//! missing or one too many. They are loaded, since RFC 4180 allows them, and a warning points at
//! the longest. See ADR 0028.

use millrace_core::code::Code;
use millrace_core::diagnostic::Diagnostic;

/// One long record in so many records is rare.
const FEW: u64 = 20;

/// The long records of one stream.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct LongRecords {
    count: u64,
    /// Whether the lines of any of them look like records.
    alike: bool,
    longest: Option<Long>,
}

/// The longest one.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Long {
    file: String,
    /// 1-based line on which it starts.
    line: u64,
    /// The number of its lines.
    lines: u64,
}

impl LongRecords {
    /// Counts a record that starts on line `line` of `file` and spans `lines` lines. `alike` says
    /// that most of these lines look like records.
    pub(crate) fn saw(&mut self, file: &str, line: u64, lines: u64, alike: bool) {
        self.add(Self { count: 1, alike, longest: Some(Long { file: file.to_owned(), line, lines }) });
    }

    /// Adds the long records that another thread has seen further on in the file.
    pub(crate) fn add(&mut self, other: Self) {
        self.count += other.count;
        self.alike |= other.alike;
        let lines = |long: &Option<Long>| long.as_ref().map_or(0, |long| long.lines);
        if lines(&other.longest) > lines(&self.longest) {
            self.longest = other.longest;
        }
    }

    /// The warning about them in a stream of `records` records. Returns `None` if long records are
    /// frequent and their lines do not look like records, because then they are texts of several
    /// lines.
    pub(crate) fn notice(self, records: u64) -> Option<Diagnostic> {
        if !self.alike && self.count * FEW > records {
            return None;
        }
        let Long { file, line, lines } = self.longest?;
        let message = match self.count {
            1 => format!("`{file}` has a record over {lines} lines, from line {line} on"),
            count => format!(
                "`{file}` has {count} records over more than a hundred lines; the longest starts on line {line} and goes over {lines}"
            ),
        };
        Some(Diagnostic::warning(Code::LongRecord, message).hint(
            "Look at that line: where a quote is missing or one too many, the records after it are in a text of this one.",
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_worth_a_word() {
        let seen = |longs: &[(u64, bool)]| {
            let mut all = LongRecords::default();
            for (at, &(lines, alike)) in longs.iter().enumerate() {
                all.saw("f", at as u64 + 2, lines, alike);
            }
            all
        };
        let message =
            |longs: &[(u64, bool)], records| seen(longs).notice(records).map(|notice| notice.message);
        assert_eq!(message(&[], 100), None);
        assert_eq!(message(&[(101, false)], 19), None);
        assert_eq!(
            message(&[(101, false)], 20).expect("rare"),
            "`f` has a record over 101 lines, from line 2 on"
        );
        let two = message(&[(101, true), (500, false)], 2).expect("like records");
        assert!(two.contains("2 records") && two.contains("starts on line 3 and goes over 500"), "{two}");
    }
}
