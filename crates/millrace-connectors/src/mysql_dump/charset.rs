//! Charsets of connections and columns, by their names, and the conversion of text to UTF-8.

use crate::files::cell::Refusal;
use millrace_core::quarantine::QuarantineCode;

/// A charset, as far as the reader distinguishes charsets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Charset {
    /// The dump does not name it.
    Unknown,
    /// `utf8mb4`: all of Unicode.
    Utf8,
    /// `utf8`, `utf8mb3`: UTF-8 with characters of up to three bytes.
    Utf8Short,
    Ascii,
    /// `latin1`, which is Windows-1252 with control characters at the places that it leaves
    /// undefined.
    Latin1,
    /// `binary`: bytes without characters.
    Binary,
    /// Another charset in which ASCII bytes have their usual meaning.
    Other,
    /// Another charset in which they do not: `utf16`, `ucs2`, `utf32`, `swe7`.
    Foreign,
}

impl Charset {
    /// Returns the charset of a name, in any letter case. Returns `None` if no charset has the
    /// name.
    pub(super) fn named(name: &str) -> Option<Self> {
        Some(match name.to_ascii_lowercase().as_str() {
            "utf8mb4" => Self::Utf8,
            "utf8" | "utf8mb3" => Self::Utf8Short,
            "ascii" => Self::Ascii,
            "latin1" => Self::Latin1,
            "binary" => Self::Binary,
            "ucs2" | "utf16" | "utf16le" | "utf32" | "swe7" => Self::Foreign,
            "armscii8" | "big5" | "cp1250" | "cp1251" | "cp1256" | "cp1257" | "cp850" | "cp852" | "cp866"
            | "cp932" | "dec8" | "eucjpms" | "euckr" | "gb18030" | "gb2312" | "gbk" | "geostd8" | "greek"
            | "hebrew" | "hp8" | "keybcs2" | "koi8r" | "koi8u" | "latin2" | "latin5" | "latin7" | "macce"
            | "macroman" | "sjis" | "tis620" | "ujis" => Self::Other,
            _ => return None,
        })
    }

    /// Returns the charset of a collation, whose name begins with that of the charset.
    pub(super) fn of_collation(name: &str) -> Option<Self> {
        Self::named(name.split('_').next().unwrap_or_default()).or_else(|| {
            // MariaDB's collations of Unicode 14 omit the charset.
            name.to_ascii_lowercase().starts_with("uca1400_").then_some(Self::Utf8)
        })
    }

    /// Returns whether all texts in this charset are valid UTF-8.
    pub(super) fn is_utf8(self) -> bool {
        matches!(self, Self::Utf8 | Self::Utf8Short | Self::Ascii)
    }

    /// Converts bytes of this charset, which must not be one of UTF-8, to UTF-8 in `out`.
    ///
    /// If the charset cannot be converted, the bytes are refused and `out` is incomplete. Of most
    /// charsets, only ASCII text can be converted.
    pub(super) fn decode(self, bytes: &[u8], out: &mut Vec<u8>) -> Result<(), Refusal> {
        out.clear();
        match self {
            Self::Latin1 => bytes.iter().for_each(|&byte| put_latin1(byte, out)),
            Self::Unknown | Self::Binary | Self::Other if bytes.is_ascii() => {
                out.extend_from_slice(bytes);
            }
            _ => {
                let reason = "the bytes are a text in the charset of the column, which is not read";
                return Err(Refusal::new(QuarantineCode::BadEncoding, reason));
            }
        }
        Ok(())
    }

    /// Returns whether a column of this charset can hold a text. Returns `true` if that is unknown.
    pub(super) fn holds(self, text: &str) -> bool {
        match self {
            Self::Utf8Short => text.chars().all(|c| c < '\u{10000}'),
            Self::Ascii => text.is_ascii(),
            Self::Latin1 => text.is_ascii() || text.chars().all(in_latin1),
            Self::Unknown | Self::Utf8 | Self::Binary | Self::Other | Self::Foreign => true,
        }
    }

    /// Returns the size in bytes of a text in this charset, or a lower bound if that is unknown.
    pub(super) fn bytes_of(self, text: &str) -> usize {
        if self.is_utf8() { text.len() } else { text.chars().count() }
    }
}

/// The refusal of a text that is not UTF-8 in a dump that is.
pub(super) fn not_utf8() -> Refusal {
    Refusal::new(QuarantineCode::BadEncoding, "the text is not UTF-8")
}

/// The characters of Windows-1252 from 0x80 to 0x9F. MySQL's `latin1` has control characters where
/// Windows-1252 is undefined.
const FROM_80: [char; 32] = [
    '€', '\u{81}', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', '\u{8D}', 'Ž', '\u{8F}', '\u{90}',
    '‘', '’', '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', '\u{9D}', 'ž', 'Ÿ',
];

/// Appends the character of a byte of `latin1` in UTF-8.
fn put_latin1(byte: u8, out: &mut Vec<u8>) {
    let character = match byte {
        0..0x80 => return out.push(byte),
        0x80..0xA0 => FROM_80[usize::from(byte - 0x80)],
        _ => char::from(byte),
    };
    out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
}

/// Returns whether MySQL's `latin1` has a character.
pub(super) fn in_latin1(character: char) -> bool {
    matches!(character, '\0'..='\u{7F}' | '\u{A0}'..='\u{FF}') || FROM_80.contains(&character)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_of_charsets() {
        let decoded = |charset: &str, bytes: &[u8]| {
            let mut out = Vec::new();
            let charset = Charset::named(charset).expect("a charset");
            charset.decode(bytes, &mut out).map(|()| String::from_utf8(out).expect("UTF-8")).ok()
        };
        assert_eq!(decoded("latin1", b"\xE9\x80\x81").as_deref(), Some("é€\u{81}"));
        assert_eq!(decoded("gbk", b"ab").as_deref(), Some("ab"));
        assert_eq!(decoded("gbk", b"\xE9"), None);
        assert_eq!(decoded("utf16", b"ab"), None);
        assert_eq!(Charset::of_collation("latin1_swedish_ci"), Some(Charset::Latin1));
        assert_eq!(Charset::of_collation("utf8mb4_0900_ai_ci"), Some(Charset::Utf8));
        assert!(
            !Charset::Latin1.holds("中") && Charset::Latin1.holds("é€") && !Charset::Utf8Short.holds("😀")
        );
    }
}
