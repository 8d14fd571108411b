//! Entry points for the fuzz targets in the workspace `fuzz/`.
//!
//! Each one gives any bytes to a parser of this crate and checks claims about the result. A claim
//! that does not hold is a panic. The module exists only with the feature `fuzz` and is not meant
//! for other callers.

pub(crate) mod input;

pub use crate::csv_files::fuzz::csv;
pub use crate::json_files::fuzz::json;
pub use crate::mysql::fuzz::{mysql_url, mysql_values};
pub use crate::mysql_dump::fuzz::dump;
pub use crate::postgres::fuzz::{numbers, postgres_url};
