//! Finds the labels of ENUM and SET columns for a text, a number or a bit set.

use std::borrow::Cow;

use crate::files::cell::Refusal;
use crate::mysql_dump::rule::Labels;

/// The refusal of a value that names no label.
fn no_label() -> Refusal {
    Refusal::out_of_range("the value is none of the labels of its column")
}

/// Returns the label of an ENUM column that a text names: with the exact spelling or, if collation
/// and ASCII allow that to be determined, in another letter case and with trailing blanks.
///
/// An empty text stays empty: servers store that for a value that was no label. `is_bytes` allows
/// only the exact spelling.
pub(super) fn one<'a>(list: &Labels, text: Cow<'a, [u8]>, is_bytes: bool) -> Result<Cow<'a, [u8]>, Refusal> {
    if text.is_empty() || list.names.iter().any(|name| name.as_bytes() == &*text) {
        return Ok(text);
    }
    match position(list, &text) {
        Some(at) if !is_bytes => Ok(Cow::Owned(list.names[at].clone().into_bytes())),
        // A text of digits that is no label is the number of a label.
        None if !is_bytes && text.iter().all(u8::is_ascii_digit) => {
            by_number(list, &text).map(|label| Cow::Owned(label.into_bytes()))
        }
        _ => Err(no_label()),
    }
}

/// Returns the labels of a SET column that a text lists, in the order of the definition, each once.
/// `is_bytes` allows only the exact spelling.
pub(super) fn several<'a>(
    list: &Labels,
    text: Cow<'a, [u8]>,
    is_bytes: bool,
) -> Result<Cow<'a, [u8]>, Refusal> {
    if text.is_empty() {
        return Ok(text);
    }
    let mut found = vec![false; list.names.len()];
    if text.windows(2).any(|pair| pair == b" ,") {
        // Trailing blanks are ignored only at the end of the whole text.
        return Err(no_label());
    }
    for part in text.split(|&byte| byte == b',') {
        let exact = list.names.iter().position(|name| name.as_bytes() == part);
        let at = exact.or_else(|| position(list, part).filter(|_| !is_bytes)).ok_or_else(no_label)?;
        found[at] = true;
    }
    Ok(Cow::Owned(joined(list, |at| found[at]).into_bytes()))
}

/// Returns the label with a number, counted from 1.
pub(super) fn by_number(list: &Labels, digits: &[u8]) -> Result<String, Refusal> {
    let at = number(digits).and_then(|place| usize::try_from(place).ok()?.checked_sub(1));
    at.and_then(|at| list.names.get(at).cloned()).ok_or_else(no_label)
}

/// Returns the labels whose bits are set in a number; the first label has bit 1. There are at most
/// 64 labels.
pub(super) fn by_bits(list: &Labels, digits: &[u8]) -> Result<String, Refusal> {
    let bits = number(digits).ok_or_else(no_label)?;
    let beyond = if list.names.len() < 64 { bits >> list.names.len() } else { 0 };
    if beyond == 0 { Ok(joined(list, |at| bits >> at & 1 == 1)) } else { Err(no_label()) }
}

/// Returns the selected labels, separated by commas.
fn joined(list: &Labels, is_in: impl Fn(usize) -> bool) -> String {
    let names = list.names.iter().enumerate().filter(|(at, _)| is_in(*at));
    names.map(|(_, name)| name.as_str()).collect::<Vec<_>>().join(",")
}

/// Parses a text that consists of digits only.
fn number(digits: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(digits).ok()?;
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

/// Returns the index of the only label that equals a text except for letter case and trailing
/// blanks. Returns `None` if no label or several labels do.
fn position(list: &Labels, text: &[u8]) -> Option<usize> {
    let text = std::str::from_utf8(text).ok()?.trim_end_matches(' ');
    let mut alike = list.names.iter().enumerate().filter(|(_, name)| {
        *name == text || (!list.case_sensitive && text.is_ascii() && name.eq_ignore_ascii_case(text))
    });
    match (alike.next(), alike.next()) {
        (Some((at, _)), None) => Some(at),
        _ => None,
    }
}
