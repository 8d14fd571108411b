//! Dropping what nobody needs any more, as far as nobody reads it.

use std::sync::Arc;
use std::time::Duration;

use millrace_core::name::Relation;
use millrace_engine::error::{ErrorKind, Result};

use super::pool::Pool;
use super::session::{Purpose, Session};

/// How long a drop waits for readers; those behind it wait as long.
const LOCK: Duration = Duration::from_millis(50);

/// Each relation in a transaction of its own: one that stays holds up no other.
pub(super) async fn retire(
    pool: &Arc<Pool>,
    relations: &[(Relation, bool)],
) -> Result<Vec<(Relation, String)>> {
    let purpose = Purpose { lock: LOCK, ..Purpose::WORK };
    let mut stay = Vec::new();
    for (relation, is_view) in relations {
        let kind = if *is_view { "view" } else { "table" };
        let mut session = Session::begin(pool, purpose).await?;
        let dropped = session.batch(&format!("drop {kind} if exists {relation}")).await;
        if let Err(error) = session.end(dropped).await {
            match error.kind() {
                ErrorKind::WarehouseUnreachable | ErrorKind::WarehouseLost => return Err(error),
                ErrorKind::TimedOut => stay.push((relation.clone(), "somebody reads it".to_owned())),
                _ => stay.push((relation.clone(), error.to_string())),
            }
        }
    }
    Ok(stay)
}
