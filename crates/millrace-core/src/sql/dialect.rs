//! How one engine's SQL is written.

use crate::schema::DataType;

/// What differs between warehouses in the SQL that Millrace writes itself. All of them quote identifiers as
/// [`crate::name::Ident`] does and number parameters `$1`, `$2`, ….
pub trait Dialect: Send + Sync {
    /// The word that projects use for it, e.g. in `dialect:`.
    fn name(&self) -> &'static str;

    /// The column type in which a logical type is stored.
    fn column_type(&self, data_type: DataType) -> String;

    /// SQL for the SHA-256 of a text's UTF-8, in 64 hex digits in lower case; `text` is SQL for the text.
    fn sha256(&self, text: &str) -> String;

    /// SQL for a text without accents and in lower case, so that `etats` is found in `États-Unis`; `text` is SQL for the text. Letters are
    /// Unicode's; what a database's locale leaves alone (beyond Latin letters, in PostgreSQL's locale `C`) keeps its case.
    fn folded(&self, text: &str) -> String;
}
