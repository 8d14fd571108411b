//! Query results, stored column by column.

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;

use crate::wire::value::{Cell, LogicalType, Shape};

/// The numbers of a tile or of a question.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct TileResult {
    pub(crate) columns: Vec<Column>,
    /// One array a column, in the order of `columns`.
    pub(crate) data: Vec<Vec<Cell>>,
    pub(crate) rows: usize,
    /// Whether a limit cut rows off.
    pub(crate) truncated: bool,
    /// Each metric over the whole range: not the sum of rows.
    pub(crate) total: BTreeMap<String, Cell>,
    /// The same over the range compared with; `null` where nothing is compared.
    #[schema(required)]
    pub(crate) previous: Option<BTreeMap<String, Cell>>,
    /// `(total − previous) / |previous|` with four digits; `null` where nothing is compared.
    #[schema(required)]
    pub(crate) change: Option<BTreeMap<String, Cell>>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Column {
    pub(crate) name: String,
    pub(crate) role: Role,
    #[serde(rename = "type")]
    pub(crate) kind: LogicalType,
    /// Digits after the point of decimals.
    #[schema(required)]
    pub(crate) scale: Option<u8>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Role {
    Dimension,
    Metric,
    Share,
}

impl Column {
    /// A column with the type and scale of `shape`.
    pub(crate) fn new(name: &str, role: Role, shape: Shape) -> Self {
        Self { name: name.to_owned(), role, kind: shape.kind, scale: shape.scale }
    }
}
