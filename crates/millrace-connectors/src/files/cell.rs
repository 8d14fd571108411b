//! A value as a format hands it over, before it has a type.

use std::borrow::Cow;

use millrace_core::quarantine::QuarantineCode;
#[cfg(any(feature = "json", feature = "csv"))]
use millrace_core::schema::DataType;

#[cfg(any(feature = "json", feature = "csv", feature = "mysql"))]
use crate::files::number::Short;

/// One value of a record. The bytes are UTF-8; its format has made sure of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cell<'a> {
    /// JSON's null, or an empty CSV field without quotes.
    Null,
    /// An empty CSV field in quotes: a text in a column of texts, and nothing in others.
    Empty,
    /// JSON's true or false.
    Boolean(bool),
    /// A JSON number, as it is written.
    Number(&'a [u8]),
    /// The same, already read: what nearly all numbers are.
    Short {
        /// As it is written.
        source: &'a [u8],
        /// What it says.
        number: Short,
    },
    /// A JSON string: its text, and how it is written, with the quotes.
    Text {
        /// Without escapes.
        text: &'a [u8],
        /// As it stands in the file.
        source: &'a [u8],
    },
    /// A JSON object or array, as it is written.
    Nested(&'a [u8]),
    /// A text whose format does not tell of what kind it is (CSV).
    Plain(&'a [u8]),
}

impl Cell<'_> {
    /// Whether it is NULL in a column of that type.
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

/// What the way in which a value is written says of the type of its column.
#[cfg(any(feature = "json", feature = "csv", feature = "mysql"))]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Spelling {
    /// Values that are written so make a column of this very type.
    Own,
    /// They make one of another type, though this one holds the value exactly: `1.0` among integers.
    Other,
    /// That depends on the value: the column takes all kinds.
    Any,
}

/// Why a value cannot be put into its column. Never holds the value.
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

    /// A record of which not all bytes are characters in the encoding that the project says its file has.
    pub(crate) fn not_text(encoding: Option<&str>) -> Self {
        let reason = match encoding {
            None => "not all bytes are characters of the file's encoding, which is UTF-8 unless `encoding:` says otherwise".to_owned(),
            // Files of Windows are often said to be that.
            Some("latin-1") => "not all bytes are characters of latin-1; is it `encoding: windows-1252`?".to_owned(),
            Some(encoding) => format!("not all bytes are characters of {encoding}, which `encoding:` says that the file is written in"),
        };
        Self::new(QuarantineCode::BadEncoding, reason)
    }

    pub(crate) fn broken(reason: impl Into<Cow<'static, str>>) -> Self {
        Self::new(QuarantineCode::BrokenRecord, reason)
    }
}
