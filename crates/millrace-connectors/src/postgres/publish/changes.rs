//! Compares what exists with what is to be published. The result is the list of statements, or the
//! obstacles.
//!
//! A view whose first columns stay the same is replaced in its place; others' views that depend on
//! it stay valid. Any other changed view is dropped and created again, with the owner, privileges,
//! options and comments that it had. That is refused if others' objects depend on it.

use std::collections::BTreeMap;

use millrace_core::name::{Ident, Relation};
use millrace_engine::error::{Error, ErrorKind, Result};
use millrace_engine::ports::warehouse::{PublishRequest, PublishedView};

use super::present::{Grant, Present, PresentColumn};
use crate::postgres::session::literal;

/// What a publish has to do.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Changes {
    /// Existing views that change, sorted by name. Readers are kept out of them.
    pub(super) locked: Vec<Locked>,
    /// The statements, in order: first all drops, then the rest.
    pub(super) sql: Vec<String>,
    /// The obstacles, one sentence each. If there is any, nothing is done.
    pub(super) blocked: Vec<String>,
    /// What the user can do about the obstacles.
    pub(super) hint: Option<&'static str>,
}

/// A view that is locked before it changes.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Locked {
    pub(super) view: Relation,
    /// Its present owner, for the statement that locks it.
    pub(super) owner: String,
    /// For finding the processes that hold locks on it.
    pub(super) oid: u32,
}

/// The hint if a name is taken by a relation that no publication created.
const TAKEN: &str =
    "Drop or rename it, rename the model, or publish into another schema (`schemas: {publish: …}`).";
/// The hint if others' objects depend on a view that would have to be dropped.
const DEPENDS: &str = "Drop what depends on it, or make it anew on another column; or keep the columns as they are, in their order, and \
    add new ones behind them: then what depends on a view stays.";

/// Works out the changes. `present` describes the published names and their targets, as far as they
/// exist. Fails with an internal error if a target does not exist.
pub(super) fn changes(request: &PublishRequest, present: &BTreeMap<Relation, Present>) -> Result<Changes> {
    let mut all = Changes::default();
    let mut drops = Vec::new();
    let mut makes = Vec::new();
    for name in &request.before {
        if request.views.iter().any(|view| view.view == *name) {
            continue;
        }
        // A relation of that name that is no view was not created by a publication, so it is left
        // alone.
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
            // The view reads with the privileges of its owner, which somebody has changed.
            let owner = Ident::new(&old.owner);
            makes.push(format!("grant usage on schema {} to {owner}", Ident::new(&view.target.schema)));
            makes.push(format!("grant select on {} to {owner}", view.target));
        }
        if same {
            // The view needs no change, so readers need not be kept out.
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
    /// Adds a view to those that are locked.
    fn lock(&mut self, view: &Present) {
        self.locked.push(Locked { view: view.relation(), owner: view.owner.clone(), oid: view.oid });
    }

    /// Adds an obstacle for each object that depends on the view.
    fn keep_dependents(&mut self, view: &Present, why: &str) {
        for dependent in &view.dependents {
            self.blocked.push(format!("{dependent} depends on `{}.{}`, which {why}", view.schema, view.name));
            self.hint = Some(DEPENDS);
        }
    }
}

/// Why a view cannot be replaced in its place, in words.
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

/// The statement that creates a view. If it replaces `old`, it keeps the options of `old`.
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

/// The statements that give a view that was created again what `old` had: owner, privileges and
/// comments. Grants on columns that no longer exist are left out, and a description in the project
/// replaces a comment.
fn restore(view: &PublishedView, target: &Present, old: &Present) -> Vec<String> {
    let name = &view.view;
    let mut sql = vec![format!("alter view {name} owner to {}", Ident::new(&old.owner))];
    // Default privileges apply to each created view. This one is not new to its readers, so they
    // are revoked before the former grants return.
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
        // The privilege is a keyword from the server's own catalog; the filter makes sure of that.
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

/// The statements for comments that differ from the present ones. `old` is `None` if the view is
/// created.
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
