//! Parses the definition of a table in `CREATE TABLE`.
//!
//! The input is the list of tokens after the table's name. The output has the columns, the keys
//! that rows must not repeat, and the constraints that may reject rows. The parser refuses
//! definitions whose rows are not in the dump: tables made of a query, and engines that keep no
//! rows of their own.

use millrace_core::schema::{Column, DataType, StreamSchema};

use crate::mysql_dump::collation::DefaultCollation;
use crate::mysql_dump::column::TableColumn;
use crate::mysql_dump::constraint::{ForeignKey, Key, column_keys, has_check, has_gaps};
use crate::mysql_dump::script::Word;
use crate::mysql_types::zero_dates::may_be_empty;

/// The definition of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Table {
    /// The database: the qualifier of the name, or the default database of the session. `None` if
    /// the dump names none.
    pub(super) database: Option<String>,
    pub(super) name: String,
    pub(super) columns: Vec<TableColumn>,
    /// The primary key. Its column names are spelled as in the column definitions.
    pub(super) primary_key: Option<Key>,
    /// The unique keys besides the primary key.
    pub(super) unique_keys: Vec<Key>,
    pub(super) foreign_keys: Vec<ForeignKey>,
    /// What else may reject a row, in words for a message: a CHECK, or partitions with gaps between
    /// them.
    pub(super) limit: Option<&'static str>,
    /// The charset and collation of columns that name none.
    default_collation: DefaultCollation,
}

impl Table {
    /// Returns the schema of the stream: all columns but generated ones, whose values dumps leave
    /// out. If `zero_dates_to_null` is set, date and time columns outside of the primary key are
    /// nullable.
    pub(super) fn schema(&self, zero_dates_to_null: bool) -> StreamSchema {
        let primary_key = self.key_columns();
        let column = |column: &TableColumn| {
            let in_key = primary_key.contains(&column.name);
            Column {
                name: column.name.clone(),
                data_type: column.data_type,
                nullable: may_be_empty(column.data_type, column.nullable, in_key, zero_dates_to_null),
            }
        };
        StreamSchema {
            columns: self.columns.iter().filter(|column| !column.generated).map(column).collect(),
            primary_key,
        }
    }

    /// Returns the column names of the primary key.
    fn key_columns(&self) -> Vec<String> {
        self.primary_key.iter().flat_map(|key| &key.columns).map(|(name, _)| name.clone()).collect()
    }

    /// Returns what may reject a row, so that INSERT IGNORE skips it; `None` if nothing does.
    /// `foreign_keys` says whether the session enforces foreign keys.
    pub(super) fn keeps_out(&self, foreign_keys: bool) -> Option<&'static str> {
        (foreign_keys && !self.foreign_keys.is_empty()).then_some("a foreign key").or(self.limit)
    }

    /// Parses what follows the name in `CREATE TABLE name (…) …`. `default` is the default
    /// collation of the database. The error says what is not supported.
    pub(super) fn parse(
        database: Option<String>,
        name: String,
        words: &[Word],
        default: DefaultCollation,
    ) -> Result<Self, String> {
        let mut table = Self {
            database,
            name,
            columns: Vec::new(),
            primary_key: None,
            unique_keys: Vec::new(),
            foreign_keys: Vec::new(),
            limit: has_gaps(words).then_some("the list of its partitions"),
            default_collation: default,
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
        // Engines that store rows elsewhere, or nowhere: the dump's rows are not those of the
        // table.
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
        table.default_collation = DefaultCollation::of(&options, default);
        for element in split(&words[1..end]) {
            table.element(element)?;
        }
        table.spell_key()?;
        Ok(table)
    }

    /// Spells the column names of the primary key as the column definitions do, and makes these
    /// columns NOT NULL. It is an error if the table lacks one of them.
    pub(super) fn spell_key(&mut self) -> Result<(), String> {
        for (name, _) in self.primary_key.iter_mut().flat_map(|key| &mut key.columns) {
            let column = self.columns.iter_mut().find(|column| column.name.eq_ignore_ascii_case(name));
            let Some(column) = column else {
                return Err(format!("the primary key of table `{}` has a column that it lacks", self.name));
            };
            name.clone_from(&column.name);
            column.nullable = false;
        }
        Ok(())
    }

    /// Returns the charset and collation of columns that name none.
    pub(super) fn default_collation(&self) -> DefaultCollation {
        self.default_collation
    }

    /// Adds the key or constraint that an element of the definition declares, with or without
    /// `CONSTRAINT symbol` before it. Ignores elements that declare neither.
    pub(super) fn add_key(&mut self, words: &[Word]) {
        let (symbol, words) = match words {
            [first, name, rest @ ..] if first.is("CONSTRAINT") => match name.name() {
                Some(_) if name.is_any(&["PRIMARY", "UNIQUE", "FOREIGN", "CHECK"]) => (None, &words[1..]),
                symbol => (symbol, rest),
            },
            words => (None, words),
        };
        match words {
            [primary, key, rest @ ..] if primary.is("PRIMARY") && key.is("KEY") => {
                self.primary_key = Some(Key::of(symbol, rest));
            }
            [unique, rest @ ..] if unique.is("UNIQUE") => self.unique_keys.push(Key::of(symbol, rest)),
            _ => self.add_limits(words, false),
        }
    }

    /// Adds the constraints of an element that may reject rows: a foreign key or a CHECK.
    fn add_limits(&mut self, words: &[Word], is_json: bool) {
        self.foreign_keys.extend(ForeignKey::of(words));
        if has_check(words, is_json) {
            self.limit.get_or_insert("a CHECK");
        }
    }

    /// Adds the keys and constraints that the definition of a column declares. `words` follow its
    /// name.
    pub(super) fn add_column_keys(&mut self, name: &str, words: &[Word], data_type: DataType) {
        let keys = column_keys(words);
        if keys.primary {
            self.primary_key = Some(Key::of_column(name));
        }
        if keys.unique {
            self.unique_keys.push(Key::of_column(name));
        }
        self.add_limits(words, data_type == DataType::Json);
    }

    /// Drops a key by its name. Returns whether it was the primary key or a unique key; other
    /// indexes are not recorded.
    pub(super) fn drop_key(&mut self, name: &str) -> bool {
        let before = self.unique_keys.len();
        self.unique_keys.retain(|key| !key.is_named(name));
        let is_primary = name.eq_ignore_ascii_case("PRIMARY") && self.primary_key.take().is_some();
        is_primary || self.unique_keys.len() < before
    }

    /// Parses one element between the commas of a definition: a key, a constraint, a period or a
    /// column.
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
        let column = TableColumn::parse(name, &words[1..], self.default_collation)
            .map_err(|what| format!("column `{name}` of table `{}` {what}", self.name))?;
        self.add_column_keys(name, &words[1..], column.data_type);
        self.columns.push(column);
        Ok(())
    }
}

/// Returns the index of the `)` that closes the `(` at `words[open]`. Returns `None` if there is
/// none.
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

/// Splits a list at the commas that are outside of parentheses.
pub(super) fn split(words: &[Word]) -> Vec<&[Word]> {
    let mut depth = 0i64;
    words
        .split(|word| {
            depth += i64::from(word.is_symbol(b'(')) - i64::from(word.is_symbol(b')'));
            depth == 0 && word.is_symbol(b',')
        })
        .collect()
}

/// Returns the tokens outside of parentheses. Parentheses of the outer level are not among them.
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

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::files::window::Window;
    use crate::mysql_dump::script::Script;

    pub(in crate::mysql_dump) fn words(sql: &str) -> Vec<Word> {
        let sql = format!("{sql};");
        let mut window = Window::new("f", sql.as_bytes(), 16).expect("a file");
        Script::new(&mut window, 64 << 20).rest_of_statement().expect("tokens")
    }

    pub(in crate::mysql_dump) fn table(sql: &str) -> Result<Table, String> {
        Table::parse(None, "t".to_owned(), &words(sql), DefaultCollation::UNKNOWN)
    }

    #[test]
    fn keys() {
        let keys = |sql: &str| table(sql).expect(sql).key_columns();
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

    #[test]
    fn keys_in_all_places() {
        let keys = |sql: &str| {
            let table = super::tests::table(sql).expect(sql);
            let parts = |key: &Key| {
                let parts = key.columns.iter().map(|(name, length)| match length {
                    Some(length) => format!("{name}({length})"),
                    None => name.clone(),
                });
                parts.collect::<Vec<_>>().join(",")
            };
            let unique: Vec<String> = table.unique_keys.iter().map(parts).collect();
            (table.primary_key.as_ref().map(parts).unwrap_or_default(), unique.join(" "))
        };
        for (sql, primary, unique) in [
            ("(a int auto_increment key)", "a", ""),
            ("(a int unique key, b int unique)", "", "a b"),
            ("(a serial)", "", "a"),
            ("(A varchar(9), b int, primary key (a(3)), unique u (b))", "A(3)", "b"),
            ("(a int, b int, constraint unique (a), constraint c unique key k (b,a))", "", "a b,a"),
            ("(a int, constraint primary key (a))", "a", ""),
            ("(a int comment 'unique', key k (a))", "", ""),
        ] {
            assert_eq!(keys(sql), (primary.to_owned(), unique.to_owned()), "{sql}");
        }
        let table = super::tests::table("(a int, b int references p (x) on delete set null, check (a > 0))");
        let table = table.expect("a table");
        assert_eq!(table.foreign_keys, [ForeignKey { parent: "p".to_owned(), cascades: true }]);
        assert_eq!((table.limit, table.keeps_out(true)), (Some("a CHECK"), Some("a foreign key")));
    }
}
