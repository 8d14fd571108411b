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
}
