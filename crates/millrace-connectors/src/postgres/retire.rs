//! Drops relations that no publication needs any more, unless somebody reads them.

use std::sync::Arc;
use std::time::Duration;

use millrace_core::name::Relation;
use millrace_engine::error::{ErrorKind, Result};

use super::pool::Pool;
use super::session::{Purpose, Session};

/// How long a drop waits for readers. Readers that come later wait behind it for as long.
const LOCK: Duration = Duration::from_millis(50);

/// Drops each relation in a transaction of its own, so that one which is in use does not keep the
/// others. Returns the relations that stay, each with the reason. Fails only if the connection
/// does.
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
