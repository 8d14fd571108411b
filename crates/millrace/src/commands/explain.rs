//! `millrace explain`: prints the page of a diagnostic code, or lists all codes.

use millrace_core::code::Code;
use millrace_core::diagnostic::Diagnostic;
use millrace_core::suggest::did_you_mean;
use serde_json::json;

use super::Outcome;
use crate::cli::Explain;
use crate::failure::Failure;
use crate::{exit, terminal};

/// Runs the verb. Refuses an unknown code with the nearest known one.
pub(super) fn explain(args: &Explain) -> Outcome {
    let Some(name) = &args.code else {
        let list = |code: &Code| (code.as_str(), code.page().lines().next().unwrap_or_default().trim());
        if args.json {
            let codes: Vec<_> = Code::ALL
                .iter()
                .map(list)
                .map(|(code, first)| json!({"code": code, "summary": first}))
                .collect();
            terminal::json_line(&json!({"codes": codes}));
        } else {
            for (code, first) in Code::ALL.iter().map(list) {
                terminal::data_line(&format!("{code:<24}{first}"));
            }
        }
        return Ok(exit::DONE);
    };
    let Some(code) = Code::from_name(name) else {
        let names = Code::ALL.iter().map(|code| code.as_str());
        let diagnostic = Diagnostic::error(Code::Usage, format!("there is no code `{name}`"));
        let hint = did_you_mean(name, names, "there are")
            .unwrap_or_else(|| "`millrace explain` lists them.".to_owned());
        return Err(Failure::new(diagnostic.hint(hint), exit::PROJECT));
    };
    // Pages are doc comments, whose lines begin with a space.
    let lines: Vec<&str> = code.page().lines().map(|line| line.strip_prefix(' ').unwrap_or(line)).collect();
    let page = lines.join("\n");
    if args.json {
        terminal::json_line(&json!({"code": code, "page": page}));
    } else {
        terminal::data_line(&format!("# {}\n\n{page}", code.as_str()));
    }
    Ok(exit::DONE)
}
