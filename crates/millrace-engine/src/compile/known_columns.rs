//! How a warehouse spells the columns that a model reads.

use millrace_core::graph::{Input, Model};
use millrace_core::name::{Naming, Relation};
use millrace_core::sql::column_names::KnownColumns;

use crate::error::Result;
use crate::ports::warehouse::Warehouse;

/// The columns of what a model reads, as the warehouse spells them, where loaded ones may have upper-case letters: without any an
/// unquoted name means the same everywhere.
pub(crate) async fn known_columns(
    warehouse: &dyn Warehouse,
    naming: Naming,
    model: &Model,
    physical: impl Fn(&Input) -> Relation,
) -> Result<KnownColumns> {
    let mut known = KnownColumns::default();
    for input in model.inputs().into_iter().filter(|_| naming == Naming::Source) {
        let described = warehouse.describe(&format!("select * from {}", physical(input))).await?;
        known.add(described.into_iter().map(|column| column.name));
    }
    Ok(known)
}
