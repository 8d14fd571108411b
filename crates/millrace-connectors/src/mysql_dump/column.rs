//! Parses the definition of a column in `CREATE TABLE`.
//!
//! The result says which logical type the column has, how it stores values ([`Rule`]), and what a
//! row gets that leaves the column out or gives NULL.

use millrace_core::schema::DataType;

use crate::mysql_dump::charset::Charset;
use crate::mysql_dump::collation::DefaultCollation;
use crate::mysql_dump::constraint::column_keys;
use crate::mysql_dump::lexer::Kind;
use crate::mysql_dump::rule::{Definition, Rule};
use crate::mysql_dump::script::Word;
use crate::mysql_dump::table::{closing, top_level};
use crate::mysql_types::logical::TypeName;

/// The maximum number of labels of a SET.
const MOST_LABELS: usize = 64;

/// The definition of a column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TableColumn {
    pub(super) name: String,
    pub(super) data_type: DataType,
    /// How the column stores values.
    pub(super) rule: Rule,
    pub(super) nullable: bool,
    /// Whether the server computes the values (GENERATED). Dumps leave them out.
    pub(super) generated: bool,
    /// Whether an INSERT without a column list leaves the column out (INVISIBLE).
    pub(super) invisible: bool,
    /// Whether a row that leaves the column out gets a value other than NULL.
    pub(super) has_default: bool,
    /// Whether some servers store the current time in place of NULL: a TIMESTAMP that is declared
    /// without NULL.
    pub(super) null_differs: bool,
    /// Whether the server assigns a number to rows that have 0 in this column (`AUTO_INCREMENT`).
    pub(super) auto_increment: bool,
}

impl TableColumn {
    /// Parses the type and attributes that follow a column's name. `default` is the default
    /// collation of the table. The error continues a sentence that begins with the column:
    /// `has the type …`.
    pub(super) fn parse(name: &str, words: &[Word], default: DefaultCollation) -> Result<Self, String> {
        let word = words
            .first()
            .filter(|word| word.kind == Kind::Word)
            .ok_or("has no type")?
            .text
            .to_ascii_lowercase();
        let mut attributes = &words[1..];
        let mut arguments = &[][..];
        // Types of several words: `character varying(9)`, `national char(9)`, `double precision`,
        // `long varchar`. `CHARACTER SET` is not part of a type.
        let mut varying = false;
        while let [word, rest @ ..] = attributes
            && (word.is_any(&["VARYING", "PRECISION", "VARCHAR", "VARCHARACTER", "VARBINARY", "CHAR"])
                || (word.is("CHARACTER") && !rest.first().is_some_and(|word| word.is("SET"))))
        {
            varying |= word.is_any(&["VARYING", "VARCHAR", "VARCHARACTER", "VARBINARY"]);
            attributes = rest;
        }
        if attributes.first().is_some_and(|word| word.is_symbol(b'(')) {
            let end = closing(attributes, 0).ok_or("has a type that does not end")?;
            arguments = &attributes[1..end];
            attributes = &attributes[end + 1..];
        }
        // Only tokens outside of parentheses are attributes: CHECK and AS expressions may contain
        // the same keywords.
        let flat = top_level(attributes);
        let has = |keyword: &str| flat.iter().any(|word| word.is(keyword));
        let pair =
            |first: &str, second: &str| flat.windows(2).any(|pair| pair[0].is(first) && pair[1].is(second));
        let number = |at: usize| arguments.get(at).and_then(|word: &Word| word.text.parse::<u8>().ok());
        let unsigned = has("UNSIGNED") || has("ZEROFILL") || word == "serial";
        let national = matches!(word.as_str(), "national" | "nchar" | "nvarchar");
        let own = DefaultCollation {
            charset: if national { Charset::Utf8Short } else { default.charset },
            ..default
        };
        let mut default = DefaultCollation::of(&flat, own);
        if has("ASCII") {
            default.charset = Charset::Ascii;
        }
        let is_char = matches!(word.as_str(), "char" | "character" | "varchar");
        let type_name = TypeName {
            word: &word,
            // The comma between the two lengths is an argument too.
            lengths: [number(0), number(2)],
            unsigned,
            binary: default.charset == Charset::Binary || (has("BYTE") && is_char),
        };
        let (mut data_type, form) = type_name.data_type()?;
        // MariaDB stores JSON as a text column with this CHECK.
        let json_check = attributes
            .windows(3)
            .any(|words| words[0].is("CHECK") && words[1].is_symbol(b'(') && words[2].is("json_valid"));
        if data_type == DataType::Text && json_check {
            data_type = DataType::Json;
        }
        let definition = Definition {
            word: &word,
            varying,
            arguments,
            unsigned,
            charset: default.charset,
            collation: if has("BINARY") { default.collation.by_bytes() } else { default.collation },
        };
        let rule = Rule::of(definition, data_type, form);
        if matches!(&rule, Rule::Set(labels) if labels.names.len() > MOST_LABELS) {
            return Err(format!("is a SET of more than {MOST_LABELS} labels, which no server takes"));
        }
        // SERIAL implies NOT NULL, AUTO_INCREMENT and UNIQUE.
        let is_serial = word == "serial" || has("SERIAL");
        let not_null = pair("NOT", "NULL") || column_keys(words).primary || is_serial;
        let may_be_null =
            flat.iter().enumerate().any(|(at, word)| word.is("NULL") && !(at > 0 && flat[at - 1].is("NOT")));
        let generated = has("GENERATED") || has("AS");
        // This depends on the server's `explicit_defaults_for_timestamp`, which is off up to MySQL
        // 5.7 and MariaDB 10.9.
        let null_differs = word == "timestamp" && !not_null && !may_be_null && !generated;
        let auto_increment = has("AUTO_INCREMENT") || is_serial;
        Ok(Self {
            name: name.to_owned(),
            data_type,
            rule,
            nullable: !not_null,
            generated,
            invisible: has("INVISIBLE"),
            auto_increment,
            // A NOT NULL column never becomes NULL: it gets a default, if only the implicit one of
            // its type.
            has_default: not_null || auto_increment || null_differs || has_default(attributes),
            null_differs,
        })
    }
}

/// Returns whether DEFAULT gives a value other than NULL. It may be an expression in parentheses:
/// `DEFAULT (uuid())`.
fn has_default(attributes: &[Word]) -> bool {
    let mut depth = 0i64;
    let default = attributes.iter().position(|word| {
        depth += i64::from(word.is_symbol(b'(')) - i64::from(word.is_symbol(b')'));
        depth == 0 && word.is("DEFAULT")
    });
    match default.map(|at| &attributes[at + 1..]) {
        None => false,
        Some([open, null, close, ..]) if open.is_symbol(b'(') && close.is_symbol(b')') => !null.is("NULL"),
        Some(value) => !value.first().is_some_and(|word| word.is("NULL")),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::mysql_dump::table::tests::table;

    pub(in crate::mysql_dump) fn column(definition: &str) -> TableColumn {
        table(&format!("(`c` {definition})")).expect(definition).columns.remove(0)
    }

    #[test]
    fn types() {
        for (definition, expected) in [
            ("tinyint(1)", "int8"),
            ("tinyint(3) unsigned", "uint8"),
            ("smallint(5) unsigned zerofill", "uint16"),
            ("mediumint(9)", "int32"),
            ("int(10) zerofill", "uint32"),
            ("bigint(20) unsigned", "uint64"),
            ("decimal(65,30)", "decimal(65,30)"),
            ("decimal", "decimal(10,0)"),
            ("numeric(5) unsigned", "decimal(5,0)"),
            ("float", "float32"),
            ("float(10,2)", "float32"),
            ("float(30)", "float64"),
            ("double precision", "float64"),
            ("date", "date"),
            ("datetime(6)", "timestamp"),
            ("timestamp(3)", "timestamptz"),
            ("time(6)", "interval"),
            ("year(4)", "int16"),
            ("bit(1)", "boolean"),
            ("bit", "boolean"),
            ("bit(64)", "uint64"),
            ("enum('a','b,c)')", "text"),
            ("set('a','b')", "text"),
            ("varchar(20) CHARACTER SET latin1 COLLATE latin1_swedish_ci", "text"),
            ("varchar(20) CHARACTER SET binary", "bytes"),
            (
                "longtext CHARACTER SET utf8mb4 COLLATE utf8mb4_bin DEFAULT NULL CHECK (json_valid(`c`))",
                "json",
            ),
            ("json", "json"),
            ("varbinary(16)", "bytes"),
            ("point", "bytes"),
        ] {
            assert_eq!(column(definition).data_type.to_string(), expected, "{definition}");
        }
        assert!(
            table("(`c` hyperlink)")
                .expect_err("unknown")
                .contains("`c` of table `t` has the type `hyperlink`")
        );
    }

    #[test]
    fn attributes() {
        assert!(column("int NOT NULL").has_default && !column("int NOT NULL").nullable);
        assert!(column("int").nullable && !column("int").has_default);
        assert!(!column("int DEFAULT NULL").has_default && column("int DEFAULT 5").has_default);
        assert!(column("char(36) DEFAULT (uuid())").has_default);
        assert!(
            column("int DEFAULT (null is null)").has_default && !column("int DEFAULT (NULL)").has_default
        );
        assert!(!column("int CHECK (c <> default(c))").has_default);
        for (definition, differs) in [
            ("timestamp", true),
            ("timestamp default '2024-01-01 00:00:00'", true),
            ("timestamp null", false),
            ("timestamp default null", false),
            ("timestamp not null", false),
            ("datetime", false),
        ] {
            let column = column(definition);
            assert_eq!(column.null_differs, differs, "{definition}");
            assert!(!differs || column.has_default, "{definition}");
        }
        assert!(column("timestamp NULL DEFAULT current_timestamp() ON UPDATE current_timestamp()").nullable);
        assert!(column("int GENERATED ALWAYS AS (`a` + 1) VIRTUAL").generated);
        assert!(column("int(11) AS (`a` + 1) PERSISTENT").generated);
        assert!(column("int /*!80023 INVISIBLE */ DEFAULT 3").invisible);
        assert!(!column("int COMMENT 'AS generated, NOT NULL INVISIBLE'").generated);
        assert!(!column("varchar(9) DEFAULT 'AS' CHECK (`c` <> 'AS')").generated);
    }

    #[test]
    fn sets_have_64_labels_at_most() {
        let set = |count: usize| {
            let labels: Vec<String> = (0..count).map(|number| format!("'{number}'")).collect();
            table(&format!("(a set({}))", labels.join(",")))
        };
        assert!(set(64).is_ok());
        assert!(set(65).expect_err("too many").contains("column `a` of table `t` is a SET of more than 64"));
    }
}
