//! Which columns of a stream are masked, and with what salt. `load/transform/mask.rs` applies the
//! masks.

use millrace_core::mask::Masker;
use millrace_core::project::column_choice::ColumnChoice;
use millrace_core::schema::{Column, DataType};

/// The masks of a stream.
#[derive(Debug, Clone)]
pub(crate) struct Masks {
    /// Computes masks; holds the salt.
    pub(crate) masker: Masker,
    /// Which columns are masked.
    pub(crate) choice: ColumnChoice,
}

impl Masks {
    /// Identifies the salt, without revealing it.
    pub(crate) fn fingerprint(&self) -> String {
        self.masker.fingerprint()
    }

    /// The fingerprint of the salt if the column is masked, `None` otherwise.
    pub(crate) fn of_column(&self, column: &str) -> Option<String> {
        self.choice.masks(column).then(|| self.fingerprint())
    }
}

/// The columns as the warehouse gets them: masked columns are texts.
pub(crate) fn masked_columns(columns: &[Column], choice: &ColumnChoice) -> Vec<Column> {
    let masked = |column: &Column| {
        let data_type = if choice.masks(&column.name) { DataType::Text } else { column.data_type };
        Column { data_type, ..column.clone() }
    };
    columns.iter().map(masked).collect()
}
