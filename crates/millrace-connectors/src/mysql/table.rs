//! Tables and views of a database, as `information_schema` describes them.
//!
//! The catalogue shows a user only what that user has a privilege on. Some servers compare names
//! case-insensitively in its WHERE clauses, so each row's table name is compared again here.

use millrace_core::project::column_choice::LeftOut;
use millrace_core::project::yaml::written;
use millrace_core::schema::{Column, DataType, StreamSchema};
use millrace_core::suggest::did_you_mean;
use millrace_engine::error::{Error, ErrorKind, Result};
use mysql_async::prelude::Queryable;
use mysql_async::{Row, Value};

use crate::mysql::connection::Connection;
use crate::mysql::failure::cannot_be_read;
use crate::mysql::{failure, quoted};
use crate::mysql_types::logical::TypeName;
use crate::mysql_types::stored::Form;
use crate::mysql_types::zero_dates::may_be_empty;

/// A table or view with its columns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Table {
    /// As the server spells it.
    pub(super) name: String,
    pub(super) columns: Vec<TableColumn>,
    pub(super) primary_key: Vec<String>,
}

/// A column, including invisible and generated ones.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TableColumn {
    pub(super) name: String,
    pub(super) origin: Origin,
    pub(super) nullable: bool,
}

/// What the server sends for a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Origin {
    pub(super) data_type: DataType,
    pub(super) form: Form,
    /// Digits of the fraction of a second, 0 to 6.
    pub(super) decimals: usize,
}

impl Table {
    /// The schema of the stream. A column with dates is nullable if zero dates become NULL.
    pub(super) fn schema(&self, zero_dates_to_null: bool) -> StreamSchema {
        let column = |column: &TableColumn| {
            let in_key = self.primary_key.contains(&column.name);
            let data_type = column.origin.data_type;
            Column {
                name: column.name.clone(),
                data_type,
                nullable: may_be_empty(data_type, column.nullable, in_key, zero_dates_to_null),
            }
        };
        StreamSchema {
            columns: self.columns.iter().map(column).collect(),
            primary_key: self.primary_key.clone(),
        }
    }

    /// A SELECT of some of the columns, without a filter.
    pub(super) fn select<'a>(&self, columns: impl Iterator<Item = &'a str>) -> String {
        format!("select {} from {}", select_list(columns), quoted(&self.name))
    }
}

/// The list of columns of a SELECT.
pub(super) fn select_list<'a>(columns: impl Iterator<Item = &'a str>) -> String {
    let list: Vec<String> = columns.map(quoted).collect();
    // If no column is wanted, the rows still count.
    if list.is_empty() { "1".to_owned() } else { list.join(", ") }
}

/// The name of a table or view.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Named {
    /// As the server spells it.
    pub(super) name: String,
    pub(super) is_view: bool,
}

/// Lists the tables and views of the database, sorted by name.
pub(super) async fn list(connection: &mut Connection) -> Result<Vec<Named>> {
    // Sequences and the server's temporary tables are not streams.
    let sql = "select table_name, table_type from information_schema.tables where table_schema = database()
         and table_type in ('BASE TABLE', 'VIEW', 'SYSTEM VERSIONED')";
    let rows = connection.ask(sql, "the tables of the database cannot be listed").await?;
    let named = |row: &Row| Ok(Named { name: text(row, 0)?, is_view: text(row, 1)? == "VIEW" });
    let mut list = rows.iter().map(named).collect::<Result<Vec<_>>>()?;
    list.sort_unstable();
    Ok(list)
}

/// Finds a table by name: the exact name, else the only table whose name differs in letter case
/// alone. Returns `SourceUnreadable` if there is none or more than one.
pub(super) async fn find(connection: &mut Connection, wanted: &str) -> Result<Named> {
    let tables = list(connection).await?;
    if let Some(table) = tables.iter().find(|table| table.name == wanted) {
        return Ok(table.clone());
    }
    let lower = wanted.to_lowercase();
    let alike: Vec<&Named> = tables.iter().filter(|table| table.name.to_lowercase() == lower).collect();
    let database = &connection.address().database;
    match alike[..] {
        [table] => Ok(table.clone()),
        [] => {
            let message = format!("database `{database}` has no table `{wanted}`, or it may not be read");
            let hint = did_you_mean(wanted, tables.iter().map(|table| table.name.as_str()), "it has");
            let hint = hint.unwrap_or_else(|| failure::grant(Some(wanted), connection.address()));
            Err(Error::new(ErrorKind::SourceUnreadable, message).hint(hint))
        }
        _ => {
            let message = format!("more than one table of database `{database}` could be `{wanted}`");
            let names: Vec<String> = alike.iter().map(|table| format!("`{}`", table.name)).collect();
            Err(Error::new(ErrorKind::SourceUnreadable, message)
                .hint(format!("Name one with the stream's setting `table`: {}.", names.join(", "))))
        }
    }
}

/// Reads a table's columns and primary key from the catalogue. An excluded column of an unknown
/// type is left out; any other column of an unknown type is an error.
pub(super) async fn describe(connection: &mut Connection, table: Named, excluded: &LeftOut) -> Result<Table> {
    let Named { name, is_view } = table;
    let doing = format!("table `{name}` cannot be described");
    // A view has no CHECK constraints, and its definition is not a list of columns.
    let checked = if is_view { Vec::new() } else { json_checks(connection, &name, &doing).await? };
    let sql = "select column_name, column_type, is_nullable, datetime_precision, character_set_name, table_name
         from information_schema.columns where table_schema = database() and table_name = ? order by ordinal_position";
    let rows = connection.ask_of(sql, &name, &doing).await?;
    let mut columns = Vec::with_capacity(rows.len());
    for row in &rows {
        // The catalogue may compare names case-insensitively and return another table's rows.
        if text(row, 5)? != name {
            continue;
        }
        let written = text(row, 1)?;
        let type_name = TypeName { binary: text(row, 4)? == "binary", ..TypeName::parse(&written) };
        let column = text(row, 0)?;
        let is_json = checked.contains(&column);
        let Some((data_type, form)) = known_type(&name, &column, type_name, is_json, excluded)? else {
            continue;
        };
        let decimals = text(row, 3)?.parse().unwrap_or(0);
        let nullable = text(row, 2)? == "YES";
        columns.push(TableColumn { name: column, origin: Origin { data_type, form, decimals }, nullable });
    }
    if columns.is_empty() {
        // The catalogue has no columns for a view that the server cannot read. Preparing a SELECT
        // makes the server say why.
        let (driver, answers) = connection.parts()?;
        let prepared = driver.prep(format!("select * from {}", quoted(&name)));
        answers.wait(&cannot_be_read(&name), Some(&name), prepared).await?;
        let hint = failure::grant(Some(&name), connection.address());
        return Err(Error::new(ErrorKind::SourceUnreadable, doing).hint(hint));
    }
    let primary_key = primary_key(connection, &name, &doing).await?;
    Ok(Table { name, columns, primary_key })
}

/// The logical type and stored form of a column. Returns `None` if the type is unknown and the
/// column is excluded, and an error if it is unknown and wanted.
fn known_type(
    table: &str,
    column: &String,
    type_name: TypeName<'_>,
    is_json: bool,
    excluded: &LeftOut,
) -> Result<Option<(DataType, Form)>> {
    match type_name.data_type() {
        Ok((DataType::Text, form)) if is_json => Ok(Some((DataType::Json, form))),
        Ok(known) => Ok(Some(known)),
        Err(_) if excluded.contains(column) => Ok(None),
        Err(what) => {
            let message = format!("column `{column}` of table `{table}` {what}");
            Err(Error::new(ErrorKind::SourceUnreadable, message)
                .hint(format!("Leave it out: `exclude_columns: [{}]`.", written(column))))
        }
    }
}

/// Columns whose text the server checks with `json_valid`, which is what MariaDB's type JSON is.
/// They are read from `show create table`, because `information_schema.check_constraints` is empty
/// for a user who may only select.
async fn json_checks(connection: &mut Connection, table: &str, doing: &str) -> Result<Vec<String>> {
    match connection.ask(&format!("show create table {}", quoted(table)), doing).await {
        Ok(rows) => {
            let definition = rows.first().map(|row| text(row, 1)).transpose()?;
            Ok(definition.as_deref().map(checked_columns).unwrap_or_default())
        }
        // A user who may select only some of the columns does not see the definition. JSON then
        // arrives as text.
        Err(error) if error.kind() == ErrorKind::SourceUnreadable => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

/// The columns of a table definition (one line each) with a CHECK that begins with `json_valid`. A
/// constraint of the table itself does not count.
fn checked_columns(definition: &str) -> Vec<String> {
    let column = |line: &str| {
        let name = line.trim_start().strip_prefix('`')?;
        let mut end = name.find('`')?;
        // A doubled backtick is part of the name.
        while name[end + 1..].starts_with('`') {
            end += 2 + name[end + 2..].find('`')?;
        }
        let (name, attributes) = name.split_at(end);
        without_texts(attributes).contains(" CHECK (json_valid(").then(|| name.replace("``", "`"))
    };
    definition.lines().filter_map(column).collect()
}

/// Removes the string literals from a part of a definition, because defaults and comments may
/// contain any text. Backslash escapes are recognized.
fn without_texts(part: &str) -> String {
    let (mut out, mut within, mut escaped) = (String::new(), false, false);
    for c in part.chars() {
        match c {
            _ if escaped => escaped = false,
            '\\' if within => escaped = true,
            '\'' => within = !within,
            _ if !within => out.push(c),
            _ => {}
        }
    }
    out
}

/// The columns of the primary key in their order; empty if there is none.
async fn primary_key(connection: &mut Connection, table: &str, doing: &str) -> Result<Vec<String>> {
    let sql = "select column_name, table_name from information_schema.statistics
         where table_schema = database() and table_name = ? and index_name = 'PRIMARY' order by seq_in_index";
    let mut columns = Vec::new();
    for row in connection.ask_of(sql, table, doing).await? {
        if text(&row, 1)? == table {
            columns.push(text(&row, 0)?);
        }
    }
    Ok(columns)
}

/// A cell as text; NULL becomes the empty text. Fails for other types than texts and integers.
pub(super) fn text(row: &Row, index: usize) -> Result<String> {
    match row.as_ref(index) {
        Some(Value::Bytes(bytes)) => Ok(String::from_utf8_lossy(bytes).into_owned()),
        Some(Value::Int(number)) => Ok(number.to_string()),
        Some(Value::UInt(number)) => Ok(number.to_string()),
        Some(Value::NULL) => Ok(String::new()),
        _ => Err(Error::new(ErrorKind::SourceUnreadable, "the server's catalogue is not as it should be")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_what_the_definition_checks() {
        let definition = "CREATE TABLE `t` (
  `id` int(11) NOT NULL,
  `a``b` longtext CHARACTER SET utf8mb4 COLLATE utf8mb4_bin DEFAULT NULL CHECK (json_valid(`a``b`)),
  `c` text DEFAULT ' CHECK (json_valid(' COMMENT 'it''s \\' CHECK (json_valid(',
  `d` text DEFAULT 'x''' CHECK (json_valid(`d`) and `d` <> ''),
  CONSTRAINT `e` CHECK (json_valid(`c`))
) ENGINE=InnoDB";
        assert_eq!(checked_columns(definition), ["a`b", "d"]);
    }

    #[test]
    fn a_type_that_is_not_known_can_be_left_out() {
        let (page, type_name) = ("page".to_owned(), TypeName::parse("xmltype"));
        let error = known_type("t", &page, type_name, false, &LeftOut::default()).expect_err("unknown");
        assert_eq!(error.message(), "column `page` of table `t` has the type `xmltype`, which is not known");
        assert!(error.to_diagnostic().hint.is_some_and(|hint| hint.contains("`exclude_columns: [page]`")));
        assert_eq!(
            known_type("t", &page, type_name, false, &vec![page.clone()].into()).expect("left out"),
            None
        );
    }
}
