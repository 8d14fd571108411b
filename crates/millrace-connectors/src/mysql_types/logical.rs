//! Maps the column types of MySQL and MariaDB, by their names in `CREATE TABLE` and
//! `information_schema`, to logical types.

use millrace_core::schema::DataType;

use crate::mysql_types::stored::Form;

/// A column type in parts, such as `decimal(10,2) unsigned`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TypeName<'a> {
    /// The type's word in lower case: `decimal`.
    pub(crate) word: &'a str,
    /// The first two numbers in parentheses; `None` if there is none or if it is above 255.
    pub(crate) lengths: [Option<u8>; 2],
    /// Whether the type is UNSIGNED, or ZEROFILL, which implies it.
    pub(crate) unsigned: bool,
    /// Whether its character set is `binary`, so that its texts are bytes. The caller sets this.
    pub(crate) binary: bool,
}

impl<'a> TypeName<'a> {
    /// Parses `COLUMN_TYPE` of `information_schema.columns`: lower case, without the character set,
    /// which is in a column of its own.
    pub(crate) fn parse(text: &'a str) -> Self {
        let end = text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(text.len());
        let (word, rest) = text.split_at(end);
        // Labels of an ENUM or SET may contain parentheses and words such as `unsigned`, so the
        // last parenthesis ends the arguments.
        let (arguments, attributes) = match rest.strip_prefix('(').and_then(|rest| rest.rsplit_once(')')) {
            Some(split) => split,
            None => ("", rest),
        };
        let mut numbers = arguments.split(',').map(|number| number.trim().parse().ok());
        let lengths = [numbers.next().flatten(), numbers.next().flatten()];
        let unsigned = attributes.split(' ').any(|word| matches!(word, "unsigned" | "zerofill"));
        Self { word, lengths, unsigned, binary: false }
    }

    /// Returns the logical type and how its values are stored. The error is the end of a sentence
    /// that begins with the column's name: `has the type …`.
    pub(crate) fn data_type(&self) -> Result<(DataType, Form), String> {
        let [first, second] = self.lengths;
        let signed_or = |signed, other| if self.unsigned { other } else { signed };
        let data_type = match self.word {
            "bool" | "boolean" | "tinyint" | "int1" => signed_or(DataType::Int8, DataType::UInt8),
            "smallint" | "int2" => signed_or(DataType::Int16, DataType::UInt16),
            "mediumint" | "middleint" | "int3" | "int" | "integer" | "int4" => {
                signed_or(DataType::Int32, DataType::UInt32)
            }
            "bigint" | "int8" | "serial" => signed_or(DataType::Int64, DataType::UInt64),
            "decimal" | "dec" | "numeric" | "fixed" | "number" => {
                let (precision, scale) = (first.unwrap_or(10), second.unwrap_or(0));
                if !(1..=65).contains(&precision) || scale > 38 || scale > precision {
                    return Err("has a number of digits that cannot be".to_owned());
                }
                DataType::Decimal { precision, scale }
            }
            // FLOAT(p) with p above 24 is a double. FLOAT(30,5) is not.
            "float" if second.is_none() && first.is_some_and(|digits| digits > 24) => DataType::Float64,
            "float" | "float4" => DataType::Float32,
            "double" | "real" | "float8" => DataType::Float64,
            "date" => DataType::Date,
            "datetime" => DataType::Timestamp,
            "timestamp" => DataType::TimestampTz,
            "time" => DataType::Interval,
            "year" => DataType::Int16,
            // BIT without a length is BIT(1).
            "bit" if first.unwrap_or(1) == 1 => return Ok((DataType::Boolean, Form::Bits)),
            "bit" => return Ok((DataType::UInt64, Form::Bits)),
            "char" | "varchar" | "character" | "nchar" | "nvarchar" | "national" | "tinytext" | "text"
            | "mediumtext" | "longtext" | "long" | "enum" | "set" => {
                if self.binary {
                    DataType::Bytes
                } else {
                    DataType::Text
                }
            }
            // Types of MariaDB that are read as their text.
            "uuid" | "inet4" | "inet6" => DataType::Text,
            "binary" | "varbinary" | "tinyblob" | "blob" | "mediumblob" | "longblob" | "vector" => {
                DataType::Bytes
            }
            "geometry" | "point" | "linestring" | "polygon" | "multipoint" | "multilinestring"
            | "multipolygon" | "geometrycollection" | "geomcollection" => {
                return Ok((DataType::Bytes, Form::Geometry));
            }
            "json" => DataType::Json,
            other => return Err(format!("has the type `{other}`, which is not known")),
        };
        Ok((data_type, Form::Plain))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_as_the_catalogue_writes_them() {
        for (text, expected) in [
            ("tinyint(1)", "int8"),
            ("int(10) unsigned zerofill", "uint32"),
            ("bigint unsigned", "uint64"),
            ("decimal(65,30)", "decimal(65,30)"),
            ("decimal(5,0) unsigned", "decimal(5,0)"),
            ("float(10,2)", "float32"),
            ("double unsigned", "float64"),
            ("datetime(6)", "timestamp"),
            ("bit(1)", "boolean"),
            ("bit(64)", "uint64"),
            ("enum('a','x) unsigned','(')", "text"),
            ("set('unsigned')", "text"),
            ("varchar(20000)", "text"),
            ("year(4)", "int16"),
            ("point", "bytes"),
        ] {
            let found = TypeName::parse(text).data_type().map(|(data_type, _)| data_type.to_string());
            assert_eq!(found, Ok(expected.to_owned()), "{text}");
        }
        assert!(TypeName::parse("xmltype").data_type().expect_err("unknown").contains("`xmltype`"));
    }
}
