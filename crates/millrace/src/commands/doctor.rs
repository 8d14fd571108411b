//! `millrace doctor`: diagnoses the project, the sources and the warehouse, layer by layer.
//!
//! Each finding is one line with a verdict. The exit code is the one with which other commands fail
//! by the same errors. After a failure, checks that depend on it are skipped instead of repeating
//! it.

use std::collections::BTreeMap;

use millrace_core::code::Code;
use millrace_core::diagnostic::{Diagnostic, has_errors};
use millrace_core::project::source_file::SourceDef;
use millrace_core::suggest::did_you_mean;
use millrace_engine::compile::catalog::Stream;
use millrace_engine::error::{Error, exit_of_codes, is_outside};
use millrace_engine::ports::diagnosis::{Diagnosis, Finding, Verdict};
use millrace_engine::ports::source::{SourceContext, StreamRequest};
use millrace_engine::state::State;
use serde_json::{Value as Json, json};

use super::Outcome;
use crate::cli::Doctor;
use crate::exit::{self, Exit};
use crate::failure::Failure;
use crate::terminal;
use crate::workspace::{Loaded, Workspace};

/// One finding.
struct Line {
    /// What was checked.
    what: String,
    /// The layer of a connection, such as DNS or TCP; `None` if the check has no layers.
    layer: Option<&'static str>,
    verdict: Verdict,
    /// What was seen: a version, a count or an error.
    saw: String,
    hint: Option<String>,
    /// Codes of the errors that made it fail; they decide the exit code.
    codes: Vec<Code>,
}

impl Line {
    /// A check that passed.
    fn good(what: impl Into<String>, saw: impl Into<String>) -> Self {
        let (what, saw) = (what.into(), saw.into());
        Self { what, layer: None, verdict: Verdict::Good, saw, hint: None, codes: Vec::new() }
    }

    /// A check that failed with a diagnostic.
    fn bad(what: impl Into<String>, diagnostic: &Diagnostic) -> Self {
        Self {
            verdict: Verdict::Failed,
            hint: diagnostic.hint.clone(),
            codes: vec![diagnostic.code],
            ..Self::good(what, diagnostic.to_string())
        }
    }

    /// A check that failed with an error of the engine or a connector.
    fn error(what: impl Into<String>, error: &Error) -> Self {
        Self::bad(what, &error.to_diagnostic())
    }

    /// A check that was not made, because something it depends on failed.
    fn skipped(what: impl Into<String>) -> Self {
        Self { verdict: Verdict::NotLookedAt, ..Self::good(what, "not looked at") }
    }

    /// One layer of a connector's diagnosis.
    fn of(what: &str, finding: &Finding) -> Self {
        Self {
            what: what.to_owned(),
            layer: Some(finding.layer.word()),
            verdict: finding.verdict,
            saw: finding.saw.clone(),
            hint: finding.hint.clone(),
            codes: finding.code.into_iter().collect(),
        }
    }

    /// The finding for programs. A doubtful one counts as `ok`, because it does not fail the
    /// command.
    fn to_json(&self) -> Json {
        let ok = matches!(self.verdict, Verdict::Good | Verdict::Doubtful);
        json!({
            "what": self.what, "layer": self.layer, "ok": ok, "state": self.verdict.word(), "saw": self.saw, "hint": self.hint,
        })
    }

    /// Prints the finding as one line, and its hint on a second one.
    fn print(&self) {
        let mark = match self.verdict {
            Verdict::Good => "ok  ",
            Verdict::Doubtful => "warn",
            Verdict::Failed => "FAIL",
            Verdict::NotLookedAt => "-   ",
        };
        let what = match self.layer {
            Some(layer) => format!("{}: {layer}", self.what),
            None => self.what.clone(),
        };
        terminal::data_line(&format!("{mark}  {what:<28} {}", self.saw));
        if let Some(hint) = &self.hint {
            terminal::data_line(&format!("      hint: {hint}"));
        }
    }
}

/// Runs the verb, over everything or over the source or environment on the command line.
pub(super) async fn doctor(args: &Doctor) -> Outcome {
    // Chosen before compiling, so that only the sources that are checked are asked for their
    // streams.
    let mut loaded = Loaded::read(&args.place)?;
    let chosen = args.what.as_deref().map(|what| choose(what, &mut loaded)).transpose()?;
    let (sources, warehouse) = chosen.unwrap_or((true, true));
    let workspace = loaded.compile().await?;
    let mut lines = Vec::new();
    // Errors of unreachable sources and unset variables are reported by the checks below.
    let mistakes = |d: &&Diagnostic| d.is_error() && !is_outside(d.code) && d.code != Code::UnsetVariable;
    // With a single source the other sources are dropped, which would cause errors in models.
    if args.what.is_none() {
        let codes: Vec<Code> = workspace.diagnostics.iter().filter(mistakes).map(|one| one.code).collect();
        lines.push(project(workspace.compiled.project.texts.len(), codes));
    }
    if sources {
        let mut streams: BTreeMap<&str, Vec<&Stream>> = BTreeMap::new();
        for stream in workspace.compiled.catalog.streams.values() {
            streams.entry(stream.name.source.as_str()).or_default().push(stream);
        }
        for def in &workspace.compiled.project.sources {
            let streams = streams.get(def.name.as_str()).map_or(&[][..], Vec::as_slice);
            lines.extend(source(&workspace, def, streams).await);
        }
    }
    if warehouse {
        lines.extend(environment(&workspace, args).await);
    }
    let exit = exit_of_lines(&lines);
    let healthy = exit == exit::DONE;
    if args.place.json {
        let list: Vec<Json> = lines.iter().map(Line::to_json).collect();
        terminal::json_line(&json!({"status": if healthy { "ok" } else { "failed" }, "findings": list}));
    } else {
        lines.iter().for_each(Line::print);
    }
    Ok(exit)
}

/// The finding about the project's files. `codes` are those of their errors.
fn project(files: usize, codes: Vec<Code>) -> Line {
    let errors = codes.len();
    Line {
        verdict: if errors == 0 { Verdict::Good } else { Verdict::Failed },
        hint: (errors > 0).then(|| "`millrace check` shows them.".to_owned()),
        codes,
        ..Line::good("project", format!("{files} files, {errors} errors"))
    }
}

/// The exit code: the one of other commands that fail with the same errors. Skipped checks do not
/// count, because they depend on a failed one or were made unnecessary by another route that works.
fn exit_of_lines(lines: &[Line]) -> Exit {
    let failed = || lines.iter().filter(|line| line.verdict == Verdict::Failed);
    if failed().next().is_none() {
        return exit::DONE;
    }
    Exit(exit_of_codes(failed().flat_map(|line| line.codes.iter().copied())))
}

/// Resolves the name on the command line, as a source or an environment or both. Returns whether to
/// check sources and whether to check the warehouse.
fn choose(what: &str, loaded: &mut Loaded) -> Result<(bool, bool), Failure> {
    let source = loaded.sources().any(|name| name == what);
    let environment = loaded.environments().any(|name| name == what);
    if !source && !environment {
        let names: Vec<&str> = loaded.sources().chain(loaded.environments()).collect();
        let diagnostic =
            Diagnostic::error(Code::Usage, format!("there is no source and no environment `{what}`"))
                .maybe_hint(did_you_mean(what, names, "there are"));
        return Err(Failure::new(diagnostic, exit::PROJECT));
    }
    if environment {
        loaded.choose(what);
    }
    loaded.only(source.then_some(what));
    Ok((source, environment))
}

/// Checks the connection to a source, then each of its streams.
async fn source(workspace: &Workspace, def: &SourceDef, streams: &[&Stream]) -> Vec<Line> {
    let what = format!("source {}", def.name);
    if has_errors(&def.unset) {
        return def.unset.iter().map(|diagnostic| Line::bad(&what, diagnostic)).collect();
    }
    let Some(connector) = workspace.registry.source(&def.kind) else { return Vec::new() };
    let context = SourceContext { name: def.name.clone(), project_dir: workspace.dir.clone() };
    let found = match connector.source(context, &def.settings) {
        Ok(source) => {
            let requests: Vec<StreamRequest> = streams.iter().map(|stream| stream.request()).collect();
            source.diagnose(&requests).await
        }
        Err(error) => return vec![Line::error(&what, &error)],
    };
    let mut lines = told(&what, &found);
    for stream in streams {
        let what = format!("stream {}", stream.name);
        // Each stream would repeat the same failure after the same timeout.
        if found.has_failed() && !stream.source.discovers_by_reading() {
            lines.push(Line::skipped(what));
            continue;
        }
        lines.push(match stream.discover().await {
            Ok(discovered) => {
                Line::good(what, format!("{} columns can be read", discovered.schema.columns.len()))
            }
            Err(error) if stream.may_be_emptied(&error) => Line::skipped(what),
            Err(error) => Line::error(what, &error),
        });
    }
    lines
}

/// The findings of a connector's diagnosis.
fn told(what: &str, found: &Diagnosis) -> Vec<Line> {
    found.findings().iter().map(|finding| Line::of(what, finding)).collect()
}

/// Checks the connection to the warehouse, its version and its state tables.
async fn environment(workspace: &Workspace, args: &Doctor) -> Vec<Line> {
    let what = format!("environment {}", workspace.compiled.environment);
    let mut lines = Vec::new();
    if let Ok(Some(server)) = workspace.server() {
        let saw = format!("process {} has the warehouse, at {}", server.process(), server.url());
        lines.push(Line::good("server", saw));
    }
    if let Some(environment) = workspace.environment().filter(|known| !has_errors(&known.unset))
        && let Some(connector) = workspace.registry.warehouse(&environment.kind)
    {
        let found = connector.diagnose(&workspace.dir, &environment.settings, &environment.schemas).await;
        lines.extend(told(&what, &found));
        // Opening the warehouse would fail for the same reason.
        if found.has_failed() {
            lines.push(Line::skipped("state"));
            return lines;
        }
    }
    let warehouse = match workspace.warehouse(args.patience.wait).await {
        Ok(warehouse) => warehouse,
        Err(failure) => {
            lines.extend(failure.diagnostics.iter().map(|diagnostic| Line::bad(&what, diagnostic)));
            lines.push(Line::skipped("state"));
            return lines;
        }
    };
    lines.push(match warehouse.version().await {
        Ok(version) => Line::good(&what, version),
        Err(error) => Line::error(&what, &error),
    });
    lines.push(match State::of(&*warehouse, &workspace.compiled.schemas).version().await {
        Ok(None) => Line::good("state", "nothing has run yet"),
        Ok(Some(version)) => Line::good("state", format!("version {version}")),
        Err(error) => Line::error("state", &error),
    });
    lines
}

#[cfg(test)]
mod tests {
    use millrace_engine::error::ErrorKind;
    use millrace_engine::ports::diagnosis::Layer;

    use super::*;

    fn failed(kind: ErrorKind) -> Line {
        Line::error("a source", &Error::new(kind, "it fails"))
    }

    #[test]
    fn it_ends_as_other_commands_do() {
        let good = || Line::good("a source", "it works");
        let of = |lines: Vec<Line>| exit_of_lines(&lines).0;
        assert_eq!(of(vec![good(), Line::skipped("a stream")]), 0);
        assert_eq!(of(vec![good(), failed(ErrorKind::SourceUnreachable)]), 3);
        assert_eq!(of(vec![failed(ErrorKind::WarehouseReplaced)]), 3);
        assert_eq!(of(vec![failed(ErrorKind::SourceUnreachable), failed(ErrorKind::Misconfigured)]), 2);
        assert_eq!(of(vec![failed(ErrorKind::SourceUnreachable), project(3, vec![Code::UnknownRef])]), 2);
        assert_eq!(of(vec![failed(ErrorKind::Misconfigured), failed(ErrorKind::Internal)]), 70);
    }

    #[test]
    fn a_layer_counts_by_its_error() {
        let mut found = Diagnosis::default();
        found.failed(Layer::Tcp, &Error::new(ErrorKind::SourceUnreachable, "nobody listens"));
        assert_eq!(exit_of_lines(&told("a source", &found)).0, 3);
        assert_eq!(exit_of_lines(&told("a source", &found.clone().softened())), exit::DONE);
        found.failed(Layer::Settings, &Error::new(ErrorKind::Misconfigured, "the port is none"));
        assert_eq!(exit_of_lines(&told("a source", &found)).0, 2);
        found.failed(Layer::Server, &Error::new(ErrorKind::Internal, "a bug"));
        assert_eq!(exit_of_lines(&told("a source", &found)).0, 70);
    }
}
