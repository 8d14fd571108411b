//! Looks up in the catalog what exists under the names of a publish: columns, grants, comments, and
//! the objects that depend on each.

use std::collections::BTreeMap;

use millrace_core::name::Relation;
use millrace_engine::error::{Error, ErrorKind, Result};
use serde::Deserialize;
use tokio_postgres::types::Type;

use crate::postgres::session::Session;

/// A relation as the catalog describes it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct Present {
    pub(super) schema: String,
    pub(super) name: String,
    /// For looking up its locks.
    pub(super) oid: u32,
    /// `pg_class.relkind`; `v` is a view.
    pub(super) kind: String,
    pub(super) owner: String,
    /// Options as `name=value`, such as `security_barrier=true`.
    pub(super) options: Option<Vec<String>>,
    pub(super) comment: Option<String>,
    pub(super) columns: Vec<PresentColumn>,
    /// All grants on it and on its columns, without those of the owner.
    pub(super) grants: Vec<Grant>,
    /// The relations that a view reads.
    pub(super) reads: Vec<Relation>,
    /// The objects that would be dropped or broken with a view, in words: others' views, functions,
    /// triggers. Empty for other relations.
    pub(super) dependents: Vec<String>,
}

impl Present {
    pub(super) fn relation(&self) -> Relation {
        Relation::new(&self.schema, &self.name)
    }

    pub(super) fn is_view(&self) -> bool {
        self.kind == "v"
    }
}

/// A column of a relation.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct PresentColumn {
    pub(super) name: String,
    /// With its type modifier: `numeric(12,2)`.
    #[serde(rename = "type")]
    pub(super) data_type: String,
    /// The OID of its collation.
    pub(super) collation: u32,
    pub(super) comment: Option<String>,
}

impl PresentColumn {
    /// Whether a view with this column may be replaced by one that has `other` in the same
    /// position.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        (&self.name, &self.data_type, self.collation) == (&other.name, &other.data_type, other.collation)
    }
}

/// A granted privilege.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct Grant {
    /// `None` if the grant is on the relation as a whole.
    pub(super) column: Option<String>,
    /// The role; `None` for PUBLIC.
    pub(super) grantee: Option<String>,
    /// As `aclexplode` writes it, such as `SELECT`.
    pub(super) privilege: String,
    /// Whether the role may grant it to others.
    pub(super) grantable: bool,
}

/// One row of JSON for each relation, so that a single query gets everything: it runs while readers
/// wait.
const SQL: &str = "
select json_build_object(
  'schema', n.nspname, 'name', c.relname, 'oid', c.oid::int8, 'kind', c.relkind, 'owner', pg_get_userbyid(c.relowner),
  'options', c.reloptions, 'comment', obj_description(c.oid, 'pg_class'),
  'columns', (select coalesce(json_agg(json_build_object('name', a.attname, 'type', format_type(a.atttypid, a.atttypmod),
      'collation', a.attcollation::int8, 'comment', col_description(c.oid, a.attnum)) order by a.attnum), '[]')
    from pg_attribute a where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped),
  'grants', (select coalesce(json_agg(json_build_object('column', g.attname,
      'grantee', case when g.grantee = 0 then null else pg_get_userbyid(g.grantee) end,
      'privilege', g.privilege_type, 'grantable', g.is_grantable)), '[]')
    from (select null::name as attname, x.* from aclexplode(c.relacl) x
          union all
          select a.attname, x.* from pg_attribute a, aclexplode(a.attacl) x
          where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped) g
    where g.grantee <> c.relowner),
  'reads', (select coalesce(json_agg(distinct jsonb_build_object('schema', m.nspname, 'name', t.relname)), '[]')
    from pg_rewrite r
    join pg_depend d on d.classid = 'pg_rewrite'::regclass and d.objid = r.oid and d.refclassid = 'pg_class'::regclass
    join pg_class t on t.oid = d.refobjid and t.oid <> c.oid
    join pg_namespace m on m.oid = t.relnamespace
    where r.ev_class = c.oid and r.rulename = '_RETURN'),
  'dependents', case when c.relkind <> 'v' then '[]' else (select coalesce(json_agg(distinct coalesce(
      (select case v.relkind when 'v' then 'view' when 'm' then 'materialized view' else 'a rule of' end
              || ' `' || m.nspname || '.' || v.relname || '`'
       from pg_rewrite r join pg_class v on v.oid = r.ev_class join pg_namespace m on m.oid = v.relnamespace
       where d.classid = 'pg_rewrite'::regclass and r.oid = d.objid and v.oid <> c.oid),
      pg_describe_object(d.classid, d.objid, 0))), '[]')
    from pg_depend d
    where ((d.refclassid = 'pg_class'::regclass and d.refobjid = c.oid)
        or (d.refclassid = 'pg_type'::regclass and d.refobjid in (c.reltype, (select typarray from pg_type where oid = c.reltype))))
      and d.classid <> 'pg_attrdef'::regclass
      and not (d.classid = 'pg_type'::regclass and d.deptype = 'i')
      and not (d.classid = 'pg_rewrite'::regclass
               and exists (select from pg_rewrite r where r.oid = d.objid and r.ev_class = c.oid and r.rulename = '_RETURN')))
    end
)::text
from pg_class c join pg_namespace n on n.oid = c.relnamespace
where (n.nspname, c.relname) in (select * from unnest($1::text[], $2::text[]))";

/// Looks up relations. Those that do not exist are missing in the result.
pub(super) async fn look_up<'a>(
    session: &mut Session,
    relations: impl Iterator<Item = &'a Relation>,
) -> Result<BTreeMap<Relation, Present>> {
    let (schemas, names): (Vec<&str>, Vec<&str>) =
        relations.map(|relation| (relation.schema.as_str(), relation.name.as_str())).unzip();
    let rows = session.catalog(SQL, &[(&schemas, Type::TEXT_ARRAY), (&names, Type::TEXT_ARRAY)]).await?;
    let present = rows.iter().map(|row| {
        let text: String = row.try_get(0).map_err(|error| unreadable(&error))?;
        let present: Present = serde_json::from_str(&text).map_err(|error| unreadable(&error))?;
        Ok((present.relation(), present))
    });
    present.collect()
}

fn unreadable(error: &dyn std::error::Error) -> Error {
    Error::new(ErrorKind::Internal, "the server's catalog cannot be read").caused_by(error)
}
