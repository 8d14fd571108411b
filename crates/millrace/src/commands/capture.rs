//! `millrace capture`

use std::collections::BTreeMap;
use std::fs::Permissions;
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use millrace_core::code::Code;
use millrace_core::diagnostic::{Diagnostic, has_errors};
use millrace_core::project::captured::{CapturedSchemas, encode};
use millrace_core::schema::StreamSchema;
use millrace_core::suggest::did_you_mean;
use millrace_engine::catalog::Ask;
use millrace_engine::strangers::strangers;
use serde_json::json;

use super::Outcome;
use crate::cli::Capture;
use crate::workspace::{Failure, Loaded, cannot_write};
use crate::{exit, terminal};

pub(super) async fn capture(args: &Capture) -> Outcome {
    let ask = args.source.clone().map_or(Ask::All, Ask::One);
    let workspace = Loaded::read(&args.place)?.compile_asking(ask).await?;
    // Models may be wrong for want of the very schema that is to be captured; sources may not.
    let of_sources = |d: &&Diagnostic| d.labels.iter().any(|label| label.span.file.starts_with("sources/"));
    let about_sources: Vec<Diagnostic> = workspace.diagnostics.iter().filter(of_sources).cloned().collect();
    if has_errors(&about_sources) {
        let texts = workspace.compiled.project.texts.clone();
        return Err(Failure { diagnostics: about_sources, texts, exit: exit::PROJECT });
    }
    workspace.refuse_unset()?;
    let names: Vec<&str> =
        workspace.compiled.project.sources.iter().map(|source| source.name.as_str()).collect();
    if let Some(wanted) = &args.source
        && !names.contains(&wanted.as_str())
    {
        let diagnostic = Diagnostic::error(Code::Usage, format!("there is no source `{wanted}`"));
        return Err(Failure::new(
            diagnostic.maybe_hint(did_you_mean(wanted, names, "there are")),
            exit::PROJECT,
        ));
    }
    let mut schemas: BTreeMap<&str, CapturedSchemas> = BTreeMap::new();
    for stream in workspace.compiled.catalog.streams.values() {
        if args.source.as_ref().is_some_and(|wanted| *wanted != stream.name.source) {
            continue;
        }
        let mut schema = match stream.source.sample(&stream.request()).await? {
            Some(sampled) => sampled,
            None => match stream.source.discover(&stream.request()).await {
                Ok(discovered) => discovered.schema,
                // The folder of what is added to the rows that there are may be empty for now.
                Err(error) if stream.captured.is_some() && stream.may_be_emptied(&error) => {
                    StreamSchema::default()
                }
                Err(error) => return Err(error.into()),
            },
        };
        if schema.columns.is_empty() {
            // An empty file says nothing; what was known of it stays.
            schema = stream.captured.clone().unwrap_or_default();
        }
        if schema.columns.is_empty() {
            let message = format!("stream `{}` has no rows to learn columns from", stream.name);
            let unknown = Diagnostic::warning(Code::NotCaptured, message)
                .hint(format!("Run `millrace capture {}` again when it has some.", stream.name.source));
            terminal::diagnostics(&[unknown], &workspace.compiled.project.texts);
            continue;
        }
        let strange = strangers(stream, &schema, true);
        let texts = &workspace.compiled.project.texts;
        if has_errors(&strange) {
            return Err(Failure { diagnostics: strange, texts: texts.clone(), exit: exit::PROJECT });
        }
        terminal::diagnostics(&strange, texts);
        let left_out = stream.options.choice.left_out();
        schema.columns.retain(|column| !left_out.contains(&column.name));
        let of_source = schemas.entry(&stream.name.source).or_default();
        of_source.insert(stream.name.stream.clone(), schema);
    }
    let mut report = Vec::new();
    for (source, streams) in schemas {
        let path = format!("sources/{source}.schema.yml");
        let text = encode(&streams);
        let unchanged = workspace.compiled.project.texts.get(&path) == Some(&text);
        let status = match (unchanged, args.dry_run) {
            (true, _) => "unchanged",
            (false, true) => "would be written",
            (false, false) => "written",
        };
        if !unchanged && !args.dry_run {
            let place = workspace.dir.join(&path);
            replace(&place, &text).map_err(|error| cannot_write(&place, &error))?;
        }
        let columns: usize = streams.values().map(|schema| schema.columns.len()).sum();
        if !args.place.json {
            let streams = terminal::counted(streams.len(), "stream");
            terminal::note(&format!("{path}: {streams}, {}, {status}", terminal::counted(columns, "column")));
        }
        report.push(json!({"source": source, "file": path, "streams": streams.len(), "columns": columns, "status": status}));
    }
    if args.place.json {
        terminal::json_line(&json!({"status": "ok", "captured": report}));
    }
    Ok(exit::DONE)
}

/// Puts a whole file in the place of another, so that a command that is cut short leaves the former one.
pub(super) fn replace(place: &Path, text: &str) -> io::Result<()> {
    let folder = place.parent().unwrap_or(Path::new("."));
    let mut file = tempfile::Builder::new().permissions(Permissions::from_mode(0o644)).tempfile_in(folder)?;
    file.write_all(text.as_bytes())?;
    file.persist(place).map_err(|error| error.error)?;
    Ok(())
}
