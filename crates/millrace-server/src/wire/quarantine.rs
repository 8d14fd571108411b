//! The answer of `GET /quarantine`.

use serde::Serialize;
use utoipa::ToSchema;

/// The newest rows in quarantine.
#[derive(Debug, Clone, Default, Serialize, ToSchema)]
pub(crate) struct Quarantine {
    /// All of them, also those that are not listed here.
    pub(crate) total: u64,
    /// The newest first.
    pub(crate) rows: Vec<QuarantineRow>,
}

#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct QuarantineRow {
    /// `source.stream`.
    pub(crate) stream: String,
    pub(crate) file: String,
    /// Counted from 1.
    pub(crate) line: i64,
    /// `null` where the whole row is broken.
    #[schema(required)]
    pub(crate) column: Option<String>,
    pub(crate) code: String,
    pub(crate) reason: String,
    /// As it came; `null` where the stream hides columns.
    #[schema(required)]
    pub(crate) raw: Option<String>,
    /// SHA-256 of what came, in hex; stands in where `raw` is `null`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) raw_hash: Option<String>,
    pub(crate) run: String,
    /// RFC 3339, UTC.
    pub(crate) at: String,
}
