//! The moment at which a run's tables replace the former ones, all at once; and what goes afterwards.

use std::collections::BTreeSet;

use millrace_core::name::Relation;
use millrace_core::value::Value;

use crate::error::Result;
use crate::state::{BuiltModel, LoadedStream, Publication, State, record_publication};
use crate::warehouse::{Statement, Warehouse};

/// Publications that are kept, the present one among them.
pub const KEPT: usize = 3;

/// The schemas of an environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schemas {
    /// Copies of streams; private.
    pub raw: String,
    /// Physical tables of models; private.
    pub build: String,
    /// Views that readers see.
    pub publish: String,
}

impl Default for Schemas {
    fn default() -> Self {
        Self { raw: "raw".into(), build: "build".into(), publish: "publish".into() }
    }
}

/// The statements that repoint the published names; they go into one transaction with the record of the publication.
pub fn statements(
    schemas: &Schemas,
    publication: &Publication,
    published_now: &[(Relation, bool)],
    at: i64,
) -> Result<Vec<Statement>> {
    let published: Vec<&BuiltModel> = publication.models.iter().filter(|model| model.published).collect();
    let mut statements = Vec::new();
    for (view, _) in published_now {
        if !published.iter().any(|model| model.model == view.name) {
            statements.push(Statement::new(format!("drop view if exists {view}")));
        }
    }
    for model in published {
        let view = Relation::new(&schemas.publish, &model.model);
        statements.push(Statement::new(format!(
            "create or replace view {view} as select * from {}",
            model.relation
        )));
    }
    statements.push(record_publication(publication, at)?);
    Ok(statements)
}

/// Drops what neither a kept publication nor a present load needs: retired tables, and what a run that ended early left behind.
/// Returns how many relations went.
pub async fn tidy(warehouse: &dyn Warehouse, schemas: &Schemas) -> Result<usize> {
    let state = State::of(warehouse);
    let kept = state.publications(KEPT).await?;
    let streams = state.streams().await?;
    let needed = needed(&kept, &streams);
    let mut views = Vec::new();
    let mut tables = Vec::new();
    for schema in [&schemas.build, &schemas.raw] {
        for (relation, is_view) in state.relations(schema).await? {
            if !needed.contains(&relation) {
                let kind = if is_view { "view" } else { "table" };
                let list = if is_view { &mut views } else { &mut tables };
                list.push(Statement::new(format!("drop {kind} if exists {relation}")));
            }
        }
    }
    let gone = views.len() + tables.len();
    // Views first: they may read the tables.
    views.extend(tables);
    if let Some(oldest) = kept.last().filter(|_| kept.len() == KEPT) {
        let number = Value::Int(i128::from(oldest.publication));
        views.push(Statement::with("delete from _millrace.publications where publication < $1", [number]));
    }
    if !views.is_empty() {
        warehouse.transact(&views).await?;
    }
    Ok(gone)
}

fn needed(kept: &[Publication], streams: &[LoadedStream]) -> BTreeSet<Relation> {
    let mut needed: BTreeSet<Relation> = streams.iter().map(|stream| stream.table.clone()).collect();
    for (age, publication) in kept.iter().enumerate() {
        for model in &publication.models {
            // Views over raw tables serve only the runs; readers of an older publication never come to them.
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
            relation: Relation::new("build", format!("{model}__p{number}")),
            is_view: !published,
            published,
            fingerprint: String::new(),
            rows: None,
        }
    }

    fn publication(number: u64, models: Vec<BuiltModel>) -> Publication {
        Publication {
            publication: number,
            run: String::new(),
            published_at: String::new(),
            fingerprint: String::new(),
            models,
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
            table: Relation::new("raw", "s__t__l4"),
            load_number: 4,
            spec: String::new(),
            position: None,
            rows: 0,
        };
        let names: Vec<_> = needed(&kept, &[stream]).into_iter().map(|relation| relation.name).collect();
        assert_eq!(names, ["fact__p1", "old__p1", "stg__p2", "s__t__l4"]);
    }

    #[test]
    fn names_that_are_no_longer_published_go_in_the_same_transaction() {
        let present = [(Relation::new("publish", "fact"), true), (Relation::new("publish", "gone"), true)];
        let publication = publication(3, vec![built("fact", 3, true), built("stg", 3, false)]);
        let sql: Vec<_> = statements(&Schemas::default(), &publication, &present, 0)
            .expect("statements")
            .into_iter()
            .map(|s| s.sql)
            .collect();
        assert_eq!(sql[0], "drop view if exists \"publish\".\"gone\"");
        assert_eq!(
            sql[1],
            "create or replace view \"publish\".\"fact\" as select * from \"build\".\"fact__p3\""
        );
        assert!(sql[2].starts_with("insert into _millrace.publications"));
        assert_eq!(sql.len(), 3);
    }
}
