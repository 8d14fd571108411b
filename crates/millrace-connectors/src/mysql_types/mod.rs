//! What tables of MySQL and MariaDB hold, whether a server is asked or a dump is read: one table of types and one way with
//! values, so that a project may go from the one to the other.

pub(crate) mod logical;
pub(crate) mod stored;
pub(crate) mod zero_dates;
