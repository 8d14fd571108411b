//! Derives from a column's definition how the column stores values.
//!
//! The logical type is not enough for that: MEDIUMINT has a smaller range than its type, CHAR drops
//! trailing blanks, and BINARY pads with zeros. `column_value.rs` applies these rules.

use std::sync::Arc;

use millrace_core::schema::DataType;

use crate::mysql_dump::charset::Charset;
use crate::mysql_dump::collation::Collation;
use crate::mysql_dump::lexer::Kind;
use crate::mysql_dump::script::Word;
use crate::mysql_types::stored::Form;

/// How a column stores the values that it is given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Rule {
    /// An integer, a decimal or a floating-point number.
    Number {
        unsigned: bool,
        /// Precision and scale of a FLOAT or DOUBLE that has them.
        digits: Option<(u8, u8)>,
        /// Whether it is an integer of three bytes (MEDIUMINT), for which there is no logical type.
        medium: bool,
    },
    Year,
    /// BIT with this number of bits, at most 64.
    Bits(u8),
    Text(Texts),
    Enum(Labels),
    Set(Labels),
    Json,
    Uuid,
    /// An IP address, of version 6 or 4.
    Inet {
        six: bool,
    },
    Bytes {
        /// The length in bytes to which values are padded with zeros (BINARY).
        pad: Option<usize>,
        /// The maximum length in bytes.
        most: usize,
    },
    Geometry,
    Date,
    /// DATETIME or TIMESTAMP, with the number of digits of its fraction of a second.
    Moment {
        fraction: u8,
        /// Whether it is an instant (TIMESTAMP), which dumps write in the session's time zone.
        zoned: bool,
    },
    /// TIME, with the number of digits of its fraction of a second.
    Time {
        fraction: u8,
    },
}

/// How a text column stores values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Texts {
    pub(super) charset: Charset,
    /// The maximum length in characters. `None` if only bytes are limited.
    pub(super) characters: Option<usize>,
    /// The maximum length in bytes.
    pub(super) bytes: usize,
    /// Whether the column drops trailing blanks (CHAR).
    pub(super) trimmed: bool,
    pub(super) collation: Collation,
}

/// The labels of an ENUM or SET.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Labels {
    pub(super) charset: Charset,
    /// The labels in the order of the definition, without trailing blanks.
    pub(super) names: Arc<[String]>,
    /// Whether labels that differ only in letter case are distinct.
    pub(super) case_sensitive: bool,
}

/// The parts of a type's definition besides its logical type.
#[derive(Debug, Clone, Copy)]
pub(super) struct Definition<'a> {
    /// The type's first word, in lower case.
    pub(super) word: &'a str,
    /// Whether VARYING or a similar word follows it.
    pub(super) varying: bool,
    /// The tokens in its parentheses, including commas.
    pub(super) arguments: &'a [Word],
    pub(super) unsigned: bool,
    pub(super) charset: Charset,
    pub(super) collation: Collation,
}

impl Rule {
    /// Returns the rule of a column of a logical type. `form` says whether values are stored in a
    /// form of their own (BIT, geometries).
    pub(super) fn of(definition: Definition<'_>, data_type: DataType, form: Form) -> Self {
        let Definition { word, arguments, charset, collation, .. } = definition;
        let number = |at: usize| arguments.get(at).and_then(|word| word.text.parse::<usize>().ok());
        let fraction = number(0).unwrap_or(0) as u8;
        match (form, data_type) {
            (Form::Bits, _) => return Self::Bits(number(0).unwrap_or(1).min(64) as u8),
            (Form::Geometry, _) => return Self::Geometry,
            (Form::Plain, DataType::Json) => return Self::Json,
            (Form::Plain, DataType::Bytes) => return bytes_of(definition, number(0)),
            _ => {}
        }
        let labels = || {
            let texts = arguments.iter().filter(|word| matches!(word.kind, Kind::Text { .. }));
            let names = texts.map(|word| word.text.trim_end_matches(' ').to_owned()).collect();
            Labels { charset, names, case_sensitive: collation.case_sensitive }
        };
        match word {
            "year" => Self::Year,
            "date" => Self::Date,
            "datetime" => Self::Moment { fraction, zoned: false },
            "timestamp" => Self::Moment { fraction, zoned: true },
            "time" => Self::Time { fraction },
            "enum" => Self::Enum(labels()),
            "set" => Self::Set(labels()),
            "uuid" => Self::Uuid,
            "inet4" => Self::Inet { six: false },
            "inet6" => Self::Inet { six: true },
            _ if data_type == DataType::Text => Self::Text(texts_of(definition, number(0))),
            _ => {
                let is_float = matches!(data_type, DataType::Float32 | DataType::Float64);
                let digits = number(0).zip(number(2)).filter(|_| is_float);
                let digits = digits.map(|(all, after)| (all.min(255) as u8, after.min(255) as u8));
                let medium = matches!(word, "mediumint" | "middleint" | "int3");
                Self::Number { unsigned: definition.unsigned, digits, medium }
            }
        }
    }
}

/// Returns the limits of a text column. `length` is the number in its parentheses.
fn texts_of(definition: Definition<'_>, length: Option<usize>) -> Texts {
    let Definition { word, varying, charset, collation, .. } = definition;
    let is_char = matches!(word, "char" | "character" | "nchar" | "national") && !varying;
    let is_varchar = varying || matches!(word, "varchar" | "nvarchar" | "varcharacter");
    let characters = match (is_char, is_varchar) {
        (true, _) => Some(length.unwrap_or(1)),
        (_, true) => length,
        _ => None,
    };
    // TEXT(n) is the smallest TEXT type that holds `n` characters, so its limit in bytes is not
    // that of TEXT.
    let bytes = match word {
        "tinytext" => 255,
        "text" if length.is_none() => 65_535,
        "mediumtext" | "long" => (1 << 24) - 1,
        _ => u32::MAX as usize,
    };
    Texts { charset, characters, bytes, trimmed: is_char, collation }
}

/// Returns the rule of a binary column: BINARY, VARBINARY, a BLOB type, or a text type of the
/// charset `binary`.
fn bytes_of(definition: Definition<'_>, length: Option<usize>) -> Rule {
    let Definition { word, varying, .. } = definition;
    let is_binary = matches!(word, "binary" | "char" | "character" | "nchar") && !varying;
    let is_varying = varying || matches!(word, "varbinary" | "varchar");
    let most = match word {
        _ if is_binary => length.unwrap_or(1),
        _ if is_varying => length.unwrap_or(usize::MAX),
        "tinyblob" | "tinytext" => 255,
        "blob" | "text" if length.is_none() => 65_535,
        "mediumblob" | "mediumtext" => (1 << 24) - 1,
        _ => u32::MAX as usize,
    };
    Rule::Bytes { pad: is_binary.then_some(most), most }
}
