//! A column of a raw table, as the state keeps it.

use millrace_core::schema::{Column, DataType};
use serde::{Deserialize, Serialize};

/// A column of a raw table, as the state keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RawColumn {
    /// The source's name for it.
    pub source: String,
    /// The warehouse's name for it.
    pub name: String,
    /// Its type, in the words of `types.md`.
    #[serde(rename = "type", with = "as_text")]
    pub data_type: DataType,
    /// Whether it may be NULL.
    pub nullable: bool,
    /// Whether loads are merged by it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub key: bool,
    /// The fingerprint of the salt under which its values are masked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub masked: Option<String>,
}

impl RawColumn {
    /// As the warehouse is told.
    pub(crate) fn column(&self) -> Column {
        Column { name: self.name.clone(), data_type: self.data_type, nullable: self.nullable }
    }
}

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
