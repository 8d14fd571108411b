//! Whether a test sets a key: in what it does itself, or in what it uses of its file.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// A function or a constant of a file.
struct Item<'a> {
    body: &'a str,
    is_test: bool,
}

/// Says what is amiss where the file, a path from the repository on, has no test of that name, or none that sets the key.
pub(super) fn sets(path: &str, test: &str, key: &str) -> Result<(), String> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path);
    let text = std::fs::read_to_string(file).map_err(|error| format!("{path}: {error}"))?;
    sets_in(&text, test, key).map_err(|amiss| format!("{path}: {amiss}"))
}

fn sets_in(text: &str, test: &str, key: &str) -> Result<(), String> {
    let items = items(text);
    if !items.get(test).is_some_and(|item| item.is_test) {
        return Err(format!("there is no test `{test}`"));
    }
    let (mut seen, mut ahead) = (BTreeSet::new(), vec![test]);
    while let Some(name) = ahead.pop() {
        if !seen.insert(name) {
            continue;
        }
        let body = items[name].body;
        if is_set(body, key) {
            return Ok(());
        }
        ahead.extend(items.keys().copied().filter(|other| words(body).any(|word| word == *other)));
    }
    Err(format!("`{test}` does not set `{key}`"))
}

/// Functions and constants by name. A function ends where its first brace is closed, on a line of its own.
fn items(text: &str) -> BTreeMap<&str, Item<'_>> {
    let mut found = BTreeMap::new();
    let mut at = 0;
    let mut is_test = false;
    for line in text.split_inclusive('\n') {
        let (begin, code) = (at, line.trim_start());
        at += line.len();
        let declared = ["pub(crate) ", "pub(super) ", "pub ", "async "]
            .into_iter()
            .fold(code, |rest, word| rest.strip_prefix(word).unwrap_or(rest));
        let rest = &text[begin..];
        let body = if declared.starts_with("fn ") {
            let close = format!("\n{}}}", &line[..line.len() - code.len()]);
            rest.find('{').and_then(|open| rest.find(&close).map(|end| &rest[open..end.max(open)]))
        } else if declared.starts_with("const ") || declared.starts_with("static ") {
            rest.find(";\n").map(|end| &rest[..end])
        } else {
            is_test |= code.starts_with("#[test]") || code.starts_with("#[tokio::test");
            continue;
        };
        let name = declared.split_once(' ').and_then(|(_, rest)| words(rest).next());
        if let (Some(name), Some(body)) = (name, body) {
            found.insert(name, Item { body, is_test });
        }
        is_test = false;
    }
    found
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|word| !word.is_empty())
}

/// Whether code outside of comments has `key: …`, as a line of YAML or within braces, or names the setting `"key"`.
fn is_set(body: &str, key: &str) -> bool {
    let mut code = body.lines().filter(|line| !line.trim_start().starts_with("//"));
    let (named, colon) = (format!("\"{key}\""), format!("{key}:"));
    code.any(|line| {
        let is_key = |at: usize| {
            let before = &line[..at];
            let begins =
                before.ends_with("\\n") || !before.ends_with(|c: char| c.is_alphanumeric() || c == '_');
            begins && !line[at + colon.len()..].starts_with(':')
        };
        line.contains(&named) || line.match_indices(&colon).any(|(at, _)| is_key(at))
    })
}

#[test]
fn a_key_is_set_by_code_that_the_test_uses() {
    let text = "const SOURCE: &str = \"type: csv\\nsample: 2\\n\";\n\n\
        fn helper(lag: &str) {\n    set(SOURCE);\n}\n\n\
        #[test]\nfn one() {\n    // url: in a comment\n    helper(\"table\");\n    Url::new();\n}\n\n\
        mod inner {\n    #[tokio::test]\n    async fn two() {\n        let s = \"{s3: {}}\";\n    }\n\n    fn path() {}\n}\n";
    for (test, key, expected) in [
        ("one", "table", true),
        ("one", "sample", true),
        ("one", "type", true),
        ("one", "url", false),
        ("one", "lag", false),
        ("one", "ample", false),
        ("one", "Url", false),
        ("one", "s3", false),
        ("two", "s3", true),
        ("two", "table", false),
        ("helper", "sample", false),
        ("three", "sample", false),
    ] {
        assert_eq!(sets_in(text, test, key).is_ok(), expected, "{test} {key}");
    }
}
