//! Labels of ENUM and SET columns, by all the ways in which they are named.

use std::borrow::Cow;

use crate::files::cell::Refusal;
use crate::mysql_dump::rule::Labels;

fn no_label() -> Refusal {
    Refusal::out_of_range("the value is none of the labels of its column")
}

/// The label that a text names: as it is spelled or, where the collation and ASCII let that be told, in other letter case and with blanks
/// at its end. An empty text stays one: it is what servers keep of a value that was no label.
pub(super) fn one<'a>(list: &Labels, text: Cow<'a, [u8]>, is_bytes: bool) -> Result<Cow<'a, [u8]>, Refusal> {
    if text.is_empty() || list.names.iter().any(|name| name.as_bytes() == &*text) {
        return Ok(text);
    }
    match position(list, &text) {
        Some(at) if !is_bytes => Ok(Cow::Owned(list.names[at].clone().into_bytes())),
        // A text of digits that is no label is the place of one.
        None if !is_bytes && text.iter().all(u8::is_ascii_digit) => {
            by_number(list, &text).map(|label| Cow::Owned(label.into_bytes()))
        }
        _ => Err(no_label()),
    }
}

/// The labels that a text lists, in the order of the definition, each once.
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
        // Only blanks at the end of the whole do not count.
        return Err(no_label());
    }
    for part in text.split(|&byte| byte == b',') {
        let exact = list.names.iter().position(|name| name.as_bytes() == part);
        let at = exact.or_else(|| position(list, part).filter(|_| !is_bytes)).ok_or_else(no_label)?;
        found[at] = true;
    }
    Ok(Cow::Owned(joined(list, |at| found[at]).into_bytes()))
}

/// The label at a place, counted from 1.
pub(super) fn by_number(list: &Labels, digits: &[u8]) -> Result<String, Refusal> {
    let at = number(digits).and_then(|place| usize::try_from(place).ok()?.checked_sub(1));
    at.and_then(|at| list.names.get(at).cloned()).ok_or_else(no_label)
}

/// The labels whose bits a number has, that of the first label being 1. There are 64 labels at most.
pub(super) fn by_bits(list: &Labels, digits: &[u8]) -> Result<String, Refusal> {
    let bits = number(digits).ok_or_else(no_label)?;
    let beyond = if list.names.len() < 64 { bits >> list.names.len() } else { 0 };
    if beyond == 0 { Ok(joined(list, |at| bits >> at & 1 == 1)) } else { Err(no_label()) }
}

fn joined(list: &Labels, is_in: impl Fn(usize) -> bool) -> String {
    let names = list.names.iter().enumerate().filter(|(at, _)| is_in(*at));
    names.map(|(_, name)| name.as_str()).collect::<Vec<_>>().join(",")
}

fn number(digits: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(digits).ok()?;
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

/// The only label that a text is, but for letter case and blanks at its end.
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
