//! Which file of a crate imports which, and where imports go in a circle.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::house::sources::{code, files, is_test};
use crate::root;

/// A file as a module: the names from the crate's root on.
pub(super) type Module = Vec<String>;

/// The files of a crate, and what each imports of the others.
pub(super) struct Crate {
    imports: BTreeMap<Module, BTreeSet<Module>>,
    /// Modules that have files below them.
    with_children: BTreeSet<Module>,
}

/// Names and source folders of the crates.
pub(super) fn crates() -> Vec<(String, PathBuf)> {
    let folders = std::fs::read_dir(root().join("crates")).into_iter().flatten().flatten();
    let mut found: Vec<(String, PathBuf)> = folders
        .map(|entry| (entry.file_name().to_string_lossy().into_owned(), entry.path().join("src")))
        .collect();
    found.sort();
    found
}

/// Modules as a path has them.
pub(super) fn names(modules: &[Module]) -> Vec<String> {
    modules.iter().map(|module| module.join("/")).collect()
}

impl Crate {
    /// Reads all files below a folder but for tests.
    pub(super) fn read(folder: &Path) -> Self {
        let below = folder.strip_prefix(root()).unwrap_or(folder).display().to_string();
        let sources = files(&[&below], &[".rs"]).into_iter().filter(|file| !is_test(file));
        let texts = sources.map(|file| {
            let module = module_of(file.strip_prefix(folder).unwrap_or(&file));
            (module, without_comments(&code(&file)))
        });
        Self::of(&texts.collect())
    }

    fn of(texts: &BTreeMap<Module, String>) -> Self {
        let modules: BTreeSet<Module> = texts.keys().cloned().collect();
        let imports = texts.iter().map(|(module, text)| {
            let paths = paths(module, text).into_iter().chain(children_used(module, text));
            let mut found: BTreeSet<Module> = paths.map(|path| nearest(&modules, path)).collect();
            found.remove(module);
            // Of the root everything is a part.
            found.remove(&Vec::new());
            (module.clone(), found)
        });
        let with_children = modules.iter().filter(|module| !module.is_empty());
        Self {
            imports: imports.collect(),
            with_children: with_children.map(|module| module[..module.len() - 1].to_vec()).collect(),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.imports.len()
    }

    /// Each import as a pair: from, to.
    pub(super) fn imports(&self) -> impl Iterator<Item = (&Module, &Module)> {
        self.imports.iter().flat_map(|(from, to)| to.iter().map(move |to| (from, to)))
    }

    /// Files that import each other, perhaps through others.
    pub(super) fn circles(&self) -> Vec<Vec<Module>> {
        let reached: BTreeMap<&Module, BTreeSet<&Module>> =
            self.imports.keys().map(|module| (module, self.reached(module))).collect();
        let mut found: BTreeSet<Vec<Module>> = BTreeSet::new();
        for (module, others) in &reached {
            let back = |other: &&&Module| reached.get(**other).is_some_and(|there| there.contains(module));
            let circle: Vec<Module> = others.iter().filter(back).map(|other| (*other).clone()).collect();
            if circle.len() > 1 {
                found.insert(circle);
            }
        }
        found.into_iter().collect()
    }

    fn reached<'a>(&'a self, from: &'a Module) -> BTreeSet<&'a Module> {
        let (mut found, mut open) = (BTreeSet::new(), vec![from]);
        while let Some(module) = open.pop() {
            let new = self.imports.get(module).into_iter().flatten().filter(|next| found.insert(*next));
            open.extend(new.collect::<Vec<_>>());
        }
        found
    }

    /// The folders of some files; that of `a.rs` is `a` where files are below it.
    pub(super) fn folders(&self, modules: &[Module]) -> BTreeSet<String> {
        let folder = |module: &Module| {
            let depth = if self.with_children.contains(module) { module.len() } else { module.len() - 1 };
            module[..depth].join("/")
        };
        modules.iter().map(folder).collect()
    }
}

fn module_of(file: &Path) -> Module {
    let mut names: Module =
        file.with_extension("").components().map(|part| part.as_os_str().to_string_lossy().into()).collect();
    if names.last().is_some_and(|last| matches!(last.as_str(), "mod" | "lib" | "main")) {
        names.pop();
    }
    names
}

fn without_comments(text: &str) -> String {
    let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
    code.collect::<Vec<_>>().join("\n")
}

/// The module with the most names that a path begins with.
fn nearest(modules: &BTreeSet<Module>, mut path: Module) -> Module {
    while !modules.contains(&path) {
        path.pop();
    }
    path
}

/// Paths from `crate`, `self` and `super` in a text, with those of groups in braces, from the crate's root on.
fn paths(module: &Module, text: &str) -> Vec<Module> {
    let mut found = Vec::new();
    for (word, depth) in
        [("crate::", 0), ("self::", module.len()), ("super::", module.len().saturating_sub(1))]
    {
        for (at, _) in text.match_indices(word) {
            // A part of another word, of a path that was taken already, or of `pub(in crate::a)`.
            let before = &text[..at];
            if before.ends_with("(in ")
                || before.ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':')
            {
                continue;
            }
            group(module[..depth].to_vec(), &text[at + word.len()..], &mut found);
        }
    }
    found
}

/// Reads a path, or the paths of a group, after `before`; returns what follows.
fn group<'a>(mut before: Module, text: &'a str, found: &mut Vec<Module>) -> &'a str {
    let mut rest = text.trim_start();
    if let Some(inner) = rest.strip_prefix('{') {
        rest = inner;
        loop {
            rest = group(before.clone(), rest, found).trim_start();
            match rest.strip_prefix(',') {
                Some(next) => rest = next,
                None => return rest.strip_prefix('}').unwrap_or(rest),
            }
        }
    }
    let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
    let (name, after) = rest.split_at(end);
    match name {
        "super" => drop(before.pop()),
        "self" | "" => {}
        name => before.push(name.to_owned()),
    }
    match after.strip_prefix("::") {
        Some(next) if !name.is_empty() => group(before, next, found),
        _ => {
            found.push(before);
            after.trim_start().strip_prefix("as ").map_or(after, |renamed| {
                renamed.trim_start_matches(|c: char| c.is_alphanumeric() || c == '_')
            })
        }
    }
}

/// Modules that a file declares and uses by their bare names.
fn children_used(module: &Module, text: &str) -> Vec<Module> {
    let declared = text.lines().filter_map(|line| {
        let words = line.trim().strip_suffix(';')?;
        let (_, name) =
            words.rsplit_once("mod ").filter(|(before, _)| before.is_empty() || before.starts_with("pub"))?;
        Some(name)
    });
    let used = |name: &&str| {
        let path = format!("{name}::");
        text.match_indices(&path)
            .any(|(at, _)| !text[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':'))
    };
    declared.filter(used).map(|name| [module.as_slice(), &[name.to_owned()]].concat()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn module(path: &str) -> Module {
        path.split('/').filter(|name| !name.is_empty()).map(str::to_owned).collect()
    }

    fn made(files: &[(&str, &str)]) -> Crate {
        Crate::of(&files.iter().map(|(path, text)| (module(path), (*text).to_owned())).collect())
    }

    #[test]
    fn imports_are_read_in_all_their_spellings() {
        let made = made(&[
            ("", "pub mod a;"),
            ("a", "mod b;\nuse crate::{c::{self, D}, e as f};\nfn x() { b::y() }"),
            ("a/b", "use super::Z;\nuse super::super::c::D;\nlet x = self::own;"),
            ("c", "fn x() { crate::e::f::<crate::a::b::T>() }"),
            ("e", "use other::crate_name::a;"),
        ]);
        let imports: Vec<String> =
            made.imports().map(|(from, to)| format!("{} {}", from.join("/"), to.join("/"))).collect();
        assert_eq!(imports, ["a a/b", "a c", "a e", "a/b a", "a/b c", "c a/b", "c e"]);
    }

    #[test]
    fn circles_are_found_with_their_folders() {
        let made = made(&[
            ("a", "mod b;"),
            ("a/b", "use crate::a::c;"),
            ("a/c", "use crate::d::e;"),
            ("d/e", "use crate::a::b;"),
            ("d/f", "use crate::d::g;"),
            ("d/g", "use crate::d::f;"),
            ("d/h", "use crate::d::g;"),
        ]);
        let circles = made.circles();
        assert_eq!(circles.len(), 2);
        assert_eq!(names(&circles[0]), ["a/b", "a/c", "d/e"]);
        assert_eq!(made.folders(&circles[0]).len(), 2);
        assert_eq!(names(&circles[1]), ["d/f", "d/g"]);
        assert_eq!(made.folders(&circles[1]).into_iter().collect::<Vec<_>>(), ["d"]);
    }
}
