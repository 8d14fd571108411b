//! Generated pages are fresh. `MILLRACE_BLESS=1` writes them anew.

use std::fmt::Write as _;

use millrace_core::code::Code;
use millrace_core::project::reference::{json_schema, markdown};
use millrace_core::project::spec::MapSpec;
use millrace_core::project::{captured, dashboard_file, manifest, model_file, semantic_file, source_file};
use millrace_engine::ports::registry::Registry;

use crate::millrace::{command, repository};

/// A generated file: its path, and what it should hold.
type Page = (String, String);

fn registry() -> Registry {
    let mut registry = Registry::default();
    millrace_connectors::register(&mut registry);
    registry
}

fn project_files(registry: &Registry) -> Page {
    let mut out = String::from(
        "# Project files\n\nGenerated from the specifications by which the files are checked (`make bless`). \
         Unknown keys are errors. A JSON Schema of each file is in `schemas/`.\n\n",
    );
    out.push_str(&markdown("millrace.yml", 2, &[&manifest::MANIFEST]));
    for connector in registry.warehouses() {
        out.push_str(&markdown(
            &format!("environment of `type: {}`", connector.kind()),
            3,
            &[connector.spec()],
        ));
    }
    out.push_str(&markdown("sources/*.yml", 2, &[&source_file::SOURCE]));
    out.push_str(&markdown("a stream", 3, &[&source_file::STREAM]));
    for connector in registry.sources() {
        let (source, stream) = (connector.source_spec(), connector.stream_spec());
        out.push_str(&markdown(&format!("source of `type: {}`", connector.kind()), 3, &[source]));
        if !stream.keys.is_empty() {
            out.push_str(&markdown(&format!("stream of `type: {}`", connector.kind()), 4, &[stream]));
        }
    }
    out.push_str(&markdown("sources/*.schema.yml", 2, &[&captured::CAPTURED]));
    out.push_str(&markdown("models/**/*.yml", 2, &[&model_file::MODELS]));
    out.push_str(&markdown("metrics/*.yml", 2, &[&semantic_file::SEMANTIC_VIEW]));
    out.push_str(&markdown("dashboards/*.yml", 2, &[&dashboard_file::DASHBOARD]));
    ("docs/reference/project-files.md".to_owned(), format!("{}\n", out.trim_end()))
}

fn errors() -> Page {
    let mut out = String::from(
        "# Diagnostics\n\nGenerated from the codes' own pages (`make bless`); `millrace explain CODE` prints one.\n",
    );
    for code in Code::ALL {
        let lines: Vec<&str> =
            code.page().lines().map(|line| line.strip_prefix(' ').unwrap_or(line)).collect();
        let _ = write!(out, "\n## {}\n\n{}\n", code.as_str(), lines.join("\n").trim());
    }
    ("docs/errors/README.md".to_owned(), out)
}

fn schemas(registry: &Registry) -> Vec<Page> {
    let files: [(&str, &MapSpec); 5] = [
        ("millrace", &manifest::MANIFEST),
        ("captured-schema", &captured::CAPTURED),
        ("models", &model_file::MODELS),
        ("semantic-view", &semantic_file::SEMANTIC_VIEW),
        ("dashboard", &dashboard_file::DASHBOARD),
    ];
    let page = |(name, spec): (&str, &MapSpec)| {
        let schema = serde_json::to_string_pretty(&json_schema(name, &[spec])).expect("JSON");
        (format!("docs/reference/schemas/{name}.schema.json"), format!("{schema}\n"))
    };
    let mut pages: Vec<Page> = files.into_iter().map(page).collect();
    for connector in registry.sources() {
        let name = format!("source-{}", connector.kind());
        let schema = json_schema(&name, &[&source_file::SOURCE, connector.source_spec()]);
        let schema = serde_json::to_string_pretty(&schema).expect("JSON");
        pages.push((format!("docs/reference/schemas/{name}.schema.json"), format!("{schema}\n")));
    }
    pages
}

/// The help texts, as the command line prints them.
fn command_line() -> Page {
    let verbs = [
        "init",
        "demo",
        "capture",
        "check",
        "plan",
        "run",
        "query",
        "serve",
        "status",
        "connect",
        "doctor",
        "explain",
        "hash-password",
    ];
    let mut out = String::from("# Command line\n\nWhat `millrace VERB --help` prints (`make bless`).\n");
    let mut section = |title: &str, arguments: &[&str]| {
        let ended = command(arguments);
        assert_eq!(ended.code, 0, "{title}: {}", ended.stderr);
        let _ = write!(out, "\n## {title}\n\n```\n{}\n```\n", ended.stdout.trim_end());
    };
    section("millrace", &["--help"]);
    for verb in verbs {
        section(verb, &[verb, "--help"]);
    }
    ("docs/reference/command-line.md".to_owned(), out)
}

#[test]
fn pages_are_fresh() {
    let mut pages = vec![project_files(&registry()), errors(), command_line()];
    pages.extend(schemas(&registry()));
    let mut stale = Vec::new();
    for (path, text) in pages {
        let place = repository().join(&path);
        if std::env::var_os("MILLRACE_BLESS").is_some() {
            std::fs::create_dir_all(place.parent().expect("a folder")).expect("it can be made");
            std::fs::write(&place, &text).expect("it can be written");
        }
        if std::fs::read_to_string(&place).ok().as_deref() != Some(&text) {
            stale.push(path);
        }
    }
    assert!(stale.is_empty(), "stale, run `make bless`: {stale:?}");
}
