//! Broken and doubtful projects and what is said of them, as golden files. `MILLRACE_BLESS=1` writes them anew.

use std::path::Path;

use crate::millrace::{Project, copy};

#[test]
fn each_mistake_has_code_place_and_hint() {
    assert!(golden("broken", 2, "error") >= 10);
}

#[test]
fn what_is_doubtful_is_told_and_goes_on() {
    assert!(golden("doubtful", 0, "warning") >= 2);
}

/// Checks all projects of a folder, and returns how many there are.
fn golden(folder: &str, code: i32, severity: &str) -> usize {
    let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(folder);
    let mut names: Vec<_> = std::fs::read_dir(&cases)
        .expect("the cases")
        .map(|entry| entry.expect("an entry").file_name())
        .collect();
    names.sort();
    let count = names.len();
    let mut wrong = Vec::new();
    for name in names {
        let case = cases.join(&name);
        let project = Project::of(&[(
            "millrace.yml",
            "name: broken\nenvironments: {dev: {type: duckdb, path: w.duckdb}}\n",
        )]);
        copy(&case.join("project"), project.path());
        let ended = project.run(&["check"]);
        assert_eq!(ended.code, code, "{}: {}", name.display(), ended.stderr);
        let json = project.run(&["check", "--json"]).json();
        let first = &json["diagnostics"][0];
        assert_eq!(first["severity"], severity, "{}", name.display());
        assert!(
            first["labels"][0]["line"].as_u64().is_some_and(|line| line > 0),
            "{}: no place",
            name.display()
        );
        assert!(first["hint"].as_str().is_some_and(|hint| !hint.is_empty()), "{}: no hint", name.display());
        if code != 0 {
            // What `check` refuses `run` refuses, before it touches the warehouse.
            let ran = project.run(&["run"]);
            assert_eq!(ran.code, code, "{}: {}", name.display(), ran.stderr);
            assert!(!project.path().join("w.duckdb").exists(), "{}: there is a warehouse", name.display());
        }
        let golden = case.join("expected.txt");
        if std::env::var_os("MILLRACE_BLESS").is_some() {
            std::fs::write(&golden, &ended.stderr).expect("it can be written");
        }
        if std::fs::read_to_string(&golden).unwrap_or_default() != ended.stderr {
            wrong.push(format!("{}:\n{}", name.display(), ended.stderr));
        }
    }
    assert!(wrong.is_empty(), "not as in the golden files:\n{}", wrong.join("\n"));
    count
}
