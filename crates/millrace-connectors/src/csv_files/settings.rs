//! What a project says about its CSV files.

use millrace_core::project::settings::Settings;
use millrace_engine::error::{Error, ErrorKind, Result};

/// How a CSV file is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct CsvSettings {
    /// ASCII, and neither the quote nor a line end.
    pub(super) delimiter: u8,
    /// Whether the project says so.
    pub(super) delimiter_is_said: bool,
    /// ASCII, and no line end.
    pub(super) quote: u8,
    pub(super) header: bool,
    /// What means NULL beside the empty field.
    pub(super) nulls: Vec<Vec<u8>>,
    /// Whether an empty text in quotes is NULL too, in columns of texts as well.
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
