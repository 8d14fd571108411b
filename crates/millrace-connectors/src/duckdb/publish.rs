//! Publishes all names in one transaction. Readers work on snapshots, so nobody waits and nobody
//! sees a part of it.

use duckdb::{Connection, params};
use millrace_core::name::Relation;
use millrace_engine::error::Result;
use millrace_engine::fault;
use millrace_engine::ports::warehouse::{PublishOutcome, PublishRequest, PublishedView};

use super::failure::statement_error;
use super::warehouse::{execute, in_transaction};

/// Publishes, or returns `Blocked` if a name is taken by a relation that no publication created.
/// The check runs before the transaction and changes nothing.
pub(super) fn publish(connection: &Connection, request: &PublishRequest) -> Result<PublishOutcome> {
    let mut foreign = Vec::new();
    for view in request.views.iter().map(|view| &view.view) {
        // A name of an earlier publication is checked too, because somebody may have put a table
        // there since.
        let ours = request.before.contains(view).then_some("VIEW");
        if kind(connection, view)?.is_some_and(|kind| Some(kind.as_str()) != ours) {
            foreign.push(format!(
                "`{}.{}` is there already, and no publication has made it",
                view.schema, view.name
            ));
        }
    }
    if !foreign.is_empty() {
        let hint =
            "Drop or rename it, rename the model, or publish into another schema (`schemas: {publish: …}`).";
        return Ok(PublishOutcome::Blocked { by: foreign, hint: hint.to_owned() });
    }
    in_transaction(connection, || {
        let run = |sql: &str| connection.execute_batch(sql).map_err(|error| statement_error(&error));
        // Names that are no longer published. A relation of that name that is no view is left
        // alone.
        for view in request.before.iter().filter(|view| !request.views.iter().any(|new| new.view == **view)) {
            if kind(connection, view)?.as_deref() == Some("VIEW") {
                run(&format!("drop view {view}"))?;
            }
        }
        for view in &request.views {
            run(&format!("create or replace view {} as select * from {}", view.view, view.target))?;
            comment(connection, view)?;
        }
        for statement in &request.record {
            execute(connection, statement)?;
        }
        fault::reach("publish-not-committed");
        Ok(())
    })?;
    Ok(PublishOutcome::Published { tries: 1 })
}

/// The kind of a relation, such as `VIEW` or `BASE TABLE`; `None` if nothing has that name.
fn kind(connection: &Connection, relation: &Relation) -> Result<Option<String>> {
    let sql =
        "select max(table_type) from information_schema.tables where table_schema = ? and table_name = ?";
    connection
        .query_row(sql, params![relation.schema, relation.name], |row| row.get(0))
        .map_err(|error| statement_error(&error))
}

/// Sets the comment of a view. The statement takes no parameters, so the text is a quoted literal.
fn comment(connection: &Connection, view: &PublishedView) -> Result<()> {
    let literal = |text: &str| format!("'{}'", text.replace('\'', "''").replace('\0', ""));
    if let Some(description) = &view.description {
        let sql = format!("comment on view {} is {}", view.view, literal(description));
        connection.execute_batch(&sql).map_err(|error| statement_error(&error))?;
    }
    Ok(())
}
