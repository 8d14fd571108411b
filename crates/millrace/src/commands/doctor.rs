//! `millrace doctor`

use std::collections::BTreeMap;

use millrace_core::code::Code;
use millrace_core::diagnostic::{Diagnostic, has_errors};
use millrace_core::project::source_file::SourceDef;
use millrace_core::suggest::did_you_mean;
use millrace_engine::catalog::Stream;
use millrace_engine::diagnosis::{Diagnosis, Finding, Layer, Verdict};
use millrace_engine::error::{Error, is_outside};
use millrace_engine::source::{SourceContext, StreamRequest};
use millrace_engine::state::State;
use serde_json::{Value as Json, json};

use super::Outcome;
use crate::cli::Doctor;
use crate::exit;
use crate::terminal;
use crate::workspace::{Failure, Loaded, Workspace};

/// A line of the answer.
struct Line {
    what: String,
    /// The word of its layer, where it is one of a way of several.
    layer: Option<&'static str>,
    verdict: Verdict,
    saw: String,
    hint: Option<String>,
    /// Whether it is a mistake of the project, and nothing outside has failed.
    by_the_project: bool,
}

impl Line {
    fn good(what: impl Into<String>, saw: impl Into<String>) -> Self {
        let (what, saw) = (what.into(), saw.into());
        Self { what, layer: None, verdict: Verdict::Good, saw, hint: None, by_the_project: false }
    }

    fn bad(what: impl Into<String>, diagnostic: &Diagnostic) -> Self {
        Self {
            verdict: Verdict::Failed,
            hint: diagnostic.hint.clone(),
            by_the_project: !is_outside(diagnostic.code) && diagnostic.code != Code::Internal,
            ..Self::good(what, diagnostic.to_string())
        }
    }

    fn error(what: impl Into<String>, error: &Error) -> Self {
        Self::bad(what, &error.to_diagnostic())
    }

    fn skipped(what: impl Into<String>) -> Self {
        Self { verdict: Verdict::NotLookedAt, ..Self::good(what, "not looked at") }
    }

    fn of(what: &str, finding: &Finding) -> Self {
        Self {
            what: what.to_owned(),
            layer: Some(finding.layer.word()),
            verdict: finding.verdict,
            saw: finding.saw.clone(),
            hint: finding.hint.clone(),
            // What the project says of the way is the one layer before anything outside is asked.
            by_the_project: finding.verdict == Verdict::Failed && finding.layer == Layer::Settings,
        }
    }

    fn to_json(&self) -> Json {
        let ok = matches!(self.verdict, Verdict::Good | Verdict::Doubtful);
        json!({
            "what": self.what, "layer": self.layer, "ok": ok, "state": self.verdict.word(), "saw": self.saw, "hint": self.hint,
        })
    }

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

pub(super) async fn doctor(args: &Doctor) -> Outcome {
    let mut loaded = Loaded::read(&args.place)?;
    let chosen = args.what.as_deref().map(|what| choose(what, &mut loaded)).transpose()?;
    let (sources, warehouse) = chosen.unwrap_or((true, true));
    let workspace = loaded.compile().await?;
    let mut lines = Vec::new();
    // What a source does not answer is said of it below.
    let mistakes = |d: &&Diagnostic| d.is_error() && !is_outside(d.code) && d.code != Code::UnsetVariable;
    let errors = workspace.diagnostics.iter().filter(mistakes).count();
    // With one source alone the rest of the project lacks the others.
    if args.what.is_none() {
        lines.push(Line {
            verdict: if errors == 0 { Verdict::Good } else { Verdict::Failed },
            hint: (errors > 0).then(|| "`millrace check` shows them.".to_owned()),
            ..Line::good(
                "project",
                format!("{} files, {errors} errors", workspace.compiled.project.texts.len()),
            )
        });
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
    // What was not looked at rests on what failed, or on a way beside which another one works.
    let healthy = lines.iter().all(|line| line.verdict != Verdict::Failed);
    if args.place.json {
        let list: Vec<Json> = lines.iter().map(Line::to_json).collect();
        terminal::json_line(&json!({"status": if healthy { "ok" } else { "failed" }, "findings": list}));
    } else {
        lines.iter().for_each(Line::print);
    }
    if healthy {
        return Ok(exit::DONE);
    }
    let is_mistaken = (errors > 0 && args.what.is_none()) || lines.iter().any(|line| line.by_the_project);
    Ok(if is_mistaken { exit::PROJECT } else { exit::UNREACHABLE })
}

/// Finds what is to be looked at: whether sources, and whether the warehouse.
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

/// The way to a source, and each of its streams.
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
        // Each would say again, and after as long a wait, what has been said.
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

fn told(what: &str, found: &Diagnosis) -> Vec<Line> {
    found.findings().iter().map(|finding| Line::of(what, finding)).collect()
}

/// The way to the warehouse, and what is in it.
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
