//! Publishing: what a run asks the warehouse to publish, which indexes its tables get, and which
//! tables are dropped afterwards.

use std::collections::BTreeSet;
use std::time::Duration;

use millrace_core::name::Relation;
use millrace_core::project::environment::Schemas;
use millrace_core::quality::{Check, DataTest};

use crate::compile::compiled::Compiled;
use crate::compile::table_names;
use crate::error::Result;
use crate::ports::warehouse::{PreparedTable, PublishRequest, PublishedView, Statement};
use crate::state::lease::Lease;
use crate::state::test_result::TestResult;
use crate::state::{BuiltModel, LoadedStream, Publication, State};

/// How many publications keep their tables, the present one included.
pub const KEPT: usize = 3;

/// How long a publish retries while readers hold locks.
const BUDGET: Duration = Duration::from_secs(30);

/// The key and the indexes of a table before it is published. The key is a column that data tests
/// of this run have shown to be unique and not NULL; only tests of all rows and of a single column
/// count. Indexes are those that the model asks for, the time column of semantic views, and the
/// columns that views join by.
pub(crate) fn prepared(compiled: &Compiled, model: &BuiltModel, tests: &[TestResult]) -> PreparedTable {
    let mut indexes: Vec<Vec<String>> =
        compiled.graph.model(&model.model).map(|model| model.indexes.clone()).unwrap_or_default();
    // Only a test of all rows and of a single column proves a key.
    let whole = |test: &&DataTest| test.model == model.model && test.filter.is_none() && test.with.is_empty();
    let passed = |column: &str, check: &Check| {
        let test = compiled
            .tests
            .iter()
            .find(|test| whole(test) && test.column.text == column && test.check == *check);
        test.is_some_and(|test| tests.iter().any(|result| result.test == test.name() && result.rows == 0))
    };
    let unique = compiled.tests.iter().filter(whole).filter(|test| test.check == Check::Unique);
    let mut keys = unique
        .map(|test| &test.column.text)
        .filter(|column| passed(column, &Check::Unique) && passed(column, &Check::NotNull));
    let key: Vec<String> = keys.next().cloned().into_iter().collect();
    for view in &compiled.views {
        if view.base.text == model.model {
            indexes.extend(view.time.iter().map(|time| vec![time.text.clone()]));
        }
        for join in view.joins.iter().filter(|join| join.to.text == model.model) {
            indexes.push(join.on.iter().map(|(_, theirs)| theirs.text.clone()).collect());
        }
    }
    let spelling = model.spelling();
    let spelled = |columns: Vec<String>| -> Vec<String> {
        columns.iter().map(|column| spelling.column(column).to_owned()).collect()
    };
    let key = spelled(key);
    let mut indexes: Vec<Vec<String>> = indexes.into_iter().map(spelled).collect();
    // An index that equals the key, or another index, would only cost time.
    let mut seen = BTreeSet::new();
    indexes.retain(|index| !index.is_empty() && *index != key && seen.insert(index.clone()));
    PreparedTable { table: model.relation.clone(), key, indexes }
}

/// The request to the warehouse. `before` is the publication that readers see at present.
pub(crate) fn request(
    compiled: &Compiled,
    publication: &Publication,
    before: Option<&Publication>,
    record: Vec<Statement>,
) -> PublishRequest {
    let name = |model: &BuiltModel| Relation::new(&compiled.schemas.publish, &model.model);
    let view = |model: &BuiltModel| {
        let doc = compiled.project.models.iter().find(|known| known.name == model.model);
        let columns = doc.map(|doc| doc.columns.as_slice()).unwrap_or_default().iter();
        let spelling = model.spelling();
        let columns = columns.filter_map(|column| {
            Some((spelling.column(&column.name.text).to_owned(), column.description.clone()?))
        });
        PublishedView {
            view: name(model),
            target: model.relation.clone(),
            description: doc.and_then(|doc| doc.description.clone()),
            columns: columns.collect(),
        }
    };
    let published = |publication: &'_ Publication| {
        publication.models.iter().filter(|model| model.published).cloned().collect::<Vec<_>>()
    };
    PublishRequest {
        views: published(publication).iter().map(view).collect(),
        before: before.map(published).unwrap_or_default().iter().map(name).collect(),
        record,
        budget: BUDGET,
    }
}

/// Drops relations that are no longer needed: not by a kept publication, not by a checkpoint, and
/// not by an incomplete load that can be resumed. That covers retired tables and leftovers of a run
/// that ended early. Relations that are still being read stay until the next call, and relations
/// that no run created stay forever. Returns how many were dropped.
///
/// Only for the holder of the lease. If another run has taken over unnoticed, nothing of that run
/// is dropped: its tables have a higher fence, and the state is read after the list is made, so it
/// mentions whatever the other run kept of the listed relations.
pub(crate) async fn tidy(state: &State<'_>, schemas: &Schemas, lease: &Lease) -> Result<usize> {
    let mut gone: Vec<(Relation, bool)> = Vec::new();
    for schema in [&schemas.build, &schemas.raw] {
        let present = state.relations(schema).await?.into_iter();
        gone.extend(present.filter(|(relation, _)| {
            table_names::fence_of(&relation.name).is_some_and(|fence| fence <= lease.fence())
        }));
    }
    let mut needed = needed(&state.publications(KEPT).await?, &state.streams().await?);
    needed.extend(state.unfinished().await?.into_iter().map(|unfinished| unfinished.table));
    gone.retain(|(relation, _)| !needed.contains(relation));
    // Views first, because they may read the tables.
    gone.sort_by_key(|(_, is_view)| !is_view);
    if gone.is_empty() {
        return Ok(0);
    }
    let stay = state.warehouse().retire(&gone).await?;
    Ok(gone.len() - stay.len())
}

/// The relations that publications and checkpoints need. `kept` begins with the present
/// publication.
fn needed(kept: &[Publication], streams: &[LoadedStream]) -> BTreeSet<Relation> {
    let mut needed: BTreeSet<Relation> = streams.iter().map(|stream| stream.table.clone()).collect();
    for (age, publication) in kept.iter().enumerate() {
        for model in &publication.models {
            // Unpublished views over raw tables serve only runs; readers of an older publication
            // never reach them.
            if age == 0 || model.published {
                needed.insert(model.relation.clone());
            }
        }
    }
    needed
}

#[cfg(test)]
mod tests {
    use millrace_core::name::StreamName;

    use super::*;

    fn built(model: &str, number: u64, published: bool) -> BuiltModel {
        BuiltModel {
            model: model.into(),
            relation: Relation::new("build", format!("{model}__r{number}")),
            is_view: !published,
            published,
            fingerprint: String::new(),
            rows: None,
            columns: Vec::new(),
        }
    }

    fn publication(number: u64, models: Vec<BuiltModel>) -> Publication {
        Publication {
            publication: number,
            run: String::new(),
            published_at: String::new(),
            fingerprint: String::new(),
            models,
            rollback_to: None,
            pinned: false,
        }
    }

    #[test]
    fn older_publications_keep_what_readers_could_come_back_to() {
        let kept = [
            publication(2, vec![built("fact", 1, true), built("stg", 2, false)]),
            publication(1, vec![built("fact", 1, true), built("old", 1, true), built("stg", 1, false)]),
        ];
        let stream = LoadedStream {
            name: StreamName::new("s", "t"),
            table: Relation::new("raw", "s__t__r4"),
            load_number: 4,
            spec: String::new(),
            position: None,
            rows: 0,
            columns: None,
            moments: 1,
            quarantined: None,
            removed_in: None,
        };
        let names: Vec<_> = needed(&kept, &[stream]).into_iter().map(|relation| relation.name).collect();
        assert_eq!(names, ["fact__r1", "old__r1", "stg__r2", "s__t__r4"]);
    }
}
