//! The SQL dialect of a warehouse.

use crate::schema::DataType;

/// The differences between warehouses in the SQL that Millrace generates. All warehouses quote
/// identifiers as [`crate::name::Ident`] does, and number parameters `$1`, `$2`, ….
pub trait Dialect: Send + Sync {
    /// Name of the dialect in project files, as in `dialect:`.
    fn name(&self) -> &'static str;

    /// The SQL type of a column that stores this logical type.
    fn column_type(&self, data_type: DataType) -> String;

    /// SQL for the SHA-256 of a text in UTF-8, as 64 lower-case hex digits. `text` is an SQL
    /// expression.
    fn sha256(&self, text: &str) -> String;

    /// SQL for a text in lower case and without accents, so that `etats` matches `États-Unis`.
    /// `text` is an SQL expression. Case mapping follows Unicode; letters that the database's
    /// locale does not map keep their case (in PostgreSQL's locale `C`, all letters beyond Latin).
    fn folded(&self, text: &str) -> String;
}
