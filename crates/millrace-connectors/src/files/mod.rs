//! What the sources that read files share: finding, opening and decoding files, inferring the types
//! of columns, and converting cells into Arrow columns exactly.
//!
//! A file passes through these modules in order: [`paths`] finds it, [`input`] opens, unpacks and
//! hashes it, [`encoding`] converts it to UTF-8, and [`window`] holds the part that is being
//! parsed. A format (JSON, CSV, a dump) cuts that into records and hands each cell either to
//! [`infer`], which infers the column's type, or to [`row`], which appends it to Arrow columns.
//! [`delivery`] sends full batches, together with the quarantined rows.
//!
//! [`source`] drives these steps; [`pieces`] spreads them over threads. [`watch`] and [`stamp`]
//! detect files that change during a read or between two loads.

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

/// Sizes that bound the memory and the threads of a read. Tests use small ones to meet every
/// border.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Bytes that are read at a time.
    pub(crate) block: usize,
    /// The most bytes that one record may have.
    pub(crate) record: usize,
    /// The most rows of a batch.
    pub(crate) batch_rows: usize,
    /// Bytes of source text after which a batch is sent.
    pub(crate) batch_bytes: usize,
    /// Approximate bytes that one thread parses at a time, if several threads do.
    pub(crate) piece: usize,
    /// Number of parsing threads. With 1, the reading thread parses as well.
    pub(crate) threads: usize,
}

impl Default for Limits {
    fn default() -> Self {
        // More than four threads only wait for the warehouse.
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
