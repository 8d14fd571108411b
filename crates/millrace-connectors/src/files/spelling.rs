//! Columns whose names differ in letter case only.
//!
//! No warehouse tells `ID` from `id` without quotes, and people who write files by hand or by two programs spell one column in two ways. So
//! the two are one column, as long as nothing has both.

use millrace_core::code::Code;
use millrace_core::diagnostic::Diagnostic;
use millrace_core::name::StreamName;

/// What people should know of a column that is spelled in another way, too.
pub(crate) fn notice(stream: &StreamName, column: &str, other: &str) -> Diagnostic {
    let message = format!(
        "column `{column}` of stream `{stream}` is spelled `{other}` elsewhere; the two are read as one"
    );
    Diagnostic::warning(Code::SpelledInTwoWays, message)
}

/// Which of some names is that one: the same or, failing that, the only one that differs from it in letter case alone.
pub(crate) fn find<'a>(name: &str, among: impl Iterator<Item = &'a str> + Clone) -> Option<usize> {
    if let Some(at) = among.clone().position(|other| other == name) {
        return Some(at);
    }
    let folded = name.to_lowercase();
    let mut alike = among.enumerate().filter(|(_, other)| other.to_lowercase() == folded);
    let (at, _) = alike.next()?;
    alike.next().is_none().then_some(at)
}

#[cfg(test)]
mod tests {
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
