//! The settings of a CSV stream: delimiter, quote, header, and the texts that mean NULL.

use millrace_core::project::settings::Settings;
use millrace_engine::error::{Error, ErrorKind, Result};

/// The dialect of a CSV file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct CsvSettings {
    /// The byte between fields: ASCII, neither the quote nor a line end.
    pub(super) delimiter: u8,
    /// Whether the project sets the delimiter. If it does not, a first line `sep=;` may set it.
    pub(super) delimiter_is_said: bool,
    /// The byte around fields: ASCII, not a line end. It is escaped by doubling.
    pub(super) quote: u8,
    /// Whether the first record names the columns. Without a header they are `c1`, `c2` and so on.
    pub(super) header: bool,
    /// Unquoted texts that mean NULL, in addition to the empty field. None of them is empty.
    pub(super) nulls: Vec<Vec<u8>>,
    /// Whether an empty text in quotes is NULL in every column, including text columns.
    pub(super) null_in_quotes: bool,
}

impl Default for CsvSettings {
    fn default() -> Self {
        Self {
            delimiter: b',',
            delimiter_is_said: false,
            quote: b'"',
            header: true,
            nulls: Vec::new(),
            null_in_quotes: false,
        }
    }
}

impl CsvSettings {
    /// Reads the settings of a stream. Returns an error if the delimiter or the quote is not a
    /// single ASCII character, or if both are the same character.
    pub(super) fn new(settings: &Settings) -> Result<Self> {
        let delimiter = character(settings, "delimiter", b',')?;
        let quote = character(settings, "quote", b'"')?;
        if delimiter == quote {
            return Err(wrong("`delimiter` and `quote` are the same character"));
        }
        let nulls: Vec<&str> = match settings.text("null") {
            Some(text) => vec![text],
            None => settings.list("null").iter().map(String::as_str).collect(),
        };
        Ok(Self {
            delimiter,
            delimiter_is_said: settings.text("delimiter").is_some(),
            quote,
            header: settings.bool("header").unwrap_or(true),
            null_in_quotes: nulls.contains(&""),
            nulls: nulls
                .into_iter()
                .filter(|text| !text.is_empty())
                .map(|text| text.as_bytes().to_vec())
                .collect(),
        })
    }
}

/// The value of a key that is one ASCII character, or `\t` for a tab; `default` if the key is
/// absent. Line ends and NUL are refused.
fn character(settings: &Settings, key: &str, default: u8) -> Result<u8> {
    match settings.text(key).map(str::as_bytes) {
        None => Ok(default),
        Some(br"\t") => Ok(b'\t'),
        Some(&[byte]) if byte.is_ascii() && !matches!(byte, b'\r' | b'\n' | 0) => Ok(byte),
        Some(_) => Err(wrong(&format!("`{key}` is not one character of ASCII"))),
    }
}

fn wrong(what: &str) -> Error {
    Error::new(ErrorKind::SourceUnreadable, what)
        .hint("Write, for instance, `delimiter: \";\"` or `quote: \"'\"`.")
}
