//! A column of a raw table as the state stores it: the link between the source's name and the
//! warehouse's.

use millrace_core::schema::{Column, DataType};
use serde::{Deserialize, Serialize};

/// A column of a raw table, as the state keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RawColumn {
    /// The source's name for it.
    pub source: String,
    /// The warehouse's name for it.
    pub name: String,
    /// Its logical type, written as in `types.md`.
    #[serde(rename = "type", with = "as_text")]
    pub data_type: DataType,
    /// Whether it can be NULL.
    pub nullable: bool,
    /// Whether it is part of the key by which loads are merged.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub key: bool,
    /// The fingerprint of the salt with which its values are masked; `None` if they are not masked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub masked: Option<String>,
}

impl RawColumn {
    /// The column as the warehouse knows it.
    pub(crate) fn column(&self) -> Column {
        Column { name: self.name.clone(), data_type: self.data_type, nullable: self.nullable }
    }
}

/// Stores a type as its text, in the words of `types.md`.
mod as_text {
    use millrace_core::schema::DataType;
    use serde::de::Error as _;
    use serde::{Deserialize as _, Deserializer, Serializer};

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for it so")]
    pub(super) fn serialize<S: Serializer>(data_type: &DataType, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(data_type)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<DataType, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(|_| D::Error::custom(format!("`{text}` is no type")))
    }
}
