//! Texts of other people on a terminal: one line each, and nothing in them that the terminal would take for an order.

use std::borrow::Cow;
use std::fmt::Write as _;

use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

/// Whether a terminal does something else with it than show it: controls (line ends, tabs, the ESC of escape codes), separators of lines and paragraphs,
/// marks that turn the direction of writing, and those that nobody sees.
fn is_order(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}')
}

/// The text in one line, in which whatever a terminal would obey is written as in a string of a program: `\n`, `\t`, `\u{1b}`.
pub fn visible(text: &str) -> Cow<'_, str> {
    if !text.contains(is_order) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        match c {
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if is_order(c) => {
                let _ = write!(out, "\\u{{{:x}}}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    Cow::Owned(out)
}

/// Columns that a text takes on a terminal: two for the wide letters of East Asia and most pictures, none for combining marks.
pub fn columns(text: &str) -> usize {
    text.width()
}

/// The text, or as much of it as fits before a `…` in that many columns. Says whether it was cut.
pub fn fitting(text: &str, most: usize) -> (Cow<'_, str>, bool) {
    if columns(text) <= most {
        return (Cow::Borrowed(text), false);
    }
    let (mut used, mut end) = (0, 0);
    for (at, c) in text.char_indices() {
        used += c.width().unwrap_or(0);
        if used + 1 > most {
            break;
        }
        end = at + c.len_utf8();
    }
    (Cow::Owned(format!("{}…", &text[..end])), true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_are_written_out_and_letters_stay() {
        for (text, shown) in [
            ("plain é ÅÄ 日本 👍🏽 a\\b", "plain é ÅÄ 日本 👍🏽 a\\b"),
            ("a\nb\r\nc\td", "a\\nb\\r\\nc\\td"),
            ("\u{1b}[31mred\u{1b}[0m", "\\u{1b}[31mred\\u{1b}[0m"),
            ("\u{9b}2J\u{7}\u{8}\u{0}\u{7f}", "\\u{9b}2J\\u{7}\\u{8}\\u{0}\\u{7f}"),
            ("a\u{202e}b\u{2066}c\u{2028}", "a\\u{202e}b\\u{2066}c\\u{2028}"),
        ] {
            assert_eq!(visible(text), shown);
        }
        // No letter that is an order gets through, whichever it is.
        let all: String = (0..0x30_000).filter_map(char::from_u32).collect();
        assert!(!visible(&all).contains(is_order));
        assert_eq!(visible(&all).lines().count(), 1);
    }

    #[test]
    fn a_long_text_is_cut_where_a_letter_ends() {
        assert_eq!(fitting("abcdef", 6), ("abcdef".into(), false));
        assert_eq!(fitting("abcdefg", 6), ("abcde…".into(), true));
        assert_eq!(fitting("日本語", 5), ("日本…".into(), true));
        assert_eq!(fitting("日本語", 4), ("日…".into(), true));
        for most in 1..20 {
            let (cut, _) = fitting("é日a\u{301}👍語x日本語日本語", most);
            assert!(columns(&cut) <= most, "{cut} in {most}");
        }
    }
}
