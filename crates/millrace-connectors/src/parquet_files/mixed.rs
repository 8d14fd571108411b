//! Decides the types of columns that some files have as integers and others as floats.
//!
//! Pandas writes integers as floats if one of them is missing. So the values decide: if all floats
//! are whole numbers, the column is of integers.

use std::path::Path;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float16Type, Float32Type, Float64Type};
use arrow_array::{Array as _, ArrayRef};
use arrow_schema::DataType as ArrowType;
use millrace_core::schema::Column;
use millrace_engine::error::Result;

use crate::files::input_file::InputFile;
use crate::files::watch;
use crate::parquet_files::columns::Mixed;
use crate::parquet_files::file::ParquetFile;

/// Makes each mixed column an integer unless some file has a float in it that is not whole. Only
/// files that have such a column as a float are opened, one after the other, and no more of them
/// once all these columns are known to be floats.
pub(super) fn settle(
    columns: &mut [Column],
    mut mixed: Vec<Mixed>,
    files: &[InputFile],
    scratch: &Path,
) -> Result<()> {
    for (number, file) in files.iter().enumerate() {
        let field_in_it = |mixed: &Mixed| {
            // `floats` is in the order of the files.
            let at = mixed.floats.binary_search_by_key(&number, |float| float.file).ok()?;
            Some(mixed.floats[at].field)
        };
        if !mixed.iter().any(|mixed| field_in_it(mixed).is_some()) {
            continue;
        }
        let opened = ParquetFile::open(file, scratch)?;
        let mut whole = Vec::new();
        for column in mixed {
            match field_in_it(&column) {
                // The file was replaced since its footer was read for discovery.
                Some(field) if field >= opened.fields().len() => return Err(watch::changed(&file.name)),
                Some(field) if !opened.all_values(field, is_whole)? => {}
                _ => whole.push(column),
            }
        }
        mixed = whole;
    }
    for Mixed { column, whole, .. } in mixed {
        columns[column].data_type = whole;
    }
    Ok(())
}

/// Whether each value is NULL, or a whole number that fits into 64 bits. The bound is rounded down,
/// so that no float at the border is taken for an integer that 64 bits do not hold.
fn is_whole(array: &ArrayRef) -> bool {
    let fits = |value: f64| value.fract() == 0.0 && (-9.2e18..=9.2e18).contains(&value);
    match array.data_type() {
        ArrowType::Float16 => {
            array.as_primitive::<Float16Type>().iter().flatten().all(|value| fits(value.to_f32().into()))
        }
        ArrowType::Float32 => {
            array.as_primitive::<Float32Type>().iter().flatten().all(|value| fits(value.into()))
        }
        ArrowType::Float64 => array.as_primitive::<Float64Type>().iter().flatten().all(fits),
        _ => array.null_count() == array.len(),
    }
}

#[cfg(test)]
mod tests {
    use std::slice::from_ref;

    use millrace_core::schema::DataType;

    use super::*;
    use crate::files::input_file::Place;
    use crate::parquet_files::columns::FileField;

    #[test]
    fn files_without_the_float_are_not_opened() {
        let gone = InputFile { place: Place::Disk("gone".into()), name: "gone".to_owned() };
        let column =
            |name: &str| Column { name: name.to_owned(), data_type: DataType::Float64, nullable: true };
        let mut columns = [column("a"), column("b")];
        let mixed = |floats| Mixed { column: 1, whole: DataType::Int64, floats };
        let folder = std::env::temp_dir();
        settle(&mut columns, vec![mixed(Vec::new())], from_ref(&gone), &folder).expect("nothing to open");
        assert_eq!(columns.each_ref().map(|column| column.data_type), [DataType::Float64, DataType::Int64]);
        let float = FileField { file: 0, field: 0 };
        settle(&mut columns, vec![mixed(vec![float])], &[gone], &folder).expect_err("there is no such file");
    }
}
