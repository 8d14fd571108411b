//! What a model becomes.

use serde::{Deserialize, Serialize};

/// What a model becomes in the warehouse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Materialization {
    /// A physical table, made anew by each run in which it changes.
    #[default]
    Table,
    /// A select that is run by whoever reads it.
    View,
}

impl Materialization {
    /// The words that project files use.
    pub const NAMES: &'static [&'static str] = &["table", "view"];

    /// The one of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "table" => Some(Self::Table),
            "view" => Some(Self::View),
            _ => None,
        }
    }
}
