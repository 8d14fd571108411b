//! What the targets in `fuzz/` call: the parsers of this crate with any bytes, and what has to be true of whatever they make of them. A
//! claim that does not hold is a panic. Only with the feature `fuzz`, and for nobody else.

pub(crate) mod input;

pub use crate::csv_files::fuzz::csv;
pub use crate::json_files::fuzz::json;
pub use crate::mysql::fuzz::{mysql_url, mysql_values};
pub use crate::mysql_dump::fuzz::dump;
pub use crate::postgres::fuzz::{numbers, postgres_url};
