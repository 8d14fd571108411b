//! Rollback to an earlier publication, and its release.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use crate::compile::compiled::Compiled;
use crate::error::{Error, ErrorKind, Result};
use crate::ports::warehouse::{PublishOutcome, Warehouse};
use crate::run::publish::{self, KEPT};
use crate::run::{rfc3339, run_id};
use crate::state::lease::{Holder, IsGone};
use crate::state::{Publication, State};

/// What a rollback needs in addition to the project.
#[derive(Debug, Clone)]
pub struct RollbackOptions {
    /// The publication to restore; by default the one before the present one.
    pub to: Option<u64>,
    /// The process that rolls back.
    pub holder: Holder,
    /// Tells whether the process of another run is gone.
    pub is_gone: IsGone,
    /// How long to wait for a run that holds the lease.
    pub wait: Duration,
}

/// Points the published names at the tables of an earlier publication, and returns the record of
/// the rollback. It is a publication with a number of its own, and pinned: until [`release`] is
/// called, runs build and test but publish nothing. Fails with `NoPublication` if there is no such
/// publication or its tables are gone, and with `PublishBlocked` if readers hold locks.
pub async fn rollback(
    compiled: &Compiled,
    warehouse: &Arc<dyn Warehouse>,
    options: &RollbackOptions,
) -> Result<Publication> {
    under_lease(compiled, warehouse, options, async |state, lease, name| {
        let kept = state.publications(KEPT).await?;
        let Some(present) = kept.first() else {
            return Err(Error::new(ErrorKind::NoPublication, "nothing has been published yet"));
        };
        let number = options.to.or_else(|| kept.get(1).map(|before| before.publication));
        let found = number.and_then(|number| kept.iter().find(|known| known.publication == number));
        let Some(target) = found.filter(|target| target.publication != present.publication) else {
            let numbers: Vec<String> =
                kept.iter().skip(1).map(|known| known.publication.to_string()).collect();
            let message = match number {
                Some(number) if number == present.publication => {
                    format!("data version {number} is what readers see already")
                }
                // Numbers are given in sequence, so a higher one never existed.
                Some(number) if number == 0 || number > present.publication => {
                    format!(
                        "there has never been a data version {number}; the newest is {}",
                        present.publication
                    )
                }
                Some(number) => format!("the tables of data version {number} are no longer kept"),
                None => "there is no earlier publication".to_owned(),
            };
            let hint = match numbers.as_slice() {
                [] => "The tables of the last three publications are kept.".to_owned(),
                numbers => format!("`millrace rollback --to N` can go to: {}.", numbers.join(", ")),
            };
            return Err(Error::new(ErrorKind::NoPublication, message).hint(hint));
        };
        let at = Timestamp::now();
        let publication = Publication {
            publication: present.publication + 1,
            run: name.to_owned(),
            published_at: rfc3339(at),
            fingerprint: target.fingerprint.clone(),
            // Tables that only runs read may have been dropped; the next run builds them again.
            models: target.models.iter().filter(|model| model.published).cloned().collect(),
            rollback_to: Some(target.rollback_to.unwrap_or(target.publication)),
            pinned: true,
        };
        let record =
            vec![state.tables().record_publication(&publication, at.as_microsecond())?, lease.guard()];
        let request = publish::request(compiled, &publication, Some(present), record);
        match warehouse.publish(&request).await? {
            PublishOutcome::Published { .. } => Ok(publication),
            PublishOutcome::Blocked { by, hint } => Err(by
                .into_iter()
                .fold(
                    Error::new(ErrorKind::PublishBlocked, "the rollback could not be published"),
                    Error::caused_by,
                )
                .hint(hint)),
        }
    })
    .await
}

/// Ends a rollback, so that runs publish again. Returns the publication that was pinned. Fails with
/// `NoPublication` if none is.
pub async fn release(
    compiled: &Compiled,
    warehouse: &Arc<dyn Warehouse>,
    options: &RollbackOptions,
) -> Result<Publication> {
    under_lease(compiled, warehouse, options, async |state, lease, _| {
        let present = state.publications(1).await?.into_iter().next();
        let Some(present) = present.filter(|present| present.pinned) else {
            return Err(Error::new(ErrorKind::NoPublication, "no rollback keeps runs from publishing"));
        };
        let released = Publication { pinned: false, ..present };
        warehouse.transact(&[state.tables().amend_publication(&released)?, lease.guard()]).await?;
        Ok(released)
    })
    .await
}

/// Runs `work` under the lease, for a warehouse that this project owns. Releases the lease whatever
/// the outcome, and reports the error of the work first.
async fn under_lease(
    compiled: &Compiled,
    warehouse: &Arc<dyn Warehouse>,
    options: &RollbackOptions,
    work: impl AsyncFnOnce(&State<'_>, &crate::state::lease::Lease, &str) -> Result<Publication>,
) -> Result<Publication> {
    let state = State::of(&**warehouse, &compiled.schemas);
    if state.version().await?.is_none() {
        return Err(Error::new(ErrorKind::NoPublication, "nothing has run yet"));
    }
    state.migrate().await?;
    let name = run_id(Timestamp::now());
    let lease = state.take_lease(&name, &options.holder, options.is_gone, options.wait, |_| {}).await?;
    let keeper = lease.keep(Arc::clone(warehouse));
    let done = match state.claim(&compiled.project.manifest.name, &compiled.schemas, &lease).await {
        Ok(()) => work(&state, &lease, &name).await,
        Err(error) => Err(error),
    };
    drop(keeper);
    let released = warehouse.transact(&[lease.release()]).await;
    let publication = done?;
    released?;
    Ok(publication)
}
