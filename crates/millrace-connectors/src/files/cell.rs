//! A value as a format hands it over, before it has a type.

use std::borrow::Cow;

use millrace_core::quarantine::QuarantineCode;

/// One value of a record. The bytes are UTF-8; its format has made sure of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cell<'a> {
    /// JSON's null, or an empty CSV field without quotes.
    Null,
    /// JSON's true or false.
    Boolean(bool),
    /// A JSON number, as it is written.
    Number(&'a [u8]),
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

    /// A record of which not all bytes are characters.
    pub(crate) fn not_text() -> Self {
        let reason = "not all bytes are characters of the file's encoding, which is UTF-8 unless `encoding:` says otherwise";
        Self::new(QuarantineCode::BadEncoding, reason)
    }

    pub(crate) fn broken(reason: impl Into<Cow<'static, str>>) -> Self {
        Self::new(QuarantineCode::BrokenRecord, reason)
    }
}
