//! Ownership of a state and its schemas: one project with one set of schemas. A second owner would
//! drop tables that it does not know.

use millrace_core::name::Ident;
use millrace_core::project::environment::Schemas;
use millrace_core::value::Value;

use crate::compile::table_names;
use crate::error::{Error, ErrorKind, Result};
use crate::ports::warehouse::{QueryLimits, Statement};
use crate::state::State;
use crate::state::lease::Lease;

impl State<'_> {
    /// Claims the state for this project and these schemas, or confirms the claim. Fails with
    /// `OtherSchemas` if the state belongs to another project or other schemas, and if the schemas
    /// hold tables of runs that this state does not know. Called at the start of each run, with its
    /// lease.
    pub async fn claim(&self, project: &str, schemas: &Schemas, lease: &Lease) -> Result<()> {
        let owner = self.tables().table("owner");
        let sql = format!("select raw_schema, build_schema, publish_schema, project from {owner}");
        let rows = self.warehouse().query(&Statement::new(sql), QueryLimits::STATE).await?;
        let names = [&schemas.raw, &schemas.build, &schemas.publish];
        if rows.is_empty() {
            self.refuse_tables_of_others(schemas).await?;
            let sql = format!(
                "insert into {owner} (raw_schema, build_schema, publish_schema, project) values ($1, $2, $3, $4)"
            );
            let values = names.into_iter().map(Value::text).chain([Value::text(project)]);
            self.warehouse().transact(&[Statement::with(sql, values), lease.guard()]).await?;
            return Ok(());
        }
        let row = rows.row(0);
        let recorded: Vec<&str> = row[..3].iter().map(|value| value.as_str().unwrap_or_default()).collect();
        if !recorded.iter().eq(names.iter()) {
            let list =
                |names: &[&str]| names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
            let message = format!(
                "the state in schema `{}` belongs to the schemas {}, not {}",
                self.schema(),
                list(&recorded),
                list(&names.map(String::as_str))
            );
            return Err(Error::new(ErrorKind::OtherSchemas, message).hint(format!(
                "Give this environment a state of its own (`schemas: {{state: …}}`), or drop schema {} to begin anew.",
                Ident::new(self.schema())
            )));
        }
        match row[3].as_str() {
            Some(other) if other != project => {
                let message = format!(
                    "the state in schema `{}` belongs to the project `{other}`, not to `{project}`",
                    self.schema()
                );
                Err(Error::new(ErrorKind::OtherSchemas, message).hint(format!(
                    "Give this project a database or schemas of its own (`schemas:` in `millrace.yml`). If it was renamed, tell the state: \
                     update {owner} set project = '{}'",
                    project.replace('\'', "''")
                )))
            }
            Some(_) => Ok(()),
            // The project is not recorded because an earlier version claimed the state.
            None => {
                let update =
                    Statement::with(format!("update {owner} set project = $1"), [Value::text(project)]);
                self.warehouse().transact(&[update, lease.guard()]).await.map(drop)
            }
        }
    }

    /// Refuses schemas with tables of runs before the first claim: they belong to another state. A
    /// state that has streams or publications without a claim was written by an earlier version and
    /// is accepted.
    async fn refuse_tables_of_others(&self, schemas: &Schemas) -> Result<()> {
        if !self.streams().await?.is_empty() || !self.publications(1).await?.is_empty() {
            return Ok(());
        }
        for schema in [&schemas.raw, &schemas.build] {
            let tables = self.relations(schema).await?;
            if let Some((table, _)) =
                tables.iter().find(|(table, _)| table_names::fence_of(&table.name).is_some())
            {
                let message = format!(
                    "schema `{schema}` holds tables of runs, such as `{}`, that the state in schema `{}` knows nothing of",
                    table.name,
                    self.schema()
                );
                return Err(Error::new(ErrorKind::OtherSchemas, message).hint(format!(
                    "Name the state that they belong to, or give this environment schemas of its own (`schemas:`). If nobody needs them, \
                     drop schema {} and run again.",
                    Ident::new(schema)
                )));
            }
        }
        Ok(())
    }
}
