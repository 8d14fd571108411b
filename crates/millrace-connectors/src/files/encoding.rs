//! Converts the content of a file from its encoding to UTF-8.
//!
//! The encoding comes from the project's setting `encoding`, from a byte order mark, or, for a
//! declared `utf-16`, from the first character. Bytes that are no character in the encoding become
//! 0xFF, which no UTF-8 text contains, so that the record goes to quarantine like any other record
//! that is not text. Files that begin like a known binary format are refused.

use std::io::{self, Read};

use millrace_core::project::spec::{KeyKind, KeySpec};
use millrace_engine::error::{Error, ErrorKind, Result};

/// The key `encoding` of sources and streams.
pub(crate) const ENCODING: KeySpec = KeySpec::optional(
    "encoding",
    KeyKind::OneOf(&["utf-8", "utf-16", "utf-16le", "utf-16be", "latin-1", "windows-1252"]),
    "How the file writes characters: `utf-8` (the default), `utf-16` (with its byte order mark, or told by the first character), `utf-16le`, `utf-16be`, `latin-1` (ISO 8859-1) or `windows-1252`. UTF-16 with a byte order mark need not be declared.",
);

/// Bytes that are decoded at a time.
const BLOCK: usize = 1 << 16;
/// A byte that occurs in no UTF-8 text; stands for bytes that are no character.
const NO_TEXT: u8 = 0xFF;

/// The encoding of a file, determined from its first bytes and the project. In UTF-16, `big` means
/// that the high byte of each unit comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Encoding {
    Utf8,
    Utf16 { big: bool },
    Latin1,
    Windows1252,
}

/// A reader that decodes another reader to UTF-8.
pub(crate) struct Decoded<R> {
    reader: R,
    encoding: Encoding,
    /// Bytes that were read and not decoded, from `raw_at` on: the first bytes of the file, or half
    /// a character.
    raw: Vec<u8>,
    raw_at: usize,
    /// Decoded text; the first `handed` bytes of it were handed out.
    text: Vec<u8>,
    handed: usize,
    ended: bool,
}

impl<R: Read> Decoded<R> {
    /// Determines the encoding from the first bytes of a file. `declared` is a word of
    /// [`ENCODING`]. Fails if a byte order mark contradicts it, if the file is not text, or if the
    /// reader fails.
    pub(crate) fn new(name: &str, mut reader: R, declared: Option<&str>) -> Result<Self> {
        let mut start = Vec::with_capacity(8);
        // Eight bytes are enough for every signature and mark below.
        (&mut reader)
            .take(8)
            .read_to_end(&mut start)
            .map_err(|error| crate::files::input::unreadable(name, &error))?;
        if let Some((what, hint)) = no_text(&start) {
            let message = format!("file `{name}` is {what}");
            return Err(Error::new(ErrorKind::SourceUnreadable, message).hint(hint));
        }
        let (encoding, mark) = told(name, &start[..start.len().min(4)], declared)?;
        Ok(Self { reader, encoding, raw: start, raw_at: mark, text: Vec::new(), handed: 0, ended: false })
    }

    /// The inner reader.
    pub(crate) fn into_inner(self) -> R {
        self.reader
    }

    /// Decodes the next block into `text`. Leaves `text` empty only at the end of the file.
    fn decode(&mut self) -> io::Result<()> {
        self.text.clear();
        self.handed = 0;
        while self.text.is_empty() && !self.ended {
            // Half a character at the end of the last block goes before the next block.
            self.raw.drain(..self.raw_at);
            self.raw_at = 0;
            let before = self.raw.len();
            self.raw.resize(before + BLOCK, 0);
            let read = self.reader.read(&mut self.raw[before..]);
            self.raw.truncate(before + *read.as_ref().unwrap_or(&0));
            self.ended = read? == 0;
            self.raw_at = match self.encoding {
                Encoding::Utf8 => {
                    self.text.extend_from_slice(&self.raw);
                    self.raw.len()
                }
                Encoding::Utf16 { big } => utf16(&self.raw, big, self.ended, &mut self.text),
                Encoding::Latin1 => one_byte(&self.raw, latin1, &mut self.text),
                Encoding::Windows1252 => one_byte(&self.raw, windows1252, &mut self.text),
            };
        }
        Ok(())
    }
}

impl<R: Read> Read for Decoded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.encoding == Encoding::Utf8 {
            // UTF-8 passes through without a copy, after the bytes that determined the encoding.
            let start = &self.raw[self.raw_at..];
            if start.is_empty() {
                return self.reader.read(buffer);
            }
            let n = start.len().min(buffer.len());
            buffer[..n].copy_from_slice(&start[..n]);
            self.raw_at += n;
            return Ok(n);
        }
        if self.handed == self.text.len() {
            self.decode()?;
        }
        let rest = &self.text[self.handed..];
        let n = rest.len().min(buffer.len());
        buffer[..n].copy_from_slice(&rest[..n]);
        self.handed += n;
        Ok(n)
    }
}

/// Recognizes binary formats by their first bytes. Returns what the file is, and a hint.
fn no_text(start: &[u8]) -> Option<(&'static str, &'static str)> {
    const UNPACK: &str = "Unpack it, or pack it by gzip or Zstandard, which are read as they are.";
    Some(match start {
        [b'P', b'A', b'R', b'1', 0x15, ..] => ("one of Parquet", "Write `type: parquet`."),
        // LibreOffice and current versions of Excel write workbooks as ZIP archives.
        [b'P', b'K', 3, 4, ..] => {
            ("a ZIP archive or a workbook", "Unpack the archive; save a sheet of a workbook as CSV in UTF-8.")
        }
        [0xD0, 0xCF, 0x11, 0xE0, ..] => {
            ("a document of Office", "Save a sheet of a workbook as CSV in UTF-8.")
        }
        [0xFD, b'7', b'z', b'X', b'Z', 0, ..] => ("packed by xz", UNPACK),
        [b'B', b'Z', b'h', b'1'..=b'9', 0x31, 0x41, 0x59, 0x26] => ("packed by bzip2", UNPACK),
        _ => return None,
    })
}

/// Determines the encoding from the first four bytes and the declared word. Returns it with the
/// length of a UTF-16 byte order mark, which is not a part of the text. Refuses UTF-32, UTF-16 that
/// is not declared or whose byte order is unknown, and a mark that contradicts the declaration.
fn told(name: &str, start: &[u8], declared: Option<&str>) -> Result<(Encoding, usize)> {
    let (little, big) = (Encoding::Utf16 { big: false }, Encoding::Utf16 { big: true });
    let mark = match start {
        [0xFF, 0xFE, 0, 0] | [0, 0, 0xFE, 0xFF] => {
            return Err(Error::new(ErrorKind::SourceUnreadable, format!("file `{name}` is in UTF-32"))
                .hint("Save it as UTF-8, for instance with `iconv -f UTF-32 -t UTF-8`."));
        }
        // The length is 0, because the window that reads the text skips this mark.
        [0xEF, 0xBB, 0xBF, ..] => Some((Encoding::Utf8, 0, "UTF-8")),
        [0xFF, 0xFE, ..] => Some((little, 2, "UTF-16")),
        [0xFE, 0xFF, ..] => Some((big, 2, "UTF-16")),
        _ => None,
    };
    // JSON begins with ASCII, and so do most CSV headers, so a zero byte shows the byte order.
    let guess = match start {
        [0, 1..=255, 0, 1..=255] | [0, 1..=255] => Some(big),
        [1..=255, 0, 1..=255, 0] | [1..=255, 0] => Some(little),
        _ => None,
    };
    let encoding = match (declared, mark, guess) {
        (None, None, Some(_)) => {
            let message = format!("file `{name}` looks like UTF-16 without a byte order mark");
            return Err(Error::new(ErrorKind::SourceUnreadable, message)
                .hint("Write `encoding: utf-16` in the source if that is what it is."));
        }
        (Some("utf-16"), None, Some(guess)) => guess,
        (Some("utf-16"), None, None) if !start.is_empty() => {
            let message = format!("file `{name}` does not say in which order it has the bytes of UTF-16");
            return Err(Error::new(ErrorKind::SourceUnreadable, message)
                .hint("Write `encoding: utf-16le` or `encoding: utf-16be`."));
        }
        (Some("utf-16"), Some((found, ..)), _) if found != Encoding::Utf8 => found,
        (Some("utf-16be"), ..) => big,
        (Some("utf-16le" | "utf-16"), ..) => little,
        (Some("latin-1"), ..) => Encoding::Latin1,
        (Some("windows-1252"), ..) => Encoding::Windows1252,
        (None, Some((found, ..)), _) => found,
        _ => Encoding::Utf8,
    };
    match (mark, declared) {
        (Some((found, _, word)), Some(declared)) if found != encoding => {
            let message = format!(
                "file `{name}` starts with the mark of {word}, but the project says `encoding: {declared}`"
            );
            Err(Error::new(ErrorKind::SourceUnreadable, message).hint("Without `encoding`, the mark counts."))
        }
        (Some((_, mark, _)), _) => Ok((encoding, mark)),
        (None, _) => Ok((encoding, 0)),
    }
}

/// Decodes whole characters and returns how many bytes they had. At the end of a file, decodes all
/// bytes; half a unit and a lone surrogate become [`NO_TEXT`].
fn utf16(raw: &[u8], big: bool, ended: bool, text: &mut Vec<u8>) -> usize {
    // The unit at a place, or `None` if fewer than two bytes are left.
    let unit = |at: usize| {
        let pair = [*raw.get(at)?, *raw.get(at + 1)?];
        Some(if big { u16::from_be_bytes(pair) } else { u16::from_le_bytes(pair) })
    };
    let mut at = 0;
    while let Some(first) = unit(at) {
        let code = u32::from(first);
        match code {
            // ASCII is the most frequent case.
            0..0x80 => text.push(code as u8),
            // A high surrogate needs a low one after it.
            0xD800..0xDC00 => match unit(at + 2) {
                Some(second @ 0xDC00..0xE000) => {
                    put(
                        char::from_u32(0x10000 + ((code - 0xD800) << 10) + (u32::from(second) - 0xDC00)),
                        text,
                    );
                    at += 2;
                }
                // The second half of the pair comes with the next block.
                None if !ended => return at,
                _ => text.push(NO_TEXT),
            },
            _ => put(char::from_u32(code), text),
        }
        at += 2;
    }
    if ended && at < raw.len() {
        // Half a unit at the end of the file.
        text.push(NO_TEXT);
        return raw.len();
    }
    at
}

/// Decodes an encoding of one byte a character.
fn one_byte(raw: &[u8], character: fn(u8) -> Option<char>, text: &mut Vec<u8>) -> usize {
    for &byte in raw {
        if byte.is_ascii() { text.push(byte) } else { put(character(byte), text) }
    }
    raw.len()
}

/// Appends a character, or [`NO_TEXT`] if there is none.
fn put(character: Option<char>, text: &mut Vec<u8>) {
    match character {
        Some(character) => text.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes()),
        None => text.push(NO_TEXT),
    }
}

/// ISO 8859-1. The bytes 80 to 9F are control characters in it, but letters of windows-1252 in many
/// files that claim to be Latin-1. The two cannot be told apart, so these bytes are refused.
fn latin1(byte: u8) -> Option<char> {
    (!(0x80..0xA0).contains(&byte)).then(|| char::from(byte))
}

/// Windows-1252, by <https://www.unicode.org/Public/MAPPINGS/VENDORS/MICSFT/WINDOWS/CP1252.TXT>,
/// which leaves five bytes undefined.
fn windows1252(byte: u8) -> Option<char> {
    const FROM_80: [char; 32] = [
        '€', '\0', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', '\0', 'Ž', '\0', '\0', '‘', '’',
        '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', '\0', 'ž', 'Ÿ',
    ];
    match byte {
        0x80..0xA0 => Some(FROM_80[usize::from(byte - 0x80)]).filter(|&character| character != '\0'),
        _ => Some(char::from(byte)),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Gives out few bytes at a time.
    struct Drip<'a>(&'a [u8], usize);

    impl Read for Drip<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let n = self.1.min(self.0.len()).min(buffer.len());
            buffer[..n].copy_from_slice(&self.0[..n]);
            self.0 = &self.0[n..];
            Ok(n)
        }
    }

    #[test]
    fn what_is_no_text_is_named() {
        for (start, what) in [
            (&b"PAR1\x15\x04\x15\x10"[..], "Parquet"),
            (b"PK\x03\x04\x14\0\0\0", "ZIP"),
            (b"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1", "Office"),
            (b"\xFD7zXZ\0\0\x04", "xz"),
            (b"BZh91AY&SY", "bzip2"),
        ] {
            let error = decoded(start, None).expect_err(what).to_string();
            assert!(error.contains(what), "{error}");
        }
        for text in ["PAR1,PAR2\n", "PK\n", "BZh9,b\n"] {
            assert_eq!(decoded(text.as_bytes(), None).expect("a text"), text.as_bytes());
        }
    }

    fn decoded(bytes: &[u8], declared: Option<&str>) -> Result<Vec<u8>> {
        let mut all: Option<Vec<u8>> = None;
        for drip in 1..6 {
            let mut reader = Decoded::new("f", Drip(bytes, drip), declared)?;
            let (mut text, mut part) = (Vec::new(), [0; 3]);
            loop {
                let n = reader.read(&mut part).expect("readable");
                text.extend_from_slice(&part[..n]);
                if n == 0 {
                    break;
                }
            }
            assert_eq!(*all.get_or_insert_with(|| text.clone()), text, "{drip} bytes at a time");
        }
        Ok(all.unwrap_or_default())
    }

    fn units(text: &str, big: bool) -> Vec<u8> {
        text.encode_utf16()
            .flat_map(|unit| if big { unit.to_be_bytes() } else { unit.to_le_bytes() })
            .collect()
    }

    #[test]
    fn starts() {
        let with = |mark: &[u8], rest: Vec<u8>| [mark, &rest].concat();
        for (bytes, declared, expected) in [
            (b"a\xC3\xA9".to_vec(), None, Ok("aé")),
            (b"".to_vec(), Some("utf-16"), Ok("")),
            (b"a".to_vec(), None, Ok("a")),
            (b"\xEF\xBB\xBFa".to_vec(), Some("utf-8"), Ok("\u{FEFF}a")),
            (with(b"\xFF\xFE", units("é1", false)), None, Ok("é1")),
            (with(b"\xFE\xFF", units("é1", true)), None, Ok("é1")),
            (with(b"\xFE\xFF", units("é1", true)), Some("utf-16"), Ok("é1")),
            (with(b"\xFF\xFE", units("é1", false)), Some("utf-16le"), Ok("é1")),
            (units("1é", true), Some("utf-16"), Ok("1é")),
            (units("1é", false), Some("utf-16"), Ok("1é")),
            (units("éé", true), Some("utf-16be"), Ok("éé")),
            (b"caf\xE9".to_vec(), Some("latin-1"), Ok("café")),
            (b"\x80 caf\xE9".to_vec(), Some("windows-1252"), Ok("€ café")),
            (units("1é", false), None, Err("without a byte order mark")),
            (units("中文", true), Some("utf-16"), Err("in which order")),
            (with(b"\xFF\xFE", units("1", false)), Some("utf-16be"), Err("mark of UTF-16")),
            (with(b"\xFF\xFE", units("1", false)), Some("utf-8"), Err("mark of UTF-16")),
            (b"\xEF\xBB\xBFa".to_vec(), Some("latin-1"), Err("mark of UTF-8")),
            (b"\xEF\xBB\xBFa".to_vec(), Some("utf-16"), Err("mark of UTF-8")),
            (b"\xFF\xFE\0\0a\0\0\0".to_vec(), None, Err("UTF-32")),
        ] {
            match (decoded(&bytes, declared), expected) {
                (Ok(text), Ok(expected)) => {
                    assert_eq!(String::from_utf8_lossy(&text), expected, "{declared:?}");
                }
                (Err(error), Err(expected)) => assert!(error.to_string().contains(expected), "{error}"),
                (found, _) => panic!("{bytes:?} {declared:?}: {found:?}"),
            }
        }
    }

    #[test]
    fn what_is_no_character_is_no_text() {
        for (bytes, declared, expected) in [
            (&b"a\0\0\xD8b\0"[..], "utf-16le", &b"a\xFFb"[..]),
            (b"a\0\0\xDCb\0", "utf-16le", b"a\xFFb"),
            (b"a\0\0\xD8", "utf-16le", b"a\xFF"),
            (b"a\0b", "utf-16le", b"a\xFF"),
            (b"a\x85", "latin-1", b"a\xFF"),
            (b"a\x81\x85", "windows-1252", b"a\xFF\xE2\x80\xA6"),
        ] {
            assert_eq!(decoded(bytes, Some(declared)).expect("readable"), expected, "{declared}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn texts_come_back(text in "\\PC{0,20}", big in any::<bool>(), drip in 1usize..9) {
            let mark: &[u8] = if big { b"\xFE\xFF" } else { b"\xFF\xFE" };
            let bytes = [mark, &units(&text, big)].concat();
            // A NUL after the mark would make it UTF-32.
            prop_assume!(!text.starts_with('\0'));
            let mut found = Vec::new();
            Decoded::new("f", Drip(&bytes, drip), None).expect("readable").read_to_end(&mut found).expect("readable");
            prop_assert_eq!(String::from_utf8(found).expect("text"), text);
        }
    }
}
