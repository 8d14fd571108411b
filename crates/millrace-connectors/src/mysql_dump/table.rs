//! A table as `CREATE TABLE` describes it.

use millrace_core::schema::{Column, DataType, StreamSchema};

use crate::mysql_dump::charset::Charset;
use crate::mysql_dump::lexer::Kind;
use crate::mysql_dump::rule::{Definition, Rule};
use crate::mysql_dump::script::Word;
use crate::mysql_types::logical::TypeName;
use crate::mysql_types::zero_dates::may_be_empty;

/// A table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Table {
    /// The database that the dump was in, where it says so.
    pub(super) database: Option<String>,
    pub(super) name: String,
    pub(super) columns: Vec<TableColumn>,
    /// Names of the key's columns, as they are spelled in their definitions.
    pub(super) primary_key: Vec<String>,
    /// Other keys under which a table has one row.
    pub(super) unique_keys: Vec<Key>,
    /// Whether rows go or change with those of another table.
    pub(super) cascades: bool,
    /// The charset of its columns that name none.
    charset: Texture,
}

/// A key under which a table has one row.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Key {
    /// Its columns, and how many characters of each count, where not all do.
    pub(super) columns: Vec<(String, Option<usize>)>,
    /// Whether it has a part that is no column.
    pub(super) computed: bool,
}

/// The charset that columns have where they name none, and how their texts compare.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Texture {
    pub(super) charset: Charset,
    /// Whether texts that differ in case alone are different ones.
    pub(super) exact: bool,
}

impl Texture {
    /// Nobody has said anything.
    pub(super) const UNKNOWN: Self = Self { charset: Charset::Unknown, exact: false };

    /// What words of a definition say, or what held before where they say nothing.
    pub(super) fn of(words: &[&Word], before: Self) -> Self {
        // `CHARACTER SET x`, `CHARSET=x`, `COLLATE = y`; the last one counts.
        let value =
            |at: usize| words.get(at + usize::from(words.get(at).is_some_and(|word| word.is_symbol(b'='))));
        let mut found = before;
        for (at, word) in words.iter().enumerate() {
            let after_set = word.is("SET") && at > 0 && words[at - 1].is_any(&["CHARACTER", "CHAR"]);
            if let Some(name) = value(at + 1).filter(|_| word.is("CHARSET") || after_set) {
                found =
                    Self { charset: Charset::named(&name.text).unwrap_or(Charset::Foreign), exact: false };
            }
        }
        for (at, word) in words.iter().enumerate() {
            if let Some(name) = value(at + 1).filter(|_| word.is("COLLATE")) {
                let collation = name.text.to_ascii_lowercase();
                let charset = Charset::of_collation(&collation).unwrap_or(found.charset);
                found = Self { charset, exact: collation.ends_with("_bin") || collation.ends_with("_cs") };
            }
        }
        found
    }
}

/// A column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TableColumn {
    pub(super) name: String,
    pub(super) data_type: DataType,
    /// How its values are stored.
    pub(super) rule: Rule,
    pub(super) nullable: bool,
    /// Worked out by the server; dumps leave its values out.
    pub(super) generated: bool,
    /// Not meant by an INSERT that names no columns.
    pub(super) invisible: bool,
    /// Whether a row that leaves it out gets a value rather than NULL.
    pub(super) has_default: bool,
    /// Whether the server numbers rows that have 0 there.
    pub(super) numbered: bool,
}

impl Table {
    /// The columns that can be read.
    pub(super) fn schema(&self, zero_dates_to_null: bool) -> StreamSchema {
        let column = |column: &TableColumn| {
            let in_key = self.primary_key.contains(&column.name);
            Column {
                name: column.name.clone(),
                data_type: column.data_type,
                nullable: may_be_empty(column.data_type, column.nullable, in_key, zero_dates_to_null),
            }
        };
        StreamSchema {
            columns: self.columns.iter().filter(|column| !column.generated).map(column).collect(),
            primary_key: self.primary_key.clone(),
        }
    }

    /// Reads what follows the name in `CREATE TABLE name (…) …`. An error says what is not understood.
    pub(super) fn parse(
        database: Option<String>,
        name: String,
        words: &[Word],
        texture: Texture,
    ) -> Result<Self, String> {
        let mut table = Self {
            database,
            name,
            columns: Vec::new(),
            primary_key: Vec::new(),
            unique_keys: Vec::new(),
            cascades: false,
            charset: texture,
        };
        if !words.first().is_some_and(|word| word.is_symbol(b'(')) {
            return Err(format!("table `{}` is created without a list of columns", table.name));
        }
        let end =
            closing(words, 0).ok_or_else(|| format!("the columns of table `{}` do not end", table.name))?;
        let options = top_level(&words[end + 1..]);
        if options.iter().any(|word| word.is("SELECT")) {
            return Err(format!("table `{}` is made of a query, which is not followed", table.name));
        }
        let engine = options
            .iter()
            .position(|word| word.is_any(&["ENGINE", "TYPE"]))
            .and_then(|at| options[at + 1..].iter().find(|word| !word.is_symbol(b'=')));
        let elsewhere = ["MERGE", "MRG_MYISAM", "FEDERATED", "BLACKHOLE", "SPIDER", "CONNECT", "S3"];
        if let Some(engine) =
            engine.filter(|engine| elsewhere.iter().any(|name| engine.text.eq_ignore_ascii_case(name)))
        {
            let name = &table.name;
            return Err(format!(
                "table `{name}` is of the engine `{}`, which keeps no rows of its own",
                engine.text
            ));
        }
        table.charset = Texture::of(&options, texture);
        for element in split(&words[1..end]) {
            table.element(element)?;
        }
        for key in &mut table.primary_key {
            let Some(column) = table.columns.iter_mut().find(|column| column.name.eq_ignore_ascii_case(key))
            else {
                return Err(format!("the primary key of table `{}` has a column that it lacks", table.name));
            };
            key.clone_from(&column.name);
            column.nullable = false;
        }
        Ok(table)
    }

    /// The charset of its columns that name none.
    pub(super) fn texture(&self) -> Texture {
        self.charset
    }

    /// Takes a key up that an element of a definition makes; nothing where it makes none.
    pub(super) fn add_key(&mut self, words: &[Word]) {
        let references = words.iter().position(|word| word.is("REFERENCES"));
        if let Some(at) = references {
            self.cascades |= words[at..].iter().any(|word| word.is_any(&["CASCADE", "SET"]));
        }
        let own = &words[..references.unwrap_or(words.len())];
        if let Some(at) = own.windows(2).position(|pair| pair[0].is("PRIMARY") && pair[1].is("KEY")) {
            self.primary_key = columns_of_key(&own[at + 2..]);
        } else if let Some(at) = own.iter().position(|word| word.is("UNIQUE")) {
            self.unique_keys.push(Key::of(&own[at + 1..]));
        }
    }

    fn element(&mut self, words: &[Word]) -> Result<(), String> {
        let Some(first) = words.first() else { return Ok(()) };
        let constraint =
            ["PRIMARY", "KEY", "INDEX", "UNIQUE", "FULLTEXT", "SPATIAL", "CONSTRAINT", "FOREIGN", "CHECK"]
                .iter()
                .any(|keyword| first.is(keyword));
        if constraint || (first.is("PERIOD") && words.get(1).is_some_and(|word| word.is("FOR"))) {
            self.add_key(words);
            return Ok(());
        }
        let Some(name) = first.name() else {
            return Err(format!("a column of table `{}` has no name", self.name));
        };
        let column = TableColumn::parse(name, &words[1..], self.charset)
            .map_err(|what| format!("column `{name}` of table `{}` {what}", self.name))?;
        if words.windows(2).any(|pair| pair[0].is("PRIMARY") && pair[1].is("KEY")) {
            self.primary_key = vec![column.name.clone()];
        }
        let flat = top_level(words);
        if flat.iter().any(|word| word.is_any(&["UNIQUE", "SERIAL"])) {
            self.unique_keys.push(Key { columns: vec![(column.name.clone(), None)], computed: false });
        }
        self.cascades |=
            flat.iter().any(|word| word.is("REFERENCES")) && flat.iter().any(|word| word.is("CASCADE"));
        self.columns.push(column);
        Ok(())
    }
}

impl TableColumn {
    /// Reads what follows a column's name. An error goes on after the column's name: `has the type …`.
    pub(super) fn parse(name: &str, words: &[Word], texture: Texture) -> Result<Self, String> {
        let word = words
            .first()
            .filter(|word| word.kind == Kind::Word)
            .ok_or("has no type")?
            .text
            .to_ascii_lowercase();
        let mut attributes = &words[1..];
        let mut arguments = &[][..];
        // `character varying(9)`, `national char(9)`, `double precision`, `long varchar`.
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
        let flat = top_level(attributes);
        let has = |keyword: &str| flat.iter().any(|word| word.is(keyword));
        let pair =
            |first: &str, second: &str| flat.windows(2).any(|pair| pair[0].is(first) && pair[1].is(second));
        let number = |at: usize| arguments.get(at).and_then(|word: &Word| word.text.parse::<u8>().ok());
        let unsigned = has("UNSIGNED") || has("ZEROFILL") || word == "serial";
        let national = matches!(word.as_str(), "national" | "nchar" | "nvarchar");
        let own = Texture { charset: if national { Charset::Utf8Short } else { texture.charset }, ..texture };
        let mut texture = Texture::of(&flat, own);
        if has("ASCII") {
            texture.charset = Charset::Ascii;
        }
        let is_char = matches!(word.as_str(), "char" | "character" | "varchar");
        let type_name = TypeName {
            word: &word,
            // The comma between the two is an argument too.
            lengths: [number(0), number(2)],
            unsigned,
            binary: texture.charset == Charset::Binary || (has("BYTE") && is_char),
        };
        let (mut data_type, form) = type_name.data_type()?;
        // MariaDB's JSON is a text with this check.
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
            charset: texture.charset,
            exact: texture.exact || has("BINARY"),
        };
        let default = flat.iter().position(|word| word.is("DEFAULT")).and_then(|at| flat.get(at + 1));
        let not_null = pair("NOT", "NULL") || pair("PRIMARY", "KEY") || word == "serial";
        Ok(Self {
            name: name.to_owned(),
            data_type,
            rule: Rule::of(definition, data_type, form),
            nullable: !not_null,
            generated: has("GENERATED") || has("AS"),
            invisible: has("INVISIBLE"),
            numbered: has("AUTO_INCREMENT") || word == "serial",
            has_default: not_null || has("AUTO_INCREMENT") || default.is_some_and(|word| !word.is("NULL")),
        })
    }
}

impl Key {
    /// The key whose columns stand in the first brackets.
    fn of(words: &[Word]) -> Self {
        let mut key = Self::default();
        let open = words.iter().position(|word| word.is_symbol(b'('));
        let parts = open.and_then(|open| Some(split(&words[open + 1..closing(words, open)?])));
        for part in parts.unwrap_or_default() {
            match part.first().and_then(Word::name) {
                Some(name) => {
                    let length = part.get(2).filter(|_| part.get(1).is_some_and(|word| word.is_symbol(b'(')));
                    key.columns.push((name.to_owned(), length.and_then(|word| word.text.parse().ok())));
                }
                None => key.computed = true,
            }
        }
        key
    }
}

/// Where the bracket that `words[open]` opens is closed.
pub(super) fn closing(words: &[Word], open: usize) -> Option<usize> {
    let mut depth = 0usize;
    for (at, word) in words.iter().enumerate().skip(open) {
        if word.is_symbol(b'(') {
            depth += 1;
        } else if word.is_symbol(b')') {
            depth -= 1;
            if depth == 0 {
                return Some(at);
            }
        }
    }
    None
}

/// The parts between the commas that stand in no brackets.
pub(super) fn split(words: &[Word]) -> Vec<&[Word]> {
    let mut depth = 0i64;
    words
        .split(|word| {
            depth += i64::from(word.is_symbol(b'(')) - i64::from(word.is_symbol(b')'));
            depth == 0 && word.is_symbol(b',')
        })
        .collect()
}

/// The words that stand in no brackets.
pub(super) fn top_level(words: &[Word]) -> Vec<&Word> {
    let mut depth = 0i64;
    words
        .iter()
        .filter(|word| {
            depth += i64::from(word.is_symbol(b'('));
            let top = depth == 0;
            depth -= i64::from(word.is_symbol(b')'));
            top
        })
        .collect()
}

/// The names in the first brackets. What a name is followed by (a length, a direction) is no name.
pub(super) fn columns_of_key(words: &[Word]) -> Vec<String> {
    let Some(open) = words.iter().position(|word| word.is_symbol(b'(')) else { return Vec::new() };
    let Some(end) = closing(words, open) else { return Vec::new() };
    split(&words[open + 1..end]).iter().filter_map(|part| Some(part.first()?.name()?.to_owned())).collect()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::files::window::Window;
    use crate::mysql_dump::script::Script;

    fn table(sql: &str) -> Result<Table, String> {
        let sql = format!("{sql};");
        let mut window = Window::new("f", sql.as_bytes(), 16).expect("a file");
        let words = Script::new(&mut window, 1 << 20).rest_of_statement().expect("tokens");
        Table::parse(None, "t".to_owned(), &words, Texture::UNKNOWN)
    }

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
        assert!(column("timestamp NULL DEFAULT current_timestamp() ON UPDATE current_timestamp()").nullable);
        assert!(column("int GENERATED ALWAYS AS (`a` + 1) VIRTUAL").generated);
        assert!(column("int(11) AS (`a` + 1) PERSISTENT").generated);
        assert!(column("int /*!80023 INVISIBLE */ DEFAULT 3").invisible);
        assert!(!column("int COMMENT 'AS generated, NOT NULL INVISIBLE'").generated);
        assert!(!column("varchar(9) DEFAULT 'AS' CHECK (`c` <> 'AS')").generated);
    }

    #[test]
    fn keys() {
        let keys = |sql: &str| table(sql).expect(sql).primary_key;
        assert_eq!(keys("(ID int PRIMARY KEY, b int)"), ["ID"]);
        assert_eq!(keys("(`A` int, `b` int, PRIMARY KEY (`b`,`a`), KEY `k` (`a`(10)))"), ["b", "A"]);
        assert_eq!(keys("(`a` int, CONSTRAINT `p` PRIMARY KEY USING BTREE (`a`) COMMENT 'x')"), ["a"]);
        assert_eq!(
            keys("(`a` int, UNIQUE KEY `u` (`a`), CONSTRAINT `f` FOREIGN KEY (`a`) REFERENCES `o` (`a`))"),
            [""; 0]
        );
        let table = table(
            "(`a` int, `b` int, PRIMARY KEY (`a`)) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COMMENT='(x,'",
        )
        .expect("a table");
        assert!(!table.columns[0].nullable && table.columns[1].nullable);
    }
}
