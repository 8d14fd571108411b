//! Tests of unusual schemas: none may be read as something else, and none may abort the process.

use parquet::data_type::{
    ByteArray, ByteArrayType, DoubleType, FixedLenByteArray, FixedLenByteArrayType, Int32Type, Int64Type,
};
use parquet::file::writer::SerializedColumnWriter;

use super::*;

/// Writes a file of a schema with `groups` row groups. Each has three values in every column, none
/// of them null or repeated.
fn write_schema(dir: &Path, name: &str, schema: &str, groups: usize) {
    let schema = Arc::new(parse_message_type(schema).unwrap_or_else(|error| panic!("{schema}: {error}")));
    let file = std::fs::File::create(dir.join(name)).expect("made");
    let mut writer = SerializedFileWriter::new(file, schema, Arc::default()).expect("a writer");
    for _ in 0..groups {
        let mut group = writer.next_row_group().expect("a group");
        while let Some(mut column) = group.next_column().expect("a column") {
            write_column(&mut column);
            column.close().expect("closed");
        }
        group.close().expect("closed");
    }
    writer.close().expect("closed");
}

fn write_column(column: &mut SerializedColumnWriter<'_>) {
    use parquet::column::writer::ColumnWriter as Writer;

    let descriptor = match column.untyped() {
        Writer::Int32ColumnWriter(typed) => typed.get_descriptor().clone(),
        Writer::Int64ColumnWriter(typed) => typed.get_descriptor().clone(),
        Writer::Int96ColumnWriter(typed) => typed.get_descriptor().clone(),
        Writer::DoubleColumnWriter(typed) => typed.get_descriptor().clone(),
        Writer::ByteArrayColumnWriter(typed) => typed.get_descriptor().clone(),
        Writer::FixedLenByteArrayColumnWriter(typed) => typed.get_descriptor().clone(),
        _ => panic!("a column of another kind"),
    };
    let definitions = [descriptor.max_def_level(); 3];
    let definitions = (descriptor.max_def_level() > 0).then_some(&definitions[..]);
    let repetitions = (descriptor.max_rep_level() > 0).then_some(&[0_i16, 0, 0][..]);
    let length = usize::try_from(descriptor.type_length()).unwrap_or(0).max(1);
    let written = match column.untyped() {
        Writer::Int32ColumnWriter(_) => {
            column.typed::<Int32Type>().write_batch(&[1, 2, 3], definitions, repetitions)
        }
        Writer::Int64ColumnWriter(_) => {
            column.typed::<Int64Type>().write_batch(&[10, 20, 30], definitions, repetitions)
        }
        Writer::Int96ColumnWriter(_) => {
            let moments = [int96(2_440_588, 1000), int96(2_440_588, 2000), int96(2_440_588, 3000)];
            column.typed::<Int96Type>().write_batch(&moments, definitions, repetitions)
        }
        Writer::DoubleColumnWriter(_) => {
            column.typed::<DoubleType>().write_batch(&[1.0, 2.0, 3.0], definitions, repetitions)
        }
        Writer::ByteArrayColumnWriter(_) => {
            let texts = ["a", "b", "c"].map(ByteArray::from);
            column.typed::<ByteArrayType>().write_batch(&texts, definitions, repetitions)
        }
        _ => {
            let value = |n: u8| FixedLenByteArray::from([vec![0; length - 1], vec![n]].concat());
            let values = [value(1), value(2), value(3)];
            column.typed::<FixedLenByteArrayType>().write_batch(&values, definitions, repetitions)
        }
    };
    written.expect("written");
}

/// The columns of a file and its rows, or the error.
fn loaded(dir: &Path, path: &str) -> Result<(Vec<String>, Vec<String>)> {
    let types = shown(&discover(dir, path)?);
    let wanted: Vec<&str> = types.iter().map(String::as_str).collect();
    let outcome = read(dir, path, request(&wanted))?;
    assert_eq!(outcome.quarantined, [], "{path}");
    Ok((types, outcome.lines()))
}

#[test]
fn two_columns_of_one_name_are_an_error() {
    let dir = tempfile::tempdir().expect("a folder");
    for (schema, said) in [
        ("required int32 v; required int64 w; required int64 v;", "two columns `v` of file `a.parquet`"),
        (
            "required int32 id; optional group g { optional int32 v; optional group h { optional int32 x; optional int64 x; } }",
            "two fields `x` within column `g` of file `a.parquet`",
        ),
    ] {
        write_schema(dir.path(), "a.parquet", &format!("message m {{ {schema} }}"), 1);
        let error = discover(dir.path(), "a.parquet").expect_err(schema);
        assert_eq!(error.kind(), ErrorKind::SourceUnreadable);
        assert!(error.message().contains(said), "{error}");
        let error = read(dir.path(), "a.parquet", request(&["id int32"])).expect_err("a read looks too");
        assert!(error.message().contains(said), "{error}");
    }
    // Both columns are excluded.
    write_schema(
        dir.path(),
        "a.parquet",
        "message m { required int32 v; required int64 w; required int64 v; }",
        1,
    );
    let mut wanted = request(&["w int64"]);
    wanted.stream.excluded = vec!["v".to_owned()].into();
    assert_eq!(read(dir.path(), "a.parquet", wanted).expect("readable").lines(), ["10", "20", "30"]);
}

#[test]
fn columns_in_two_spellings_are_one_where_no_file_has_both() {
    let dir = tempfile::tempdir().expect("a folder");
    write_schema(dir.path(), "1.parquet", "message m { required int32 ID; required int64 Montant; }", 1);
    write_schema(dir.path(), "2.parquet", "message m { required int64 montant; required int32 id; }", 1);
    let (types, rows) = loaded(dir.path(), "*.parquet").expect("readable");
    assert_eq!(types, ["ID int32!", "Montant int64!"]);
    assert_eq!(rows, ["1|10", "2|20", "3|30", "1|10", "2|20", "3|30"]);
    write_schema(dir.path(), "3.parquet", "message m { required int32 id; required int64 ID; }", 1);
    let types = shown(&discover(dir.path(), "*.parquet").expect("readable"));
    assert_eq!(types.len(), 3, "the naming of columns refuses that: {types:?}");
}

#[test]
fn groups_without_fields_are_left_out() {
    let dir = tempfile::tempdir().expect("a folder");
    for (schema, columns, rows) in [
        (
            "optional group nothing { } required int32 a; required int64 b;",
            &["a int32!", "b int64!"][..],
            &["1|10", "2|20", "3|30"][..],
        ),
        (
            "required int32 a; required group nothing { } required int64 b;",
            &["a int32!", "b int64!"],
            &["1|10", "2|20", "3|30"],
        ),
        (
            "optional group list (LIST) { repeated group list { optional group element { } } } required int64 b;",
            &["b int64!"],
            &["10", "20", "30"],
        ),
        (
            "optional group g { optional group nothing { } optional int32 a; } required group nothing { } required int64 b;",
            &["g json", "b int64!"],
            &["{\"a\":1}|10", "{\"a\":2}|20", "{\"a\":3}|30"],
        ),
        (
            "optional group map (MAP) { repeated group key_value { required binary key (UTF8); optional group value { } } } required int64 b;",
            &["map json", "b int64!"],
            &["[\"a\"]|10", "[\"b\"]|20", "[\"c\"]|30"],
        ),
        (
            "required group nothing { } required int96 at; required int64 b;",
            &["at timestamp!", "b int64!"],
            &[
                "1970-01-01T00:00:00.000001|10",
                "1970-01-01T00:00:00.000002|20",
                "1970-01-01T00:00:00.000003|30",
            ],
        ),
    ] {
        write_schema(dir.path(), "a.parquet", &format!("message m {{ {schema} }}"), 1);
        let (found, lines) =
            loaded(dir.path(), "a.parquet").unwrap_or_else(|error| panic!("{schema}: {error}"));
        assert_eq!(
            (found, lines),
            (
                columns.iter().map(|c| (*c).to_owned()).collect(),
                rows.iter().map(|r| (*r).to_owned()).collect()
            ),
            "{schema}"
        );
    }
}

#[test]
fn files_of_nothing_have_no_rows() {
    let dir = tempfile::tempdir().expect("a folder");
    write_schema(dir.path(), "a.parquet", "message m { required int32 a; }", 0);
    assert_eq!(loaded(dir.path(), "a.parquet").expect("readable"), (vec!["a int32!".to_owned()], vec![]));
    for schema in ["message m { }", "message m { optional group nothing { } }"] {
        for groups in [0, 1] {
            write_schema(dir.path(), "b.parquet", schema, groups);
            let found = loaded(dir.path(), "b.parquet");
            assert!(found.is_ok_and(|(columns, rows)| columns.is_empty() && rows.is_empty()), "{schema}");
        }
    }
}

#[test]
fn what_is_odd_is_read_or_refused() {
    let dir = tempfile::tempdir().expect("a folder");
    let smallest = format!("0.{}1", "0".repeat(75));
    // Each schema with its column and the first row of it, or the error.
    for (schema, expected) in [
        (
            "required fixed_len_byte_array(32) v (DECIMAL(76,38));",
            Ok("v text! 0.00000000000000000000000000000000000001"),
        ),
        ("required fixed_len_byte_array(32) v (DECIMAL(76,76));", Ok(format!("v text! {smallest}").as_str())),
        ("required fixed_len_byte_array(1) v (DECIMAL(2,2));", Ok("v decimal(2,2)! 0.01")),
        ("required int32 v (DECIMAL(1,0));", Ok("v decimal(1,0)! 1")),
        ("required binary v (DECIMAL(38,0));", Ok("v decimal(38,0)! 97")),
        ("required fixed_len_byte_array(12) v (INTERVAL);", Err("has a type that is not read")),
        ("repeated int32 v;", Ok("v json! [1]")),
        ("repeated group v { required int32 a; }", Ok("v json! [{\"a\":1}]")),
        ("optional group v (LIST) { repeated int32 array; }", Ok("v json [1]")),
        (
            "optional group v (LIST) { repeated group v_tuple { required int32 a; } }",
            Ok("v json [{\"a\":1}]"),
        ),
        ("optional group v (MAP) { repeated group map { required int32 key; } }", Ok("v json [1]")),
    ] {
        assert_outcome(dir.path(), schema, expected);
    }
    for (levels, is_read) in [(10, true), (100, true), (190, true), (300, false)] {
        let schema =
            format!("{} required int32 v; {}", "required group g { ".repeat(levels), "} ".repeat(levels));
        let row = format!("{}{{\"v\":1}}{}", "{\"g\":".repeat(levels - 1), "}".repeat(levels - 1));
        let read = format!("g json! {row}");
        assert_outcome(dir.path(), &schema, if is_read { Ok(&read) } else { Err("nested too deep") });
    }
}

/// Compares a file of such a schema with its only column and the first row, or with the error.
fn assert_outcome(dir: &Path, schema: &str, expected: std::result::Result<&str, &str>) {
    write_schema(dir, "a.parquet", &format!("message m {{ {schema} }}"), 2);
    match (loaded(dir, "a.parquet"), expected) {
        (Ok((columns, rows)), Ok(expected)) => {
            assert_eq!(format!("{} {}", columns.join(" "), rows[0]), expected, "{schema}");
            assert_eq!(rows.len(), 6, "{schema}");
        }
        (Err(error), Err(expected)) => {
            assert_eq!(error.kind(), ErrorKind::SourceUnreadable, "{schema}: {error}");
            assert!(error.to_string().contains(expected), "{schema}: {error}");
        }
        (found, expected) => panic!("{schema}: {found:?}, and not {expected:?}"),
    }
}

#[test]
fn a_column_without_a_type_takes_that_of_the_other_files() {
    let dir = tempfile::tempdir().expect("a folder");
    let day = Arc::new(Date32Array::from(vec![0])) as ArrayRef;
    write(dir.path(), "1.parquet", vec![("d", arrow_array::new_null_array(&ArrowType::Null, 1))]);
    assert_eq!(
        loaded(dir.path(), "1.parquet").expect("readable"),
        (vec!["d text".to_owned()], vec!["~".to_owned()])
    );
    write(dir.path(), "2.parquet", vec![("d", day)]);
    let expected = (vec!["d date".to_owned()], vec!["~".to_owned(), "1970-01-01".to_owned()]);
    assert_eq!(loaded(dir.path(), "[12].parquet").expect("readable"), expected);
    write(dir.path(), "0.parquet", vec![("d", Arc::new(StringArray::from(vec!["x"])) as ArrayRef)]);
    let (types, rows) = loaded(dir.path(), "*.parquet").expect("dates are texts too");
    assert_eq!(
        (types[0].as_str(), rows),
        ("d text", vec!["x".to_owned(), "~".to_owned(), "1970-01-01".to_owned()])
    );
}

#[test]
fn whole_numbers_that_pandas_made_floats_of_are_whole_numbers() {
    let dir = tempfile::tempdir().expect("a folder");
    let floats = |values: Vec<Option<f64>>| Arc::new(Float64Array::from(values)) as ArrayRef;
    write(dir.path(), "1.parquet", vec![("n", Arc::new(Int64Array::from(vec![1, 2])) as ArrayRef)]);
    write(dir.path(), "2.parquet", vec![("n", floats(vec![Some(3.0), None, Some(-4e15)]))]);
    let (types, rows) = loaded(dir.path(), "*.parquet").expect("readable");
    assert_eq!((types[0].as_str(), rows.join(" ").as_str()), ("n int64", "1 2 3 ~ -4000000000000000"));
    write(dir.path(), "3.parquet", vec![("n", floats(vec![Some(2.5)]))]);
    let (types, rows) = loaded(dir.path(), "*.parquet").expect("readable");
    assert_eq!((types[0].as_str(), rows.last().map(String::as_str)), ("n float64", Some("2.5")));
}

#[test]
fn a_column_holds_the_values_of_all_files_whatever_their_order() {
    let array = |kind: &str| match kind {
        "int64" => Arc::new(Int64Array::from(vec![1])) as ArrayRef,
        "uint64" => Arc::new(UInt64Array::from(vec![u64::MAX])),
        "float" => Arc::new(Float64Array::from(vec![2.0])),
        "decimal" => {
            let decimal = Decimal128Array::from(vec![150]).with_precision_and_scale(10, 2);
            Arc::new(decimal.expect("a decimal"))
        }
        _ => Arc::new(StringArray::from(vec!["abc"])),
    };
    for (kinds, expected) in [
        (["int64", "float", "text"], "n text"),
        (["int64", "float", "decimal"], "n text"),
        (["int64", "float", "uint64"], "n decimal(20,0)"),
        (["float", "float", "int64"], "n int64"),
    ] {
        for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
            let dir = tempfile::tempdir().expect("a folder");
            for (number, at) in order.into_iter().enumerate() {
                write(dir.path(), &format!("{number}.parquet"), vec![("n", array(kinds[at]))]);
            }
            // Nothing is in quarantine, which `loaded` makes sure of.
            let (types, rows) = loaded(dir.path(), "*.parquet").expect("readable");
            assert_eq!((types, rows.len()), (vec![expected.to_owned()], 3), "{kinds:?} {order:?}");
        }
    }
}
