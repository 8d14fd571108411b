//! Tests that read Parquet files, and compare rows and quarantined rows.

use std::path::Path;
use std::sync::Arc;

use arrow_array::builder::{Int32Builder, ListBuilder, MapBuilder, StringBuilder};
use arrow_array::types::Int32Type;
use arrow_array::{
    ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array, Decimal256Array, DictionaryArray,
    FixedSizeBinaryArray, Float32Array, Float64Array, Int32Array, Int64Array, RecordBatch, StringArray,
    StructArray, Time64MicrosecondArray, Time64NanosecondArray, TimestampMicrosecondArray,
    TimestampMillisecondArray, TimestampNanosecondArray, UInt8Array, UInt64Array,
};
use arrow_buffer::i256;
use arrow_schema::{DataType as ArrowType, Field, Schema};
use millrace_core::project::settings::Settings;
use millrace_core::schema::StreamSchema;
use millrace_engine::error::{ErrorKind, Result};
use millrace_engine::ports::source::{ReadRequest, Source, SourceContext};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::data_type::{Int96, Int96Type};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;

use super::ParquetSource;
use super::file::ParquetFile;
use crate::files::Limits;
use crate::files::input_file::{InputFile, Place};
use crate::files::testing::{Outcome, blocks, collect, either_way, request, settings, shown};

mod odd;
mod texts;

fn write(dir: &Path, name: &str, columns: Vec<(&str, ArrayRef)>) {
    let fields = columns.iter().map(|(name, array)| Field::new(*name, array.data_type().clone(), true));
    let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
    let arrays = columns.into_iter().map(|(_, array)| array).collect();
    let batch = RecordBatch::try_new(Arc::clone(&schema), arrays).expect("a batch");
    let level = ZstdLevel::try_new(1).expect("a level");
    let properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(level))
        .set_max_row_group_row_count(Some(2))
        .build();
    let file = std::fs::File::create(dir.join(name)).expect("made");
    let mut writer = ArrowWriter::try_new(file, schema, Some(properties)).expect("a writer");
    writer.write(&batch).expect("written");
    writer.close().expect("closed");
}

/// A source of the files in a folder, read with these limits.
fn source(dir: &Path, limits: Limits) -> ParquetSource {
    let context = SourceContext { name: "src".to_owned(), project_dir: dir.to_path_buf() };
    ParquetSource { context, settings: Settings::default(), limits }
}

fn wait<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().expect("a runtime").block_on(work)
}

fn discover(dir: &Path, path: &str) -> Result<StreamSchema> {
    let mut request = request(&[]).stream;
    request.settings = settings(&[("path", path)]);
    wait(source(dir, blocks(1)).discover(&request)).map(|discovered| discovered.schema)
}

fn read(dir: &Path, path: &str, mut request: ReadRequest) -> Result<Outcome> {
    request.stream.settings = settings(&[("path", path)]);
    either_way(blocks(1), |limits| {
        let (source, request) = (source(dir, limits), request.clone());
        let columns = request.columns.clone();
        collect(&columns, |sender| {
            let runtime =
                tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().expect("a runtime");
            std::thread::scope(|scope| {
                scope
                    .spawn(|| runtime.block_on(source.read(request, sender)).map(|_| ()))
                    .join()
                    .expect("no panic")
            })
        })
    })
}

#[test]
fn types_come_from_the_file() {
    let dir = tempfile::tempdir().expect("a folder");
    let mut list = ListBuilder::new(Int32Builder::new());
    list.append_value([Some(1), None]);
    list.append_null();
    let mut map = MapBuilder::new(None, StringBuilder::new(), Int32Builder::new());
    map.keys().append_value("a\"");
    map.values().append_value(1);
    map.append(true).expect("appended");
    map.append(false).expect("appended");
    let city: ArrayRef = Arc::new(StringArray::from(vec![Some("Zoé"), None]));
    let price: ArrayRef =
        Arc::new(Decimal128Array::from(vec![150, -5]).with_precision_and_scale(10, 2).expect("a decimal"));
    let inner = StructArray::from(vec![
        (Arc::new(Field::new("city", ArrowType::Utf8, true)), city),
        (Arc::new(Field::new("price", price.data_type().clone(), true)), Arc::clone(&price)),
    ]);
    let wide = Decimal256Array::from(vec![i256::from_i128(1), i256::from_i128(-1)]);
    let words: DictionaryArray<Int32Type> = vec!["x", "y"].into_iter().collect();
    write(
        dir.path(),
        "a.parquet",
        vec![
            ("flag", Arc::new(BooleanArray::from(vec![Some(true), None])) as ArrayRef),
            ("u8", Arc::new(UInt8Array::from(vec![255, 0]))),
            ("u64", Arc::new(UInt64Array::from(vec![u64::MAX, 0]))),
            ("i64", Arc::new(Int64Array::from(vec![i64::MIN, i64::MAX]))),
            ("f32", Arc::new(Float32Array::from(vec![0.1, f32::NAN]))),
            ("f64", Arc::new(Float64Array::from(vec![-0.0, 1e300]))),
            ("price", price),
            ("wide", Arc::new(wide.with_precision_and_scale(60, 20).expect("a decimal"))),
            ("day", Arc::new(Date32Array::from(vec![0, -1]))),
            ("ms", Arc::new(TimestampMillisecondArray::from(vec![1, -1]).with_timezone("UTC"))),
            ("us", Arc::new(TimestampMicrosecondArray::from(vec![1, -1]))),
            ("ns", Arc::new(TimestampNanosecondArray::from(vec![1000, -1000]))),
            ("time", Arc::new(Time64MicrosecondArray::from(vec![1, 86_399_999_999]))),
            ("word", Arc::new(words)),
            ("bytes", Arc::new(BinaryArray::from(vec![&b"\xFF\0"[..], b""]))),
            (
                "fixed",
                Arc::new(FixedSizeBinaryArray::try_from_iter([b"ab", b"cd"].into_iter()).expect("fixed")),
            ),
            ("list", Arc::new(list.finish())),
            ("map", Arc::new(map.finish())),
            ("inner", Arc::new(inner)),
        ],
    );
    let schema = discover(dir.path(), "a.parquet").expect("readable");
    let types = shown(&schema);
    assert_eq!(
        types,
        [
            "flag boolean",
            "u8 uint8",
            "u64 uint64",
            "i64 int64",
            "f32 float32",
            "f64 float64",
            "price decimal(10,2)",
            "wide decimal(60,20)",
            "day date",
            "ms timestamptz",
            "us timestamp",
            "ns timestamp",
            "time interval",
            "word text",
            "bytes bytes",
            "fixed bytes",
            "list json",
            "map json",
            "inner json",
        ]
    );
    let wanted: Vec<&str> = types.iter().map(String::as_str).collect();
    let outcome = read(dir.path(), "a.parquet", request(&wanted)).expect("readable");
    assert_eq!(outcome.quarantined, []);
    let row =
        |row: usize| outcome.rows[row].iter().map(|cell| cell.as_deref().unwrap_or("~")).collect::<Vec<_>>();
    let (first, second) = (row(0), row(1));
    assert_eq!(first[..4], ["true", "255", "18446744073709551615", "-9223372036854775808"]);
    assert_eq!(first[4..8], ["0.1", "-0", "1.50", "0.00000000000000000001"]);
    assert_eq!(
        first[8..12],
        [
            "1970-01-01",
            "1970-01-01T00:00:00.001Z",
            "1970-01-01T00:00:00.000001",
            "1970-01-01T00:00:00.000001"
        ]
    );
    assert_eq!(first[13], "x");
    assert_eq!(first[16..], ["[1,null]", "{\"a\\\"\":1}", "{\"city\":\"Zoé\",\"price\":1.50}"]);
    assert_eq!(second[..4], ["~", "0", "0", "9223372036854775807"]);
    assert_eq!(second[4], "NaN");
    assert_eq!(
        second[8..12],
        [
            "1969-12-31",
            "1969-12-31T23:59:59.999Z",
            "1969-12-31T23:59:59.999999",
            "1969-12-31T23:59:59.999999"
        ]
    );
    assert_eq!(second[16..], ["~", "~", "{\"city\":null,\"price\":-0.05}"]);
}

#[test]
fn what_does_not_fit_is_set_aside_once() {
    let dir = tempfile::tempdir().expect("a folder");
    write(
        dir.path(),
        "a.parquet",
        vec![
            ("id", Arc::new(Int32Array::from(vec![Some(1), Some(2), None, Some(400), Some(5)])) as ArrayRef),
            ("at", Arc::new(TimestampNanosecondArray::from(vec![1000, 1001, 1002, 2000, 3000]))),
            ("n", Arc::new(StringArray::from(vec!["1", "2", "3", "4", "x"]))),
            ("secret", Arc::new(StringArray::from(vec!["s"; 5]))),
        ],
    );
    let mut wanted = request(&["id int8!", "at timestamp", "n int64", "gone text"]);
    wanted.stream.excluded = vec!["secret".to_owned()].into();
    wanted.quarantine_unknown_columns = true;
    let outcome = read(dir.path(), "a.parquet", wanted.clone()).expect("readable");
    assert_eq!(outcome.lines(), ["1|1970-01-01T00:00:00.000001|1|~"]);
    assert_eq!(
        outcome.set_aside(),
        [
            "2 at:out-of-range {\"id\":2,\"at\":\"1970-01-01T00:00:00.000001001\",\"n\":\"2\"}",
            "3 id:missing-value {\"id\":null,\"at\":\"1970-01-01T00:00:00.000001002\",\"n\":\"3\"}",
            "4 id:out-of-range {\"id\":400,\"at\":\"1970-01-01T00:00:00.000002\",\"n\":\"4\"}",
            "5 n:wrong-type {\"id\":5,\"at\":\"1970-01-01T00:00:00.000003\",\"n\":\"x\"}",
        ]
    );
    // A field that the contract does not allow is in every row.
    wanted.stream.excluded = Vec::new().into();
    let outcome = read(dir.path(), "a.parquet", wanted).expect("readable");
    assert_eq!((outcome.rows.len(), outcome.quarantined.len()), (0, 5));
    assert!(outcome.quarantined.iter().all(|row| row.code.as_str() == "unknown-column"));
}

#[test]
fn texts_with_nul_are_set_aside_where_the_stream_says_so() {
    let dir = tempfile::tempdir().expect("a folder");
    let texts = StringArray::from(vec![Some("a\0b"), None, Some("c"), Some("\0")]);
    write(dir.path(), "a.parquet", vec![("v", Arc::new(texts) as ArrayRef)]);
    let mut wanted = request(&["v text"]);
    assert_eq!(read(dir.path(), "a.parquet", wanted.clone()).expect("readable").rows.len(), 4);
    wanted.quarantine_nul = true;
    let outcome = read(dir.path(), "a.parquet", wanted).expect("readable");
    assert_eq!(outcome.lines(), ["~", "c"]);
    let aside: Vec<_> = outcome.quarantined.iter().map(|row| (row.line, row.column.as_deref())).collect();
    assert_eq!(aside, [(1, Some("v")), (4, Some("v"))]);
}

#[test]
fn columns_hold_the_values_of_all_files() {
    let dir = tempfile::tempdir().expect("a folder");
    write(
        dir.path(),
        "a.parquet",
        vec![
            ("id", Arc::new(Int32Array::from(vec![1])) as ArrayRef),
            ("v", Arc::new(Int64Array::from(vec![7]))),
        ],
    );
    let price = Decimal128Array::from(vec![150]).with_precision_and_scale(10, 2).expect("a decimal");
    write(
        dir.path(),
        "b.parquet",
        vec![
            ("v", Arc::new(price) as ArrayRef),
            ("id", Arc::new(Int64Array::from(vec![i64::MAX]))),
            ("new", Arc::new(StringArray::from(vec!["x"]))),
        ],
    );
    write(dir.path(), "c.parquet", vec![("id", Arc::new(StringArray::from(vec!["k"])) as ArrayRef)]);
    let types = shown(&discover(dir.path(), "[ab].parquet").expect("readable"));
    assert_eq!(types, ["id int64", "v decimal(21,2)", "new text"]);
    let wanted: Vec<&str> = types.iter().map(String::as_str).collect();
    let outcome = read(dir.path(), "[ab].parquet", request(&wanted)).expect("readable");
    assert_eq!(outcome.lines(), ["1|7.00|~", "9223372036854775807|1.50|x"]);
    assert_eq!(shown(&discover(dir.path(), "*.parquet").expect("readable"))[0], "id text");
    let outcome = read(dir.path(), "*.parquet", request(&["id text"])).expect("readable");
    assert_eq!(outcome.lines(), ["1", "9223372036854775807", "k"]);
}

/// An INT96 timestamp: the nanoseconds of the day, and the day counted from 4713 BC.
fn int96(day: u32, nanos: u64) -> Int96 {
    Int96::from(vec![nanos as u32, (nanos >> 32) as u32, day])
}

#[test]
fn moments_of_96_bits_are_told_from_what_they_overflow_to() {
    const EPOCH: u32 = 2_440_588;
    let dir = tempfile::tempdir().expect("a folder");
    let schema = Arc::new(
        parse_message_type("message m { required int96 at = 1; required int32 id = 2; }").expect("a schema"),
    );
    let file = std::fs::File::create(dir.path().join("a.parquet")).expect("made");
    let mut writer = SerializedFileWriter::new(file, schema, Arc::default()).expect("a writer");
    let mut group = writer.next_row_group().expect("a group");
    // The third one is beyond nanoseconds of 64 bits.
    let moments = [int96(EPOCH, 1_000), int96(EPOCH, 1_001), int96(EPOCH + 366 * 3000, 5_000)];
    // Beyond microseconds of 64 bits: they would be 1970-01-01 again.
    let moments = [&moments[..], &[int96(EPOCH + 213_503_983, 0)]].concat();
    let mut column = group.next_column().expect("a column").expect("a column");
    column.typed::<Int96Type>().write_batch(&moments, None, None).expect("written");
    column.close().expect("closed");
    let mut column = group.next_column().expect("a column").expect("a column");
    column.typed::<parquet::data_type::Int32Type>().write_batch(&[1, 2, 3, 4], None, None).expect("written");
    column.close().expect("closed");
    group.close().expect("closed");
    writer.close().expect("closed");
    assert_eq!(shown(&discover(dir.path(), "a.parquet").expect("readable")), ["at timestamp!", "id int32!"]);
    let outcome = read(dir.path(), "a.parquet", request(&["id int32", "at timestamp"])).expect("readable");
    assert_eq!(outcome.lines(), ["1|1970-01-01T00:00:00.000001", "3|4976-03-22T00:00:00.000005"]);
    let quarantined: Vec<_> = outcome.quarantined.iter().map(|row| (row.line, row.code.as_str())).collect();
    assert_eq!(quarantined, [(2, "out-of-range"), (4, "out-of-range")]);
}

#[test]
fn files_that_cannot_be_read_say_why() {
    let dir = tempfile::tempdir().expect("a folder");
    let long: ArrayRef = Arc::new(Time64NanosecondArray::from((0..20).collect::<Vec<i64>>()));
    write(dir.path(), "good.parquet", vec![("t", long)]);
    let bytes = std::fs::read(dir.path().join("good.parquet")).expect("readable");
    std::fs::write(dir.path().join("cut.parquet"), &bytes[..bytes.len() - 9]).expect("written");
    std::fs::write(dir.path().join("text.parquet"), "id,name\n1,a\n").expect("written");
    std::fs::write(dir.path().join("empty.parquet"), "").expect("written");
    for path in ["cut.parquet", "text.parquet", "empty.parquet"] {
        let error = discover(dir.path(), path).expect_err(path).to_string();
        assert!(error.contains("is not good Parquet"), "{error}");
    }
    // Damages a page in the middle.
    let mut broken = bytes;
    broken[40..80].fill(0xA5);
    std::fs::write(dir.path().join("broken.parquet"), &broken).expect("written");
    let outcome = read(dir.path(), "broken.parquet", request(&["t interval"]));
    assert!(outcome.is_err(), "a page is broken");
}

#[test]
fn a_file_that_changes_while_it_is_read_is_not_loaded() {
    let dir = tempfile::tempdir().expect("a folder");
    write(dir.path(), "a.parquet", vec![("id", Arc::new(Int32Array::from(vec![1, 2, 3])) as ArrayRef)]);
    let path = dir.path().join("a.parquet");
    let file = InputFile { place: Place::Disk(path.clone()), name: "a.parquet".to_owned() };
    let wanted = request(&["id int32"]);
    let load = |opened: &ParquetFile| {
        collect(&wanted.columns, |sender| super::load(opened, &wanted, &sender, blocks(1)).map(|_| ()))
    };
    let opened = ParquetFile::open(&file, dir.path()).expect("readable");
    assert_eq!(load(&opened).expect("unchanged").rows.len(), 3);
    let mut same = std::fs::File::options().append(true).open(&path).expect("writable");
    std::io::Write::write_all(&mut same, b"more").expect("written");
    let error = load(&opened).expect_err("it has grown").to_string();
    assert!(error.contains("has changed while it was read"), "{error}");
}

#[test]
fn a_damaged_file_is_told_from_a_bug() {
    let dir = tempfile::tempdir().expect("a folder");
    write(dir.path(), "a.parquet", vec![("t", Arc::new(StringArray::from(vec!["a", "b", "a"])) as ArrayRef)]);
    let bytes = std::fs::read(dir.path().join("a.parquet")).expect("readable");
    let file = InputFile { place: Place::Disk(dir.path().join("b.parquet")), name: "b.parquet".to_owned() };
    let wanted = request(&["t text"]);
    let limits = Limits { threads: 2, ..blocks(1) };
    let mut damaged = 0;
    for at in 0..bytes.len() {
        let mut broken = bytes.clone();
        broken[at] ^= 0x80;
        std::fs::write(dir.path().join("b.parquet"), &broken).expect("written");
        let read = ParquetFile::open(&file, dir.path()).and_then(|opened| {
            collect(&wanted.columns, |sender| super::load(&opened, &wanted, &sender, limits).map(|_| ()))
        });
        // A change within a text cannot be detected.
        if let Err(error) = read {
            damaged += 1;
            assert_eq!(error.kind(), ErrorKind::SourceUnreadable, "byte {at}: {error}");
        }
    }
    assert!(damaged > bytes.len() / 4, "{damaged} of {}", bytes.len());
}

/// A file with the column `id` of 1, 2 and 3 in one uncompressed page with a checksum; written by
/// pyarrow 26 with `write_page_checksum=True`.
const WITH_CHECKSUM: &str = "504152311500153c153c15facad7a90d1c15061500150615061c0000000200000006010100000000000000020000000000000003000000000000001504192c35001806736368656d611502001504250218026964001606191c191c26001c150419250600191802696415001606166e166e2608491c150015001502003c290619260006000000166e16062608166e002820706172717565742d6370702d6172726f772076657273696f6e2032362e302e31191c1c0000007c00000050415231";

#[test]
fn a_page_is_held_against_its_checksum() {
    let dir = tempfile::tempdir().expect("a folder");
    let byte = |at: usize| u8::from_str_radix(&WITH_CHECKSUM[at..at + 2], 16).expect("hex");
    let mut bytes: Vec<u8> = (0..WITH_CHECKSUM.len()).step_by(2).map(byte).collect();
    std::fs::write(dir.path().join("a.parquet"), &bytes).expect("written");
    let outcome = read(dir.path(), "a.parquet", request(&["id int64"])).expect("readable");
    assert_eq!(outcome.lines(), ["1", "2", "3"]);
    let two = bytes.windows(8).position(|value| value == [2, 0, 0, 0, 0, 0, 0, 0]).expect("it is not packed");
    bytes[two] = 5;
    std::fs::write(dir.path().join("a.parquet"), &bytes).expect("written");
    let error = read(dir.path(), "a.parquet", request(&["id int64"])).expect_err("it was 2");
    assert_eq!(error.kind(), ErrorKind::SourceUnreadable);
}
