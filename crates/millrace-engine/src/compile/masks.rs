//! Which columns of a stream are masked, and by what. `load/transform/mask.rs` does it.

use millrace_core::mask::Masker;
use millrace_core::project::column_choice::ColumnChoice;
use millrace_core::schema::{Column, DataType};

/// The masks of a stream.
#[derive(Debug, Clone)]
pub(crate) struct Masks {
    /// Makes them.
    pub(crate) masker: Masker,
    /// Says which columns are masked.
    pub(crate) choice: ColumnChoice,
}

impl Masks {
    /// What tells masks of one salt from those of another.
    pub(crate) fn fingerprint(&self) -> String {
        self.masker.fingerprint()
    }

    /// The fingerprint where a column is masked.
    pub(crate) fn of_column(&self, column: &str) -> Option<String> {
        self.choice.masks(column).then(|| self.fingerprint())
    }
}

/// The columns as the warehouse gets them: masked ones are texts.
pub(crate) fn masked_columns(columns: &[Column], choice: &ColumnChoice) -> Vec<Column> {
    let masked = |column: &Column| {
        let data_type = if choice.masks(&column.name) { DataType::Text } else { column.data_type };
        Column { data_type, ..column.clone() }
    };
    columns.iter().map(masked).collect()
}
