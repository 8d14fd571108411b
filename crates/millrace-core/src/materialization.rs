//! The materializations of models.

use serde::{Deserialize, Serialize};

/// How a model is stored in the warehouse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Materialization {
    /// A physical table. A run rebuilds it if its SQL or its inputs have changed.
    #[default]
    Table,
    /// A view: its select runs each time it is read.
    View,
}

impl Materialization {
    /// The names in project files.
    pub const NAMES: &'static [&'static str] = &["table", "view"];

    /// The materialization with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "table" => Some(Self::Table),
            "view" => Some(Self::View),
            _ => None,
        }
    }
}
