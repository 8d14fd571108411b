//! Column types and names that other tools (JDBC, ODBC, DB-API clients) cannot read, and the SQL
//! that fixes them.
//!
//! `compile/bi_types.rs` looks for such columns before a run, warehouses report those that are
//! published.

use millrace_core::name::Ident;
use millrace_core::project::environment::LONGEST_NAME;
use millrace_core::schema::DataType;

/// Why other tools cannot read a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unreadable {
    /// JSON. Clients get an object or a string.
    Json,
    /// Binary data.
    Bytes,
    /// A length of time.
    Interval,
    /// A list.
    List,
    /// A record (`STRUCT`) or a map.
    Record,
    /// A UUID.
    Uuid,
    /// An integer of more than 64 bits.
    WideInteger,
    /// An exact number whose type declares neither precision nor scale.
    Unbounded,
    /// An exact number of more than 38 digits.
    WideDecimal,
    /// Another type without a counterpart in the SQL standard.
    Other,
}

impl Unreadable {
    /// Classifies a column by its logical type, or by the engine's name of the type if it has no
    /// logical type. Returns `None` if other tools read the type. Times of day have no logical type
    /// but are readable.
    pub(crate) fn of(data_type: Option<DataType>, type_name: &str) -> Option<Self> {
        let name = type_name.to_ascii_uppercase();
        match (data_type, name.as_str()) {
            (_, "UUID") => Some(Self::Uuid),
            (_, "HUGEINT" | "UHUGEINT") => Some(Self::WideInteger),
            (Some(DataType::Json), _) => Some(Self::Json),
            (Some(DataType::Bytes), _) => Some(Self::Bytes),
            (Some(DataType::Interval), _) => Some(Self::Interval),
            (Some(DataType::Decimal { precision, .. }), _) if precision > 38 => Some(Self::WideDecimal),
            (Some(_), _) => None,
            (None, name) if name.starts_with("TIME") => None,
            (None, name) if name.ends_with(']') => Some(Self::List),
            (None, name) if name.starts_with("STRUCT") || name.starts_with("MAP") => Some(Self::Record),
            (None, _) => Some(Self::Other),
        }
    }

    /// The problem, as the end of a sentence about a column of type `type_name`.
    pub fn wrong(self, type_name: &str) -> String {
        match self {
            Self::Unbounded => format!(
                "is `{type_name}` without bounds, of which other tools show no digits after the point"
            ),
            Self::WideDecimal => format!("is `{type_name}`; other tools hold 38 digits"),
            _ => format!("is `{type_name}`, which other tools do not read"),
        }
    }

    /// The fix: a sentence with the SQL to write. `from` is the expression that the column is made
    /// of.
    pub fn mend(self, from: &str, column: &str) -> String {
        let name = written(column);
        let publish = match self {
            Self::Json | Self::Uuid | Self::Other => format!("cast({from} as varchar)"),
            Self::Bytes => format!("octet_length({from})"),
            Self::Interval => format!("cast(extract(epoch from {from}) as decimal(18, 6))"),
            Self::List => format!("array_to_string({from}, ', ')"),
            Self::Record => {
                return format!(
                    "Publish its fields as columns of their own, or `cast({from} as varchar) as {name}`."
                );
            }
            Self::WideInteger => format!("cast({from} as bigint)"),
            Self::Unbounded | Self::WideDecimal => format!("cast({from} as decimal(38, 2))"),
        };
        format!("Write `{publish} as {name}` in the model, or leave the column out.")
    }
}

/// An identifier as a hint writes it: quoted only if it must be.
pub(crate) fn written(name: &str) -> String {
    if is_plain(name) { name.to_owned() } else { Ident::new(name).to_string() }
}

/// Whether other tools accept an identifier without quotes: lower-case ASCII letters, digits and
/// underscores, no digit first, at most 63 bytes.
pub(crate) fn is_plain(name: &str) -> bool {
    name.len() <= LONGEST_NAME
        && name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
}
