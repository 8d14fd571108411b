//! The spelling of the columns that a model reads, as the warehouse has it.

use millrace_core::graph::{Input, Model};
use millrace_core::name::{Naming, Relation};
use millrace_core::sql::column_names::KnownColumns;

use crate::error::Result;
use crate::ports::warehouse::Warehouse;

/// The columns of a model's inputs. Only needed if names keep the source's letter case (`naming:
/// source`); otherwise the result is empty, because an unquoted name without upper-case letters
/// means the same everywhere. `physical` maps inputs to their tables. Fails as
/// `Warehouse::describe` does.
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
