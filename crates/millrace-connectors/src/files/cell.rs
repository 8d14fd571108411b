//! A value as a format hands it over, before it has a type; and why a column refuses it.

use std::borrow::Cow;

use millrace_core::quarantine::QuarantineCode;
#[cfg(any(feature = "json", feature = "csv"))]
use millrace_core::schema::DataType;

#[cfg(any(feature = "json", feature = "csv", feature = "mysql"))]
use crate::files::number::Short;

/// One value of a record. The bytes are UTF-8; the format has checked that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cell<'a> {
    /// JSON's null, or an empty CSV field without quotes.
    Null,
    /// An empty CSV field in quotes: an empty text in a column of texts, and NULL in all others.
    Empty,
    /// JSON's true or false.
    Boolean(bool),
    /// The text of a JSON number.
    Number(&'a [u8]),
    /// A JSON number that was parsed while it was scanned, as nearly all numbers are.
    Short {
        /// Its text.
        source: &'a [u8],
        /// Its value.
        number: Short,
    },
    /// A JSON string.
    Text {
        /// Its text, without escapes.
        text: &'a [u8],
        /// As it stands in the file, with escapes and quotes.
        source: &'a [u8],
    },
    /// The text of a JSON object or array.
    Nested(&'a [u8]),
    /// A text from a format that does not tell kinds of values apart (CSV).
    Plain(&'a [u8]),
}

impl Cell<'_> {
    /// Whether it is NULL in a column of this type.
    #[cfg(any(feature = "json", feature = "csv"))]
    #[inline]
    pub(crate) fn is_null_in(self, data_type: DataType) -> bool {
        match self {
            Self::Null => true,
            Self::Empty => data_type != DataType::Text,
            _ => false,
        }
    }
}

/// What the way in which a value is written says about the type of its column.
#[cfg(any(feature = "json", feature = "csv", feature = "mysql"))]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Spelling {
    /// Discovery infers the column's very type from values that are written like this.
    Own,
    /// Discovery infers another type, though this type holds the value exactly: `1.0` among
    /// integers.
    Other,
    /// It depends on the value, because the column takes values of all kinds.
    Any,
}

/// Why a column does not take a value. Never contains the value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) code: QuarantineCode,
    pub(crate) reason: Cow<'static, str>,
}

impl Refusal {
    pub(crate) fn new(code: QuarantineCode, reason: impl Into<Cow<'static, str>>) -> Self {
        Self { code, reason: reason.into() }
    }

    pub(crate) fn wrong_type(reason: impl Into<Cow<'static, str>>) -> Self {
        Self::new(QuarantineCode::WrongType, reason)
    }

    pub(crate) fn out_of_range(reason: impl Into<Cow<'static, str>>) -> Self {
        Self::new(QuarantineCode::OutOfRange, reason)
    }

    /// Refuses a record with bytes that are no character in the encoding that the project declares.
    pub(crate) fn not_text(encoding: Option<&str>) -> Self {
        let reason = match encoding {
            None => "not all bytes are characters of the file's encoding, which is UTF-8 unless `encoding:` says otherwise".to_owned(),
            // Files in windows-1252 are often declared to be in Latin-1.
            Some("latin-1") => "not all bytes are characters of latin-1; is it `encoding: windows-1252`?".to_owned(),
            Some(encoding) => format!("not all bytes are characters of {encoding}, which `encoding:` says that the file is written in"),
        };
        Self::new(QuarantineCode::BadEncoding, reason)
    }

    pub(crate) fn broken(reason: impl Into<Cow<'static, str>>) -> Self {
        Self::new(QuarantineCode::BrokenRecord, reason)
    }
}
