//! `millrace doctor`

use millrace_engine::error::Error;
use millrace_engine::state::State;
use serde_json::{Value as Json, json};

use super::Outcome;
use crate::cli::Doctor;
use crate::exit;
use crate::terminal;
use crate::workspace::Workspace;

struct Finding {
    what: String,
    ok: bool,
    saw: String,
    hint: Option<String>,
}

impl Finding {
    fn good(what: impl Into<String>, saw: impl Into<String>) -> Self {
        Self { what: what.into(), ok: true, saw: saw.into(), hint: None }
    }

    fn bad(what: impl Into<String>, error: &Error) -> Self {
        let diagnostic = error.to_diagnostic();
        Self { what: what.into(), ok: false, saw: diagnostic.to_string(), hint: diagnostic.hint }
    }
}

pub(super) async fn doctor(args: &Doctor) -> Outcome {
    let workspace = Workspace::read(&args.place).await?;
    let mut findings = Vec::new();
    let errors = workspace.diagnostics.iter().filter(|d| d.is_error()).count();
    findings.push(Finding {
        what: "project".into(),
        ok: errors == 0,
        saw: format!("{} files, {errors} errors", workspace.compiled.project.texts.len()),
        hint: (errors > 0).then(|| "`millrace check` shows them.".to_owned()),
    });
    for stream in workspace.compiled.catalog.streams.values() {
        let what = format!("stream {}", stream.name);
        findings.push(match stream.source.discover(&stream.request()).await {
            Ok(discovered) => {
                Finding::good(what, format!("{} columns can be read", discovered.schema.columns.len()))
            }
            Err(error) => Finding::bad(what, &error),
        });
    }
    if let Ok(Some(server)) = workspace.server() {
        let saw = format!("process {} has the warehouse, at {}", server.process(), server.url());
        findings.push(Finding::good("server", saw));
    }
    let what = format!("environment {}", workspace.compiled.environment);
    match workspace.warehouse(args.patience.wait).await {
        Err(failure) => findings.extend(failure.diagnostics.iter().map(|d| Finding {
            what: what.clone(),
            ok: false,
            saw: d.to_string(),
            hint: d.hint.clone(),
        })),
        Ok(warehouse) => {
            findings.push(match warehouse.version().await {
                Ok(version) => Finding::good(&what, version),
                Err(error) => Finding::bad(&what, &error),
            });
            findings.push(match State::of(&*warehouse, &workspace.compiled.schemas).version().await {
                Ok(None) => Finding::good("state", "nothing has run yet"),
                Ok(Some(version)) => Finding::good("state", format!("version {version}")),
                Err(error) => Finding::bad("state", &error),
            });
        }
    }
    let healthy = findings.iter().all(|finding| finding.ok);
    if args.place.json {
        let list: Vec<Json> = findings
            .iter()
            .map(|f| json!({"what": f.what, "ok": f.ok, "saw": f.saw, "hint": f.hint}))
            .collect();
        terminal::json_line(&json!({"status": if healthy { "ok" } else { "failed" }, "findings": list}));
    } else {
        for finding in &findings {
            let mark = if finding.ok { "ok  " } else { "FAIL" };
            terminal::data_line(&format!("{mark}  {:<28} {}", finding.what, finding.saw));
            if let Some(hint) = &finding.hint {
                terminal::data_line(&format!("      hint: {hint}"));
            }
        }
    }
    if healthy {
        return Ok(exit::DONE);
    }
    Ok(if errors > 0 { exit::PROJECT } else { exit::UNREACHABLE })
}
