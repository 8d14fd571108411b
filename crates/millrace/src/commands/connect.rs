//! `millrace connect`: what a BI tool needs to read the warehouse.
//!
//! Prints the tool's connection fields, a script for a read-only role, and warnings. Writes the
//! root certificate of the server to a file if the tool needs one. Changes nothing in the
//! warehouse.

use std::path::{Path, PathBuf};

use jiff::{SignedDuration, Timestamp};
use millrace_core::code::Code;
use millrace_core::diagnostic::{Diagnostic, has_errors};
use millrace_core::name::{Relation, snake_case};
use millrace_core::project::environment::Environment;
use millrace_engine::compile::bi_types::SOMETHING;
use millrace_engine::ports::reader_access::{
    ReaderAccess, ReaderRequest, ReaderRole, RootCertificate, RootOrigin,
};
use serde_json::{Value as Json, json};

use super::Outcome;
use crate::cli::Connect;
use crate::exit::{self, Exit};
use crate::failure::{Failure, cannot_write};
use crate::folder::{PUBLIC, replace};
use crate::terminal;
use crate::tool::Sheet;
use crate::workspace::Workspace;

/// A root certificate that expires sooner than this causes a warning: tools keep the file for
/// years.
const SOON: SignedDuration = SignedDuration::from_hours(90 * 24);

/// Runs the verb. Fails if the warehouse is a file of one process, to which no tool can connect.
pub(super) async fn connect(args: &Connect) -> Outcome {
    // Errors elsewhere in the project do not matter here; only the environment must be usable.
    let workspace = Workspace::read(&args.place).await?;
    let Some(environment) = workspace.environment().cloned() else {
        let exit = Exit::of(&workspace.diagnostics);
        return Err(workspace.into_failure(exit));
    };
    if has_errors(&environment.unset) {
        let texts = workspace.compiled.project.texts.clone();
        return Err(Failure { diagnostics: environment.unset, texts, exit: exit::PROJECT });
    }
    let role = args.role.clone().unwrap_or_else(|| reader_of(&workspace.compiled.project.manifest.name));
    let request = ReaderRequest { schemas: &environment.schemas, role: &role };
    let connector = workspace.registry.warehouse(&environment.kind);
    let access = match connector {
        Some(connector) => connector.reader_access(&workspace.dir, &environment.settings, request).await?,
        None => None,
    };
    let Some(access) = access else { return Err(no_connections(&workspace, &environment)) };
    let root = access.tls.root.as_ref().filter(|_| args.tool.needs_root(&access));
    let file = match root {
        Some(root) if !args.print => {
            let folder = args.out.clone().unwrap_or_else(|| workspace.dir.join("connect"));
            Some(write(
                &folder,
                &format!("{}-root.{}", file_name(&environment.name), args.tool.root_ending()),
                root,
            )?)
        }
        // With `--print` no file is written; the fields show a name for it.
        Some(_) => Some(PathBuf::from(format!("root.{}", args.tool.root_ending()))),
        None => None,
    };
    let mut sheet = args.tool.sheet(&access, &environment.schemas.publish, file.as_deref());
    sheet.warnings.extend(warnings(&access, root));
    let tables = tables(&workspace, &environment);
    let written = file.as_deref().filter(|_| !args.print);
    if args.place.json {
        terminal::json_line(&as_json(&environment, &access, &sheet, &tables, root, written));
    } else {
        for line in as_text(&access, &sheet, &tables, root, written) {
            terminal::data_line(&line);
        }
        for warning in &sheet.warnings {
            terminal::note(&format!("warning: {warning}"));
        }
    }
    Ok(exit::DONE)
}

/// The default name of the role: `shop_reader` for the project `shop`. Truncated to PostgreSQL's
/// limit of 63 bytes for identifiers.
fn reader_of(project: &str) -> String {
    let mut name = snake_case(project);
    // Bytes are counted, but a character must not be cut in half.
    let mut room = name.len().min(63 - "_reader".len());
    while !name.is_char_boundary(room) {
        room -= 1;
    }
    name.truncate(room);
    format!("{name}_reader")
}

/// The failure for a warehouse without connections. The hint names an environment that has them, if
/// any.
fn no_connections(workspace: &Workspace, environment: &Environment) -> Failure {
    let others = workspace.compiled.project.manifest.environments.iter();
    let other = others
        .filter(|other| {
            workspace
                .registry
                .warehouse(&other.kind)
                .is_some_and(millrace_engine::ports::registry::WarehouseConnector::has_readers)
        })
        .map(|other| other.name.as_str())
        .next();
    let message = format!(
        "other tools cannot connect to environment `{}`: its warehouse is a file of one process",
        environment.name
    );
    let hint = match other {
        Some(other) => format!("`--env {other}` is one to which they can."),
        None => {
            "Add an environment of `type: postgres` to `millrace.yml`, run there, then `--env` with its name."
                .to_owned()
        }
    };
    Failure::new(Diagnostic::error(Code::NoConnections, message).hint(hint), exit::PROJECT)
}

/// The name of an environment as a part of a file name: replaces all but letters, digits and `-`.
fn file_name(environment: &str) -> String {
    environment.chars().map(|c| if c.is_alphanumeric() || c == '-' { c } else { '_' }).collect()
}

/// Writes the certificate unless the file has it already. Returns the absolute path, because tools
/// start in other folders.
fn write(folder: &Path, name: &str, root: &RootCertificate) -> Result<PathBuf, Failure> {
    let failed = |error: &std::io::Error| cannot_write(&folder.join(name), error);
    std::fs::create_dir_all(folder).map_err(|error| failed(&error))?;
    let place = folder.canonicalize().map_err(|error| failed(&error))?.join(name);
    if std::fs::read_to_string(&place).ok().as_deref() != Some(&root.pem) {
        replace(&place, &root.pem, PUBLIC).map_err(|error| failed(&error))?;
    }
    Ok(place)
}

/// The published models by the names that readers use, sorted.
fn tables(workspace: &Workspace, environment: &Environment) -> Vec<Relation> {
    let models = workspace.compiled.graph.models.iter().filter(|model| model.published);
    let mut tables: Vec<Relation> =
        models.map(|model| Relation::new(&environment.schemas.publish, &model.name)).collect();
    tables.sort();
    tables
}

/// Warnings that do not depend on the tool: an expiring root certificate, a role with excess
/// privileges, schemas that are open to everybody, and columns of types that tools cannot read.
fn warnings(access: &ReaderAccess, root: Option<&RootCertificate>) -> Vec<String> {
    let mut warnings = Vec::new();
    let ends = root.and_then(|root| Timestamp::from_second(root.ends_at).ok());
    if let Some(ends) = ends.filter(|ends| ends.duration_since(Timestamp::now()) < SOON) {
        warnings
            .push(format!("the root certificate ends on {}; then the tool needs the next one", day(ends)));
    }
    if !access.role.excess.is_empty() {
        let what = access.role.excess.join(", ");
        warnings.push(format!(
            "the role `{}` is there already and {what}; give readers one of their own",
            access.role.name
        ));
    }
    if !access.open_schemas.is_empty() {
        warnings.push(format!(
            "everybody may look into the schemas {}, the reader too",
            access.open_schemas.join(", ")
        ));
    }
    for column in &access.unreadable {
        let relation = &column.relation;
        warnings.push(format!(
            "`{}.{}.{}` {}. {}",
            relation.schema,
            relation.name,
            column.column,
            column.kind.wrong(&column.type_name),
            column.kind.mend(SOMETHING, &column.column)
        ));
    }
    warnings
}

/// A time as a date, `2026-10-31`.
fn day(time: Timestamp) -> String {
    time.strftime("%Y-%m-%d").to_string()
}

/// Where a root certificate comes from: a word for JSON, and text for people.
fn origin(root: &RootCertificate) -> (&'static str, &'static str) {
    match root.origin {
        RootOrigin::File => ("file", "from the environment's `sslrootcert`"),
        RootOrigin::Public => ("public", "publicly trusted"),
        RootOrigin::System => ("system", "trusted by this machine"),
    }
}

/// The expiry date of a root certificate.
fn ends(root: &RootCertificate) -> String {
    Timestamp::from_second(root.ends_at).map(day).unwrap_or_default()
}

/// The script that creates the role, line by line, for the warehouse's own client. It sets the
/// password by a command of the client, so that the server and its log only see a hash.
fn script(role: &ReaderRole, database: &str) -> Vec<String> {
    let who = if role.writer_may {
        format!("`{}`, which may make roles,", role.writer)
    } else {
        format!("a superuser (`{}` may not make roles)", role.writer)
    };
    let mut lines = vec![format!("-- The role, once: as {who} in the database `{database}`.")];
    lines.extend(role.statements.iter().map(|statement| format!("{statement};")));
    lines.push("-- Its password; psql asks for it and sends a hash.".to_owned());
    lines.push(role.password.clone());
    // Privileges of PUBLIC apply to every role, so the new role cannot be denied them on its own.
    if !role.for_everybody.is_empty() {
        lines.push(String::new());
        lines.push(
            "-- What everybody may do, the reader too: as the database's owner. Other programs' roles may rely on it.".to_owned(),
        );
        lines.extend(role.for_everybody.iter().map(|statement| format!("{statement};")));
    }
    lines
}

/// The answer for people, line by line. Prints the certificate itself if no file was written.
fn as_text(
    access: &ReaderAccess,
    sheet: &Sheet,
    tables: &[Relation],
    root: Option<&RootCertificate>,
    written: Option<&Path>,
) -> Vec<String> {
    let width = sheet.fields.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    let mut lines = vec![sheet.title.to_owned(), String::new()];
    lines.extend(sheet.fields.iter().map(|(name, value)| format!("  {name:width$}  {value}")));
    if let Some(root) = root {
        let place = written.map_or("The root certificate".to_owned(), |file| format!("`{}`", file.display()));
        lines.push(String::new());
        lines.push(format!("{place} is {}, {}, until {}.", root.subject, origin(root).1, ends(root)));
        if written.is_none() {
            lines.push(root.pem.trim_end().to_owned());
        }
    }
    if !sheet.networks.is_empty() {
        lines.push(String::new());
        lines.push(format!("Networks to let in to {}, port {}:", access.host, access.port));
        lines.extend(sheet.networks.iter().map(|network| format!("  {network}")));
    }
    if !tables.is_empty() {
        lines.push(String::new());
        let names: Vec<String> =
            tables.iter().map(|table| format!("{}.{}", table.schema, table.name)).collect();
        lines.push(format!("Tables: {}", names.join(", ")));
    }
    lines.push(String::new());
    lines.extend(sheet.notes.iter().map(|note| format!("* {note}")));
    if let Some(direct) = &access.direct_host {
        lines.push(format!("* `{}` is a pooler; `{direct}` is the server behind it.", access.host));
    }
    lines.push(String::new());
    lines.extend(script(&access.role, &access.database));
    lines
}

/// The answer for programs.
fn as_json(
    environment: &Environment,
    access: &ReaderAccess,
    sheet: &Sheet,
    tables: &[Relation],
    root: Option<&RootCertificate>,
    written: Option<&Path>,
) -> Json {
    let fields: Vec<Json> =
        sheet.fields.iter().map(|(name, value)| json!({"name": name, "value": value})).collect();
    let role = &access.role;
    json!({
        "status": "ok",
        "environment": environment.name,
        "tool": sheet.title,
        "fields": fields,
        "root_certificate": root.map(|root| json!({
            "file": written.map(|file| file.display().to_string()), "pem": root.pem, "subject": root.subject,
            "origin": origin(root).0, "ends": ends(root),
        })),
        "networks": sheet.networks,
        "tables": tables,
        "direct_host": access.direct_host,
        "notes": sheet.notes,
        "warnings": sheet.warnings,
        "role": {
            "name": role.name, "exists": role.exists, "writer": role.writer, "writer_may": role.writer_may,
            "statements": role.statements, "password": role.password, "for_everybody": role.for_everybody,
        },
    })
}
