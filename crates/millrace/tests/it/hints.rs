//! Whatever a message shows of YAML can be written into a file as it stands.

use std::path::Path;
use std::sync::Arc;

use millrace_core::project::yaml;

use crate::millrace::repository;

/// Snippets in backticks that look like a line of YAML, with the file that they stand in.
fn snippets() -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut folders = vec![repository().join("crates")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
                if !["target", "tests", "testdata"].contains(&name.as_str()) {
                    folders.push(path);
                }
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.extend(of_file(&path));
            }
        }
    }
    found
}

fn of_file(path: &Path) -> Vec<(String, String)> {
    let text = std::fs::read_to_string(path).expect("a source file");
    let text = text.split("#[cfg(test)]").next().unwrap_or_default();
    let mut found = Vec::new();
    for literal in literals(text) {
        for snippet in literal.split('`').skip(1).step_by(2) {
            if is_yaml(snippet) {
                found.push((path.display().to_string(), snippet.to_owned()));
            }
        }
    }
    found
}

/// The texts in double quotes of a source file, without their escapes. Comments go first, which have quotes of their own.
fn literals(text: &str) -> Vec<String> {
    let code: Vec<&str> = text.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
    let code = code.join("\n");
    let mut found = Vec::new();
    let mut rest = code.as_str();
    while let Some(at) = rest.find('"') {
        // A quote as a character is no beginning of a text.
        let is_character =
            rest[..at].ends_with('\'') || rest[..at].ends_with("b'") || rest[..at].ends_with("'\\");
        rest = &rest[at + 1..];
        if is_character {
            continue;
        }
        let (mut literal, mut escaped, mut end) = (String::new(), false, rest.len());
        for (place, c) in rest.char_indices() {
            match c {
                'n' if escaped => literal.push('\n'),
                _ if escaped => literal.push(c),
                '\\' => {}
                '"' => {
                    end = place + 1;
                    break;
                }
                _ => literal.push(c),
            }
            escaped = c == '\\' && !escaped;
        }
        found.push(literal);
        rest = rest.get(end..).unwrap_or_default();
    }
    found
}

/// A key, a colon and a value; keys are words in lower case.
fn is_yaml(snippet: &str) -> bool {
    let snippet = snippet.trim_start_matches('{');
    let Some((key, value)) = snippet.split_once(": ") else { return false };
    !key.is_empty()
        && key.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
        && !["error", "warning", "hint"].contains(&key)
        && !value.is_empty()
}

/// The snippet with a word in the place of what the program fills in.
fn filled(snippet: &str) -> String {
    let mut out = String::new();
    let mut rest = snippet.replace("{{", "\u{1}").replace("}}", "\u{2}");
    while let Some(at) = rest.find('{') {
        let inner: String =
            rest[at + 1..].chars().take_while(|c| c.is_alphanumeric() || "_.:?".contains(*c)).collect();
        let placeholder = rest[at + 1 + inner.len()..].starts_with('}') && !inner.contains(": ");
        out.push_str(&rest[..at]);
        out.push_str(if placeholder { "word" } else { "{" });
        let skipped = at + 1 + if placeholder { inner.len() + 1 } else { 0 };
        rest = rest[skipped..].to_owned();
    }
    (out + &rest).replace('\u{1}', "{").replace('\u{2}', "}").replace('…', "more")
}

/// Why a text is no YAML.
fn problem(text: &str) -> Option<String> {
    let mut diagnostics = Vec::new();
    yaml::parse(&Arc::from("hint.yml"), text, &mut diagnostics);
    diagnostics.first().map(ToString::to_string)
}

#[test]
fn what_hints_show_of_yaml_is_yaml() {
    let snippets = snippets();
    assert!(snippets.len() > 60, "{} snippets: they are no longer found", snippets.len());
    let mut wrong = Vec::new();
    for (file, snippet) in &snippets {
        // Whether the program fills anything in does not stand in the text itself.
        let problems = [filled(snippet), snippet.clone()].map(|text| problem(&text));
        if let [Some(problem), Some(_)] = &problems {
            wrong.push(format!("{file}: `{snippet}`: {problem}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn names_of_any_kind_are_written_as_yaml() {
    for name in [
        "id",
        "a b",
        "a: b",
        "#c",
        "it's",
        "say \"so\"",
        "- x",
        "[y]",
        "null",
        "true",
        "*star",
        "é",
        "10",
        "",
        "a\\b",
        "tab\there",
    ] {
        let text = format!("exclude_columns: [{}]", yaml::written(name));
        let mut diagnostics = Vec::new();
        let node = yaml::parse(&Arc::from("hint.yml"), &text, &mut diagnostics);
        assert!(diagnostics.is_empty(), "{text}: {diagnostics:?}");
        let list = node
            .as_ref()
            .and_then(|node| node.get("exclude_columns"))
            .and_then(yaml::Node::seq)
            .expect("a list");
        assert_eq!((list.len(), list[0].text()), (1, Some(name)), "{text}");
    }
}
