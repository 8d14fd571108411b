//! Columns that some files have as whole numbers and others as floats.
//!
//! Pandas writes whole numbers as floats where one is missing. Which of the two a column is, its values say.

use std::collections::BTreeSet;
use std::path::Path;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Float64Type};
use arrow_array::{Array as _, ArrayRef};
use arrow_schema::DataType as ArrowType;
use millrace_core::schema::{Column, DataType};
use millrace_engine::error::Result;

use crate::files::paths::InputFile;
use crate::parquet_files::file::ParquetFile;

/// Makes those of the columns whole numbers of which no file has another one.
pub(super) fn settle(
    columns: &mut [Column],
    mixed: &BTreeSet<String>,
    files: &[InputFile],
    scratch: &Path,
) -> Result<()> {
    let mut whole = mixed.clone();
    for file in files {
        if whole.is_empty() {
            return Ok(());
        }
        let opened = ParquetFile::open(file, scratch)?;
        for (at, field) in opened.fields().iter().enumerate() {
            let folded = field.name().to_lowercase();
            let is_float = matches!(field.data_type(), ArrowType::Float32 | ArrowType::Float64);
            let name = whole.iter().find(|name| name.to_lowercase() == folded).filter(|_| is_float);
            if let Some(name) = name.cloned()
                && !opened.all_values(at, is_whole)?
            {
                whole.remove(&name);
            }
        }
    }
    for column in columns.iter_mut().filter(|column| whole.contains(&column.name)) {
        column.data_type = DataType::Int64;
    }
    Ok(())
}

/// Whether each value is NULL or a whole number that 64 bits hold.
fn is_whole(array: &ArrayRef) -> bool {
    let fits = |value: f64| value.fract() == 0.0 && (-9.2e18..=9.2e18).contains(&value);
    match array.data_type() {
        ArrowType::Float32 => {
            array.as_primitive::<Float32Type>().iter().flatten().all(|value| fits(value.into()))
        }
        ArrowType::Float64 => array.as_primitive::<Float64Type>().iter().flatten().all(fits),
        _ => array.null_count() == array.len(),
    }
}
