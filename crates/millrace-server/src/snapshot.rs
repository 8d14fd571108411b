//! The publication that a request reads, as physical tables.
//!
//! Readers of the server do not use the published views: a view may be repointed between two
//! queries of one page. A snapshot names the tables behind them instead.

use std::collections::BTreeMap;

use millrace_core::metric::query::{Table, Tables};
use millrace_core::metric::view::SemanticView;
use millrace_engine::state::Publication;

use crate::failure::{Failure, Result};

/// One publication with its physical tables. Queries that name these tables read a single data
/// version, however many publishes happen meanwhile.
#[derive(Debug, Clone)]
pub(crate) struct Snapshot {
    /// The data version, which is the number of the publication.
    pub(crate) version: u64,
    /// Time of the publish, RFC 3339, UTC.
    pub(crate) published_at: String,
    /// Id of the run that published it.
    pub(crate) run: String,
    /// If a rollback is in force: the data version whose tables it restored.
    pub(crate) held_on: Option<u64>,
    /// Physical tables by the model's name; published models only.
    pub(crate) tables: Tables,
}

impl Snapshot {
    /// The snapshot of a publication.
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

    /// Fails with `not-published` if the view's base model is not in the publication, which means
    /// that the project has changed since the last run.
    pub(crate) fn serves(&self, view: &SemanticView) -> Result<()> {
        if self.tables.contains_key(&view.base.text) {
            return Ok(());
        }
        Err(Failure::not_published(format!("model `{}` is not published yet", view.base.text)))
    }
}
