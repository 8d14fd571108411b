//! The publication that a request reads.

use std::collections::BTreeMap;

use millrace_core::metric::query::{Table, Tables};
use millrace_core::metric::view::SemanticView;
use millrace_engine::state::Publication;

use crate::failure::{Failure, Result};

/// One publication, by its physical tables: whoever names those reads one data version, however many publishes come meanwhile.
#[derive(Debug, Clone)]
pub(crate) struct Snapshot {
    /// The data version.
    pub(crate) version: u64,
    /// RFC 3339, UTC.
    pub(crate) published_at: String,
    /// The run that made it.
    pub(crate) run: String,
    /// For a rollback that holds: the data version whose tables it has brought back.
    pub(crate) held_on: Option<u64>,
    /// Physical tables by name of the model; published ones only.
    pub(crate) tables: Tables,
}

impl Snapshot {
    /// Of that publication.
    pub(crate) fn of(publication: Publication) -> Self {
        let published = publication.models.into_iter().filter(|model| model.published);
        Self {
            version: publication.publication,
            published_at: publication.published_at,
            run: publication.run,
            held_on: publication.rollback_to.filter(|_| publication.pinned),
            tables: published
                .map(|model| {
                    let spelling = model.spelling();
                    (model.model, Table { relation: model.relation, spelling })
                })
                .collect::<BTreeMap<_, _>>(),
        }
    }

    /// Fails where the view's base is not in it: the project has been changed since the last run.
    pub(crate) fn serves(&self, view: &SemanticView) -> Result<()> {
        if self.tables.contains_key(&view.base.text) {
            return Ok(());
        }
        Err(Failure::not_published(format!("model `{}` is not published yet", view.base.text)))
    }
}
