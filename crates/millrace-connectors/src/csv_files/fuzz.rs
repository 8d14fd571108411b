//! Any bytes as CSV.

use crate::csv_files::Csv;
use crate::files::testing::{Outcome, blocks, discover, read, request};
use crate::fuzz::input::Input;

/// Without a header the columns are `c1`, `c2` and so on.
const COLUMNS: [&str; 2] = ["c1 text", "c2 text"];

/// Checks two claims: the result does not depend on the sizes of blocks and pieces or on the number
/// of threads, and rows that were read and are written as RFC 4180 CSV are read back the same.
///
/// The first byte chooses the settings, the second the block size; the rest is the file.
///
/// # Panics
/// If a claim does not hold.
pub fn csv(data: &[u8]) {
    let mut input = Input(data);
    let (way, block) = (input.byte(), 1 + usize::from(input.byte()));
    let text = input.0;
    let mut pairs = vec![("header", if way & 1 == 0 { "false" } else { "true" })];
    pairs.extend((way & 2 != 0).then_some(("delimiter", ";")));
    pairs.extend((way & 4 != 0).then_some(("quote", "'")));
    pairs.extend((way & 8 != 0).then_some(("encoding", "latin-1")));
    pairs.extend((way & 16 != 0).then_some(("null", "NULL")));
    let show =
        |block| read(Csv, &pairs, text, &request(&COLUMNS), blocks(block)).map_err(|error| error.to_string());
    let found = show(block);
    assert_eq!(found, show(1 << 20), "blocks of {block}");
    let profiled = |block| discover(Csv, &pairs, text, blocks(block)).map_err(|error| error.to_string());
    assert_eq!(profiled(block), profiled(1 << 20), "blocks of {block}");
    if let Ok(Outcome { rows, .. }) = found {
        let written =
            std::iter::once("c1,c2\n".to_owned()).chain(rows.iter().map(|row| line(row))).collect::<String>();
        let again =
            read(Csv, &[], written.as_bytes(), &request(&COLUMNS), blocks(block)).expect("it was written so");
        assert_eq!(again, Outcome { rows, quarantined: Vec::new() });
    }
}

/// A record as RFC 4180 has it.
fn line(row: &[Option<String>]) -> String {
    let cell = |cell: &Option<String>| {
        cell.as_ref().map(|text| format!("\"{}\"", text.replace('"', "\"\""))).unwrap_or_default()
    };
    row.iter().map(cell).collect::<Vec<_>>().join(",") + "\n"
}
