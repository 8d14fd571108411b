//! What the sources that read files share: finding and opening files, reading them in blocks, telling the types of columns,
//! and turning texts into Arrow columns exactly.
//!
//! A file passes through these hands: [`paths`] finds it, [`input`] opens, unpacks and hashes it, [`encoding`] makes UTF-8 of it, [`window`] holds the part
//! of it that is being looked at. A format (JSON, CSV, a dump) cuts that into records and hands each cell either to
//! [`infer`], which works out a column's type, or to [`row`], which appends it to Arrow columns; [`delivery`] sends what
//! has come together, with the rows that were set aside.

pub(crate) mod cell;
pub(crate) mod column;
pub(crate) mod convert;
pub(crate) mod delivery;
#[cfg(any(feature = "csv", feature = "json", feature = "mysql-dump", feature = "parquet"))]
pub(crate) mod doctor;
#[cfg(any(feature = "json", feature = "csv"))]
pub(crate) mod encoding;
#[cfg(any(feature = "json", feature = "csv"))]
pub(crate) mod field_names;
#[cfg(any(feature = "json", feature = "csv"))]
pub(crate) mod fields;
#[cfg(any(feature = "json", feature = "csv"))]
mod guess;
#[cfg(any(feature = "csv", feature = "json", feature = "mysql-dump", feature = "parquet"))]
pub(crate) mod here;
#[cfg(any(feature = "json", feature = "csv"))]
pub(crate) mod infer;
pub(crate) mod input;
pub(crate) mod input_file;
pub(crate) mod json_grammar;
pub(crate) mod json_text;
#[cfg(any(feature = "json", feature = "csv"))]
pub(crate) mod long;
pub(crate) mod number;
#[cfg(any(feature = "json", feature = "csv"))]
mod number_profile;
pub(crate) mod numeric;
mod packing;
#[cfg(any(feature = "json", feature = "csv", feature = "parquet"))]
pub(crate) mod partitions;
pub(crate) mod paths;
pub(crate) mod pattern;
#[cfg(any(feature = "json", feature = "csv"))]
pub(crate) mod pieces;
#[cfg(any(feature = "json", feature = "csv"))]
pub(crate) mod profiler;
pub(crate) mod remote;
pub(crate) mod row;
pub(crate) mod selection;
#[cfg(all(test, feature = "json", feature = "csv"))]
mod soundness;
#[cfg(any(feature = "json", feature = "csv"))]
pub(crate) mod source;
#[cfg(any(feature = "json", feature = "csv", feature = "parquet"))]
pub(crate) mod spelling;
pub(crate) mod stamp;
#[cfg(any(feature = "json", feature = "csv"))]
pub(crate) mod straight;
pub(crate) mod temporal;
#[cfg(any(test, feature = "fuzz"))]
#[cfg_attr(not(test), allow(dead_code, reason = "the fuzz targets use a part of it"))]
pub(crate) mod testing;
pub(crate) mod watch;
pub(crate) mod window;

/// Sizes that bound the memory of a read. Tests make them small to meet every border.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Bytes that are read at a time.
    pub(crate) block: usize,
    /// Bytes that one record may have.
    pub(crate) record: usize,
    /// Rows of a batch.
    pub(crate) batch_rows: usize,
    /// Bytes of source text that make a batch.
    pub(crate) batch_bytes: usize,
    /// Bytes that a thread takes apart at a time, about, where several do.
    pub(crate) piece: usize,
    /// How many threads do; with 1 the one that reads does it.
    pub(crate) threads: usize,
}

impl Default for Limits {
    fn default() -> Self {
        // More threads than that wait for the warehouse.
        let threads = std::thread::available_parallelism().map_or(1, |threads| threads.get().min(4));
        Self {
            block: 1 << 20,
            record: 64 << 20,
            batch_rows: 1 << 16,
            batch_bytes: 8 << 20,
            piece: 2 << 20,
            threads,
        }
    }
}
