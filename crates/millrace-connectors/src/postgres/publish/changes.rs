//! From what there is to what is to be published, as statements; or why not.

use std::collections::BTreeMap;

use millrace_core::name::{Ident, Relation};
use millrace_engine::error::{Error, ErrorKind, Result};
use millrace_engine::ports::warehouse::{PublishRequest, PublishedView};

use super::present::{Grant, Present, PresentColumn};
use crate::postgres::session::literal;

/// What a publish will do.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Changes {
    /// Views that are there and change, in the order of their names: readers are kept out of them.
    pub(super) locked: Vec<Locked>,
    /// The statements, in order.
    pub(super) sql: Vec<String>,
    /// What is in the way, one sentence each; then nothing is done.
    pub(super) blocked: Vec<String>,
    /// What to do about that.
    pub(super) hint: Option<&'static str>,
}

/// A view that readers are kept out of.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Locked {
    pub(super) view: Relation,
    pub(super) owner: String,
    pub(super) oid: u32,
}

const TAKEN: &str =
    "Drop or rename it, rename the model, or publish into another schema (`schemas: {publish: …}`).";
const DEPENDS: &str = "Drop what depends on it, or make it anew on another column; or keep the columns as they are, in their order, and \
    add new ones behind them: then what depends on a view stays.";

/// Compares. `present` has the published names and their targets, as far as they are there.
pub(super) fn changes(request: &PublishRequest, present: &BTreeMap<Relation, Present>) -> Result<Changes> {
    let mut all = Changes::default();
    let mut drops = Vec::new();
    let mut makes = Vec::new();
    for name in &request.before {
        if request.views.iter().any(|view| view.view == *name) {
            continue;
        }
        // What bears the name now and is no view is not what was published.
        if let Some(old) = present.get(name).filter(|old| old.is_view()) {
            all.keep_dependents(old, "is no longer published");
            all.lock(old);
            drops.push(format!("drop view {name}"));
        }
    }
    for view in &request.views {
        let target = present.get(&view.target).ok_or_else(|| {
            let message = format!(
                "`{}.{}`, which is to be published, is not there",
                view.target.schema, view.target.name
            );
            Error::new(ErrorKind::Internal, message)
        })?;
        let Some(old) = present.get(&view.view) else {
            makes.push(create(view, target, None));
            makes.extend(comments(view, target, None));
            continue;
        };
        if !request.before.contains(&view.view) || !old.is_view() {
            let what = if old.is_view() { "view" } else { "relation" };
            all.blocked.push(format!(
                "the {what} `{}.{}` is there already, and no publication has made it",
                view.view.schema, view.view.name
            ));
            all.hint = Some(TAKEN);
            continue;
        }
        let extends = old.columns.len() <= target.columns.len()
            && old.columns.iter().zip(&target.columns).all(|(old, new)| old.is_same(new));
        let same = extends && old.columns.len() == target.columns.len() && old.reads == [view.target.clone()];
        if !same && old.owner != target.owner {
            // A view reads with the rights of its owner, whom somebody has changed.
            let owner = Ident::new(&old.owner);
            makes.push(format!("grant usage on schema {} to {owner}", Ident::new(&view.target.schema)));
            makes.push(format!("grant select on {} to {owner}", view.target));
        }
        if same {
            // Nothing for readers to wait for.
        } else if extends {
            all.lock(old);
            makes.push(create(view, target, Some(old)));
        } else {
            all.keep_dependents(old, &difference(&old.columns, &target.columns));
            all.lock(old);
            drops.push(format!("drop view {}", view.view));
            makes.push(create(view, target, Some(old)));
            makes.extend(restore(view, target, old));
        }
        makes.extend(comments(view, target, Some(old).filter(|_| extends)));
    }
    all.locked.sort_by(|a, b| a.view.cmp(&b.view));
    all.sql = drops.into_iter().chain(makes).collect();
    Ok(all)
}

impl Changes {
    fn lock(&mut self, view: &Present) {
        self.locked.push(Locked { view: view.relation(), owner: view.owner.clone(), oid: view.oid });
    }

    fn keep_dependents(&mut self, view: &Present, why: &str) {
        for dependent in &view.dependents {
            self.blocked.push(format!("{dependent} depends on `{}.{}`, which {why}", view.schema, view.name));
            self.hint = Some(DEPENDS);
        }
    }
}

/// What keeps a view from being replaced in its place, in words.
fn difference(old: &[PresentColumn], new: &[PresentColumn]) -> String {
    let gone = old.iter().find(|column| !new.iter().any(|other| other.name == column.name));
    if let Some(gone) = gone {
        return format!("loses its column `{}`", gone.name);
    }
    let other_type = old.iter().find(|column| !new.iter().any(|other| other.is_same(column)));
    match other_type {
        Some(column) => format!("gets another type in its column `{}`", column.name),
        None => "gets its columns in another order".to_owned(),
    }
}

/// Makes a view, or puts another one in its place with the options that it had.
fn create(view: &PublishedView, target: &Present, old: Option<&Present>) -> String {
    let columns: Vec<String> =
        target.columns.iter().map(|column| Ident::new(&column.name).to_string()).collect();
    let options = old.and_then(|old| old.options.as_ref()).map(|options| {
        let option = |option: &String| {
            let (name, value) = option.split_once('=').unwrap_or((option, "true"));
            format!("{} = {}", Ident::new(name), literal(value))
        };
        format!(" with ({})", options.iter().map(option).collect::<Vec<_>>().join(", "))
    });
    format!(
        "create or replace view {}{} as select {} from {}",
        view.view,
        options.unwrap_or_default(),
        columns.join(", "),
        view.target
    )
}

/// Gives a view that was made anew what the former one had: owner, privileges, comments.
fn restore(view: &PublishedView, target: &Present, old: &Present) -> Vec<String> {
    let name = &view.view;
    let mut sql = vec![format!("alter view {name} owner to {}", Ident::new(&old.owner))];
    // Default privileges have given the new one what they give to new ones; this one is not.
    let revoke = format!("revoke all on {name} from ").replace('%', "%%");
    let body = format!(
        "declare r record; begin for r in select distinct grantee from pg_class, aclexplode(relacl) \
         where oid = {}::regclass and grantee <> relowner loop execute format({} || '%s', \
         case when r.grantee = 0 then 'public' else quote_ident(pg_get_userbyid(r.grantee)) end); end loop; end",
        literal(&name.to_string()),
        literal(&revoke)
    );
    sql.push(format!("do {}", literal(&body)));
    let is_there = |column: &str| target.columns.iter().any(|other| other.name == column);
    for grant in &old.grants {
        let Grant { column, grantee, privilege, grantable } = grant;
        if column.as_ref().is_some_and(|column| !is_there(column)) {
            continue;
        }
        let column = column.as_ref().map(|column| format!(" ({})", Ident::new(column))).unwrap_or_default();
        let grantee = grantee.as_ref().map_or("public".to_owned(), |role| Ident::new(role).to_string());
        let grantable = if *grantable { " with grant option" } else { "" };
        // The word comes from the server's own list.
        let privilege: String = privilege.chars().filter(|c| c.is_ascii_alphabetic() || *c == ' ').collect();
        sql.push(format!("grant {privilege}{column} on {name} to {grantee}{grantable}"));
    }
    if let (None, Some(comment)) = (&view.description, &old.comment) {
        sql.push(format!("comment on view {name} is {}", literal(comment)));
    }
    for column in old.columns.iter().filter(|column| is_there(&column.name)) {
        if let Some(comment) = &column.comment
            && !view.columns.iter().any(|(described, _)| *described == column.name)
        {
            sql.push(format!(
                "comment on column {name}.{} is {}",
                Ident::new(&column.name),
                literal(comment)
            ));
        }
    }
    sql
}

/// Comments that differ from those that are there.
fn comments(view: &PublishedView, target: &Present, old: Option<&Present>) -> Vec<String> {
    let mut sql = Vec::new();
    let name = &view.view;
    if let Some(text) =
        view.description.as_ref().filter(|text| old.and_then(|old| old.comment.as_ref()) != Some(text))
    {
        sql.push(format!("comment on view {name} is {}", literal(text)));
    }
    for (column, text) in &view.columns {
        let before =
            old.and_then(|old| old.columns.iter().find(|other| other.name == *column)?.comment.as_ref());
        if target.columns.iter().any(|other| other.name == *column) && before != Some(text) {
            sql.push(format!("comment on column {name}.{} is {}", Ident::new(column), literal(text)));
        }
    }
    sql
}
