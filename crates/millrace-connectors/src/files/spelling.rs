//! Columns whose names differ in letter case only.
//!
//! No warehouse tells `ID` from `id` without quotes, and people who write files by hand or with two
//! programs spell one column in two ways. So two such names are one column, as long as no record
//! has both.

use millrace_core::code::Code;
use millrace_core::diagnostic::Diagnostic;
use millrace_core::name::StreamName;

/// The warning that a column has another spelling, too.
pub(crate) fn notice(stream: &StreamName, column: &str, other: &str) -> Diagnostic {
    let message = format!(
        "column `{column}` of stream `{stream}` is spelled `{other}` elsewhere; the two are read as one"
    );
    Diagnostic::warning(Code::SpelledInTwoWays, message)
}

/// Whether two names are equal without regard to letter case.
pub(crate) fn are_alike(a: &str, b: &str) -> bool {
    // Nearly all names are ASCII, and are compared without an allocation.
    if a.is_ascii() && b.is_ascii() {
        a.eq_ignore_ascii_case(b)
    } else {
        a.to_lowercase() == b.to_lowercase()
    }
}

/// The index of the name that equals `name` or, if there is none, of the only one that differs from
/// it in letter case alone.
pub(crate) fn find<'a>(name: &str, among: impl Iterator<Item = &'a str> + Clone) -> Option<usize> {
    if let Some(at) = among.clone().position(|other| other == name) {
        return Some(at);
    }
    let mut alike = among.enumerate().filter(|(_, other)| are_alike(other, name));
    let (at, _) = alike.next()?;
    alike.next().is_none().then_some(at)
}

#[cfg(test)]
mod tests {
    #[test]
    fn letters_have_two_cases() {
        for (a, b, alike) in [
            ("id", "ID", true),
            ("id", "Ids", false),
            ("É", "é", true),
            ("é", "e", false),
            // The Kelvin sign, whose lower case is the ASCII letter.
            ("\u{212A}", "k", true),
        ] {
            assert_eq!(super::are_alike(a, b), alike, "{a} {b}");
        }
    }

    #[test]
    fn names_are_found_by_their_letters() {
        let find = |name, among: &[&str]| super::find(name, among.iter().copied());
        assert_eq!(find("id", &["ID", "id"]), Some(1));
        assert_eq!(find("Id", &["x", "ID"]), Some(1));
        assert_eq!(find("Id", &["ID", "id"]), None, "which of the two?");
        assert_eq!(find("QUANTITÉ", &["quantité"]), Some(0));
        assert_eq!(find("ids", &["id"]), None);
    }
}
