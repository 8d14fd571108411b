//! `millrace capture`: asks sources for their columns and writes them to `sources/NAME.schema.yml`.
//!
//! A stream or source that fails keeps what was captured before; the others are captured all the
//! same, and the command ends with the exit code of the failures.

use std::collections::{BTreeMap, BTreeSet};

use millrace_core::code::Code;
use millrace_core::diagnostic::{Diagnostic, has_errors};
use millrace_core::project::SourceTexts;
use millrace_core::project::captured::{CapturedSchemas, encode};
use millrace_core::render;
use millrace_core::schema::StreamSchema;
use millrace_core::suggest::did_you_mean;
use millrace_engine::compile::catalog::{Ask, Stream};
use millrace_engine::compile::recapture::{Recaptured, Words, nothing_to_learn, recapture};
use millrace_engine::compile::unknown_columns::unknown_columns;
use millrace_engine::error::Error;
use millrace_engine::ports::source::Discovered;
use serde_json::{Value as Json, json};

use super::Outcome;
use crate::cli::Capture;
use crate::exit::{self, Exit};
use crate::failure::{Failure, cannot_write};
use crate::folder::{PUBLIC, replace};
use crate::terminal;
use crate::workspace::{Loaded, Workspace};

/// Runs the verb.
pub(super) async fn capture(args: &Capture) -> Outcome {
    let workspace = chosen(args).await?;
    let mut captured = Captured::default();
    captured.learn_all(&workspace, args.source.as_deref()).await;
    if !args.place.json {
        for words in &captured.words {
            terminal::note(&words.to_string());
        }
    }
    let written = captured.write(&workspace, args).await?;
    Ok(captured.report(args, &written, &workspace.compiled.project.texts))
}

/// Reads the project. Fails if a source's file has errors, a variable is not set, or the requested
/// source does not exist. Errors elsewhere are ignored.
async fn chosen(args: &Capture) -> Result<Workspace, Failure> {
    let ask = args.source.clone().map_or(Ask::All, Ask::One);
    let workspace = Loaded::read(&args.place)?.compile_asking(ask).await?;
    // Models may have errors because the schema that is to be captured is missing, so only errors
    // of sources count.
    let of_sources = |d: &&Diagnostic| d.labels.iter().any(|label| label.span.file.starts_with("sources/"));
    let about_sources: Vec<Diagnostic> = workspace.diagnostics.iter().filter(of_sources).cloned().collect();
    if has_errors(&about_sources) {
        let texts = workspace.compiled.project.texts.clone();
        let exit = Exit::of(&about_sources);
        return Err(Failure { diagnostics: about_sources, texts, exit });
    }
    terminal::diagnostics(&about_sources, &workspace.compiled.project.texts);
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
    Ok(workspace)
}

/// What the sources have answered.
#[derive(Default)]
struct Captured<'a> {
    /// The schemas to write, by source.
    schemas: BTreeMap<&'a str, CapturedSchemas>,
    /// Sources that cannot be reached.
    silent: BTreeSet<&'a str>,
    /// Notes about single columns.
    words: Vec<Words>,
    /// Streams without rows or a schema from which columns could be learned.
    unknown: Vec<String>,
    /// Errors of single streams and sources.
    failed: Vec<Diagnostic>,
}

impl<'a> Captured<'a> {
    /// Captures each stream of the source, or of all sources if `source` is `None`.
    async fn learn_all(&mut self, workspace: &'a Workspace, source: Option<&str>) {
        for stream in workspace.compiled.catalog.streams.values() {
            if source.is_some_and(|wanted| *wanted != stream.name.source) {
                continue;
            }
            let of_source = self.schemas.entry(&stream.name.source).or_default();
            let before = stream.captured.iter().map(|known| (stream.name.stream.clone(), known.clone()));
            // Each further stream would run into the same timeout.
            if self.silent.contains(stream.name.source.as_str()) {
                of_source.extend(before);
                continue;
            }
            match learn(stream).await {
                Ok(Learnt { schema, told, words }) => {
                    terminal::diagnostics(&told, &workspace.compiled.project.texts);
                    match schema {
                        Some(schema) => drop(of_source.insert(stream.name.stream.clone(), schema)),
                        None => self.unknown.push(stream.name.to_string()),
                    }
                    self.words.extend(words);
                }
                Err(told) => {
                    // Keeps what was captured before.
                    of_source.extend(before);
                    if told.iter().any(|one| one.code == Code::SourceUnreachable)
                        && !stream.source.discovers_by_reading()
                    {
                        self.silent.insert(stream.name.source.as_str());
                    }
                    self.failed.extend(told);
                }
            }
        }
        // If no stream of a source is known, its file stays as it is.
        self.schemas.retain(|_, streams| !streams.is_empty());
    }

    /// Writes the file of each source, unless it is unchanged or `--dry-run` was given. Returns one
    /// JSON object for each file.
    async fn write(&mut self, workspace: &Workspace, args: &Capture) -> Result<Vec<Json>, Failure> {
        let project = &workspace.compiled.project;
        let mut written = Vec::new();
        for (source, streams) in &self.schemas {
            let before = || project.captured_views.get(*source).cloned();
            let views = if self.silent.contains(source) {
                before()
            } else {
                // As with streams: a failure keeps what was captured before.
                views(workspace, source, streams).await.unwrap_or_else(|diagnostic| {
                    self.failed.push(diagnostic);
                    before()
                })
            };
            let path = format!("sources/{source}.schema.yml");
            let text = encode(streams, views.as_deref());
            let unchanged = project.texts.get(&path) == Some(&text);
            let status = match (unchanged, args.dry_run) {
                (true, _) => "unchanged",
                (false, true) => "would be written",
                (false, false) => "written",
            };
            if !unchanged && !args.dry_run {
                let place = workspace.dir.join(&path);
                replace(&place, &text, PUBLIC).map_err(|error| cannot_write(&place, &error))?;
            }
            let columns: usize = streams.values().map(|schema| schema.columns.len()).sum();
            let count = streams.len();
            if !args.place.json {
                let (streams, columns) =
                    (terminal::counted(count, "stream"), terminal::counted(columns, "column"));
                terminal::note(&format!("{path}: {streams}, {columns}, {status}"));
            }
            written.push(json!({"source": source, "file": path, "streams": count, "columns": columns, "status": status}));
        }
        Ok(written)
    }

    /// Reports the errors, or with `--json` the whole outcome, and returns the exit code.
    fn report(&self, args: &Capture, written: &[Json], texts: &SourceTexts) -> Exit {
        let exit = if self.failed.is_empty() { exit::DONE } else { Exit::of(&self.failed) };
        if !args.place.json {
            terminal::diagnostics(&self.failed, texts);
            return exit;
        }
        let columns: Vec<Json> = self.words.iter().map(Words::to_json).collect();
        let status = if self.failed.is_empty() { "ok" } else { "failed" };
        let mut answer =
            json!({"status": status, "captured": written, "columns": columns, "not_captured": self.unknown});
        if !self.failed.is_empty() {
            answer["exit_code"] = json!(exit.0);
            answer["diagnostics"] = self.failed.iter().map(|one| render::to_json(one, texts)).collect();
        }
        terminal::json_line(&answer);
        exit
    }
}

/// What was learned about a stream.
struct Learnt {
    /// The schema to write; `None` if there is nothing to learn columns from.
    schema: Option<StreamSchema>,
    /// Warnings about the stream.
    told: Vec<Diagnostic>,
    /// Notes about its columns.
    words: Vec<Words>,
}

/// Learns the columns of a stream, from a sample if the source offers one, else by full discovery.
/// Merges them with what was captured before. Fails with the errors of the source and of the
/// stream's options.
async fn learn(stream: &Stream) -> Result<Learnt, Vec<Diagnostic>> {
    let request = stream.request();
    let failed = |error: Error| {
        let message = format!("stream `{}` cannot be captured", stream.name);
        vec![error.context(message).to_diagnostic().at(stream.span.clone(), "")]
    };
    let discovered = match stream.source.sample(&request).await.map_err(failed)? {
        Some(sampled) => sampled,
        None => match stream.source.discover(&request).await {
            Ok(discovered) => discovered,
            // The folder of an appended stream may be empty between two deliveries.
            Err(error) if stream.captured.is_some() && stream.may_be_emptied(&error) => Discovered::default(),
            Err(error) => return Err(failed(error)),
        },
    };
    let Recaptured { mut schema, mut words, is_unknown } = recapture(stream, &discovered);
    let mut told = discovered.notices;
    if is_unknown {
        told.push(nothing_to_learn(&stream.name, !schema.columns.is_empty()).at(stream.span.clone(), ""));
        return Ok(Learnt { schema: None, told, words: Vec::new() });
    }
    told.extend(unknown_columns(stream, &schema, true));
    if has_errors(&told) {
        return Err(told);
    }
    // Excluded columns never reach the warehouse, so they are not captured.
    let left_out = stream.options.choice.left_out();
    schema.columns.retain(|column| !left_out.contains(&column.name));
    words.retain(|words| !left_out.contains(&words.column));
    Ok(Learnt { schema: Some(schema), told, words })
}

/// Which captured streams of a source are views, so that `exclude: [views]` needs no connection.
/// Returns `None` if the source has no views, or none was found and the project does not exclude
/// views.
async fn views(
    workspace: &Workspace,
    source: &str,
    streams: &CapturedSchemas,
) -> Result<Option<Vec<String>>, Diagnostic> {
    let all = workspace.compiled.catalog.streams.values();
    let Some(stream) = all.filter(|stream| stream.name.source == source).find(|one| one.source.has_views())
    else {
        return Ok(None);
    };
    let def = workspace.compiled.project.sources.iter().find(|def| def.name == source);
    let mut views = stream.source.views().await.map_err(|error| {
        let error = error.context(format!("source `{source}` does not say which of its streams are views"));
        error.to_diagnostic().at(stream.span.clone(), "")
    })?;
    views.retain(|name| streams.contains_key(name));
    let wanted = def.is_some_and(|def| def.exclude.views.is_some());
    Ok((wanted || !views.is_empty()).then_some(views))
}
