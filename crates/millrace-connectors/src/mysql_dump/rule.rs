//! What a column's definition says of the values that it holds.

use std::sync::Arc;

use millrace_core::schema::DataType;

use crate::mysql_dump::charset::Charset;
use crate::mysql_dump::collation::Collation;
use crate::mysql_dump::lexer::Kind;
use crate::mysql_dump::script::Word;
use crate::mysql_types::stored::Form;

/// How a column stores what it is given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Rule {
    Number {
        unsigned: bool,
        /// Digits in all and after the point, of a FLOAT or DOUBLE that has such.
        digits: Option<(u8, u8)>,
        /// Whether it is an integer of three bytes (MEDIUMINT), which no type has.
        medium: bool,
    },
    Year,
    /// BIT of so many bits.
    Bits(u8),
    Text(Texts),
    Enum(Labels),
    Set(Labels),
    Json,
    Uuid,
    /// An address of the internet protocol, of version 6 or 4.
    Inet {
        six: bool,
    },
    Bytes {
        /// To how many bytes values are filled up with zeros (BINARY).
        pad: Option<usize>,
        most: usize,
    },
    Geometry,
    Date,
    /// DATETIME or TIMESTAMP, with so many digits after the seconds.
    Moment {
        fraction: u8,
        /// Whether it is an instant, written in the zone of the session.
        zoned: bool,
    },
    Time {
        fraction: u8,
    },
}

/// A column of texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Texts {
    pub(super) charset: Charset,
    /// Characters that it holds.
    pub(super) characters: Option<usize>,
    /// Bytes that it holds.
    pub(super) bytes: usize,
    /// Whether blanks at the end do not count (CHAR).
    pub(super) trimmed: bool,
    pub(super) collation: Collation,
}

/// The labels of an ENUM or SET.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Labels {
    pub(super) charset: Charset,
    pub(super) names: Arc<[String]>,
    /// Whether labels that differ in letter case alone are different ones.
    pub(super) case_sensitive: bool,
}

/// What else a type's definition says.
#[derive(Debug, Clone, Copy)]
pub(super) struct Definition<'a> {
    /// The type's word, in lower case.
    pub(super) word: &'a str,
    /// Whether VARYING or its like follow it.
    pub(super) varying: bool,
    /// What stands in its brackets.
    pub(super) arguments: &'a [Word],
    pub(super) unsigned: bool,
    pub(super) charset: Charset,
    pub(super) collation: Collation,
}

impl Rule {
    /// The rule of a column of that logical type.
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

fn texts_of(definition: Definition<'_>, length: Option<usize>) -> Texts {
    let Definition { word, varying, charset, collation, .. } = definition;
    let is_char = matches!(word, "char" | "character" | "nchar" | "national") && !varying;
    let is_varchar = varying || matches!(word, "varchar" | "nvarchar" | "varcharacter");
    let characters = match (is_char, is_varchar) {
        (true, _) => Some(length.unwrap_or(1)),
        (_, true) => length,
        _ => None,
    };
    // TEXT(n) is the smallest kind that holds so many characters.
    let bytes = match word {
        "tinytext" => 255,
        "text" if length.is_none() => 65_535,
        "mediumtext" | "long" => (1 << 24) - 1,
        _ => u32::MAX as usize,
    };
    Texts { charset, characters, bytes, trimmed: is_char, collation }
}

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
