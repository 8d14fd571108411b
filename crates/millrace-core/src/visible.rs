//! Makes untrusted text safe to print on a terminal: on one line, and without characters that the
//! terminal would interpret.

use std::borrow::Cow;
use std::fmt::Write as _;

use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

/// Whether a terminal interprets the character instead of showing it: controls (line breaks, tabs,
/// the ESC of escape sequences), line and paragraph separators, marks that change the direction of
/// writing, annotations, and invisible characters (Unicode's `Bidi_Control` and
/// `Default_Ignorable_Code_Point`). Characters that only shape the letter next to them are allowed:
/// joiners, variation selectors, syllable fillers.
fn is_order(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{ad}'
                | '\u{61c}'
                | '\u{180e}'
                | '\u{200b}'
                | '\u{200e}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{3164}'
                | '\u{feff}'
                | '\u{ffa0}'
                | '\u{fff0}'..='\u{fffb}'
                | '\u{1bca0}'..='\u{1bca3}'
                | '\u{1d173}'..='\u{1d17a}'
                | '\u{e0000}'..='\u{e00ff}'
                | '\u{e01f0}'..='\u{e0fff}'
        )
}

/// Formats a number with thousands separators: `1,234,567`.
pub fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// The text on one line, with characters that a terminal would interpret escaped as in a string
/// literal: `\n`, `\t`, `\u{1b}`.
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

/// The number of terminal columns that a text occupies: two for wide East Asian characters and most
/// emoji, zero for combining marks.
pub fn columns(text: &str) -> usize {
    text.width()
}

/// The text if it fits into `most` terminal columns; otherwise its longest prefix that fits,
/// followed by `…`. The flag says whether it was cut.
pub fn fitting(text: &str, most: usize) -> (Cow<'_, str>, bool) {
    if columns(text) <= most {
        return (Cow::Borrowed(text), false);
    }
    let (mut used, mut end) = (0, 0);
    for (at, c) in text.char_indices() {
        // One column is reserved for the `…`.
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
    use std::ops::RangeInclusive;

    use super::*;

    #[test]
    fn orders_are_written_out_and_letters_stay() {
        for (text, shown) in [
            ("plain é ÅÄ 日本 👍🏽 a\\b", "plain é ÅÄ 日本 👍🏽 a\\b"),
            ("a\nb\r\nc\td", "a\\nb\\r\\nc\\td"),
            ("\u{1b}[31mred\u{1b}[0m", "\\u{1b}[31mred\\u{1b}[0m"),
            ("\u{9b}2J\u{7}\u{8}\u{0}\u{7f}", "\\u{9b}2J\\u{7}\\u{8}\\u{0}\\u{7f}"),
            ("a\u{202e}b\u{2066}c\u{2028}", "a\\u{202e}b\\u{2066}c\\u{2028}"),
            ("a\u{61c}b\u{ad}c\u{180e}\u{e0041}", "a\\u{61c}b\\u{ad}c\\u{180e}\\u{e0041}"),
            ("❤\u{fe0f} 👩\u{200d}🔬 می\u{200c}خواهم", "❤\u{fe0f} 👩\u{200d}🔬 می\u{200c}خواهم"),
        ] {
            assert_eq!(visible(text), shown);
        }
    }

    /// `Bidi_Control` of PropList.txt of Unicode 14; unchanged since 6.3.
    const BIDI_CONTROL: [RangeInclusive<u32>; 4] =
        [0x61c..=0x61c, 0x200e..=0x200f, 0x202a..=0x202e, 0x2066..=0x2069];

    /// `Default_Ignorable_Code_Point` of DerivedCoreProperties.txt of Unicode 14.
    const DEFAULT_IGNORABLE: [RangeInclusive<u32>; 17] = [
        0xad..=0xad,
        0x34f..=0x34f,
        0x61c..=0x61c,
        0x115f..=0x1160,
        0x17b4..=0x17b5,
        0x180b..=0x180f,
        0x200b..=0x200f,
        0x202a..=0x202e,
        0x2060..=0x206f,
        0x3164..=0x3164,
        0xfe00..=0xfe0f,
        0xfeff..=0xfeff,
        0xffa0..=0xffa0,
        0xfff0..=0xfff8,
        0x1bca0..=0x1bca3,
        0x1d173..=0x1d17a,
        0xe0000..=0xe0fff,
    ];

    /// Those of them that shape the letter next to them: a grapheme joiner, fillers of Hangul and
    /// vowels of Khmer, variation selectors of Mongolian and of all scripts, joiners (of Arabic,
    /// Indic scripts and emoji).
    const SHAPES: [RangeInclusive<u32>; 8] = [
        0x34f..=0x34f,
        0x115f..=0x1160,
        0x17b4..=0x17b5,
        0x180b..=0x180d,
        0x180f..=0x180f,
        0x200c..=0x200d,
        0xfe00..=0xfe0f,
        0xe0100..=0xe01ef,
    ];

    /// Controls, line separators (Zl) and paragraph separators (Zp), and the marks of interlinear
    /// annotations.
    const OTHERS: [RangeInclusive<u32>; 4] = [0x0..=0x1f, 0x7f..=0x9f, 0x2028..=0x2029, 0xfff9..=0xfffb];

    #[test]
    fn an_order_is_what_unicode_says_nobody_sees() {
        let is_in = |ranges: &[RangeInclusive<u32>], c: u32| ranges.iter().any(|range| range.contains(&c));
        for c in char::MIN..=char::MAX {
            let code = u32::from(c);
            let expected = is_in(&OTHERS, code)
                || is_in(&BIDI_CONTROL, code)
                || is_in(&DEFAULT_IGNORABLE, code) && !is_in(&SHAPES, code);
            assert_eq!(is_order(c), expected, "U+{code:04X}");
        }
        let all: String = (char::MIN..=char::MAX).collect();
        let shown = visible(&all);
        assert!(!shown.contains(is_order));
        assert_eq!(shown.lines().count(), 1);
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
