//! Resolves the setting `path` to the files of a stream.
//!
//! `path` names one file or a list, on this machine or on others. Patterns use the crate `glob`,
//! with the shell's rule for names that begin with a dot (see [`Shown`]).

use std::path::Path;

use millrace_core::project::settings::{Setting, Settings};
use millrace_core::project::spec::{KeyKind, KeySpec};
use millrace_engine::error::{Error, ErrorKind, Result};

use crate::files::input_file::{InputFile, Place};
use crate::files::pattern::Shown;
use crate::files::remote;

/// The key `path` of sources and streams: which files they read.
pub(crate) const PATH: KeySpec = KeySpec::optional(
    "path",
    KeyKind::Text,
    "File, from the project folder on, or several with `*`, `?` and `**` (`data/orders_*.json`); also `https://…`, and `s3://bucket/…` with patterns. As in a shell, these stand for no name that begins with a dot. A stream's own path goes before its source's. Files packed by gzip or zstd (`.gz`, `.zst`) are unpacked.",
);

/// The files of the setting `path`. Fails with `SourceEmpty` if there are none. The order is that
/// of [`matching`].
pub(crate) fn files(project_dir: &Path, settings: &Settings) -> Result<Vec<InputFile>> {
    let files = matching(project_dir, settings)?;
    if files.is_empty() {
        let path = settings.text("path").map_or_else(|| settings.list("path").join(", "), str::to_owned);
        return Err(Error::new(ErrorKind::SourceEmpty, format!("no file matches `path: {path}`")).hint(
            "`path` starts at the project folder; `*` stands for any part of a name, `**` for any folders.",
        ));
    }
    Ok(files)
}

/// The files of the setting `path`; may be none if it is a pattern. Sorted by name; if `path` is a
/// list, in the order of the list, each file once.
///
/// A path without a pattern is returned even if no such file exists: opening it reports that.
pub(crate) fn matching(project_dir: &Path, settings: &Settings) -> Result<Vec<InputFile>> {
    let mut found: Vec<InputFile> = Vec::new();
    for path in settings.list("path") {
        let one = matching(project_dir, &settings.clone().with("path", Setting::Text(path.clone())))?;
        for file in one {
            if !found.iter().any(|other| other.name == file.name) {
                found.push(file);
            }
        }
    }
    if !settings.list("path").is_empty() {
        return Ok(found);
    }
    let Some(path) = settings.text("path").filter(|path| !path.is_empty()) else {
        return Err(Error::new(
            ErrorKind::SourceUnreadable,
            "neither the source nor the stream says which file to read",
        )
        .hint("Add `path: data/file.json`, say, to the source or to the stream."));
    };
    if remote::is_remote(path) {
        let objects = remote::matching(path, settings)?.into_iter();
        let mut files: Vec<InputFile> = objects.map(InputFile::of_object).collect();
        files.sort_by(|a, b| a.name.cmp(&b.name));
        return Ok(files);
    }
    let whole = project_dir.join(path);
    // A file name may contain an asterisk itself.
    if !path.contains(['*', '?', '[']) || whole.is_file() {
        return Ok(vec![InputFile { name: name_of(&whole, project_dir), place: Place::Disk(whole) }]);
    }
    let broken = |cause: String| {
        Error::new(ErrorKind::SourceUnreadable, format!("`path: {path}` is no file pattern")).caused_by(cause)
    };
    // Only `path` is a pattern. The project folder is escaped, because its name may contain special
    // characters.
    let pattern = if Path::new(path).is_absolute() {
        path.to_owned()
    } else {
        format!("{}/{path}", glob::Pattern::escape(&project_dir.to_string_lossy()))
    };
    let shown = Shown::new(path).map_err(|error| broken(error.to_string()))?;
    // The name in the form in which the pattern is written: relative to the project folder, or
    // absolute.
    let written = |found: &Path| {
        if Path::new(path).is_absolute() {
            found.to_string_lossy().into_owned()
        } else {
            name_of(found, project_dir)
        }
    };
    let mut files = Vec::new();
    for found in glob::glob(&pattern).map_err(|error| broken(error.to_string()))? {
        let found = match found {
            // An unreadable hidden folder is no error, because the pattern shows nothing in it.
            Err(error) if !shown.leads_to(&written(error.path())) => continue,
            found => found.map_err(|error| {
                Error::new(ErrorKind::SourceUnreachable, format!("`path: {path}` cannot be looked through"))
                    .caused_by(error)
            })?,
        };
        if found.is_file() && shown.matches(&written(&found)) {
            files.push(InputFile { name: name_of(&found, project_dir), place: Place::Disk(found) });
        }
    }
    files.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(files)
}

/// The name relative to the project folder, with forward slashes; the whole path if it is outside
/// of that folder.
fn name_of(path: &Path, project_dir: &Path) -> String {
    let name = path.strip_prefix(project_dir).unwrap_or(path).to_string_lossy().into_owned();
    if std::path::MAIN_SEPARATOR == '/' { name } else { name.replace(std::path::MAIN_SEPARATOR, "/") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(dir: &Path, path: &str) -> Result<Vec<String>> {
        let settings = Settings::new([("path".to_owned(), Setting::Text(path.to_owned()))]);
        files(dir, &settings).map(|files| files.into_iter().map(|file| file.name).collect())
    }

    #[test]
    fn patterns_are_sorted_and_relative() {
        let dir = tempfile::tempdir().expect("a folder");
        // The project's own folder may look like a pattern.
        let project = dir.path().join("shop[1]");
        std::fs::create_dir_all(project.join("data/b*d")).expect("folders");
        for name in ["data/orders_2.json", "data/orders_10.json", "data/other.json", "data/a*.json"] {
            std::fs::write(project.join(name), "").expect("a file");
        }
        let names = |path: &str| find(&project, path).expect("files");
        assert_eq!(names("data/orders_*.json"), ["data/orders_10.json", "data/orders_2.json"]);
        assert_eq!(names("data/a*.json"), ["data/a*.json"], "an existing name is no pattern");
        assert_eq!(names("data/missing.json"), ["data/missing.json"], "opening it will say so");
        let none = find(&project, "data/none_*.json").expect_err("no file");
        assert_eq!(none.kind(), ErrorKind::SourceEmpty);
        assert_eq!(find(&project, "data/[").expect_err("no pattern").kind(), ErrorKind::SourceUnreadable);
        assert_eq!(
            files(&project, &Settings::default()).expect_err("no path").kind(),
            ErrorKind::SourceUnreadable
        );
    }

    #[test]
    fn wildcards_do_not_stand_for_hidden_names() {
        let dir = tempfile::tempdir().expect("a folder");
        // The project itself may be in a hidden folder.
        let project = dir.path().join(".work/shop");
        for folder in ["data/.upload/deep", "data/shown", ".data"] {
            std::fs::create_dir_all(project.join(folder)).expect("a folder");
        }
        let files = [
            "data/._s.csv",
            "data/.csv",
            "data/s.csv",
            "data/.upload/s.csv",
            "data/.upload/deep/s.csv",
            "data/shown/s.csv",
            "data/shown/.s.csv.k3x9",
            ".data/s.csv",
        ];
        for name in files {
            std::fs::write(project.join(name), "").expect("a file");
        }
        let expected: [(&str, &[&str]); 12] = [
            ("data/*", &["data/s.csv"]),
            ("data/*.csv", &["data/s.csv"]),
            ("data/?.csv", &["data/s.csv"]),
            ("data/[.s]*.csv", &["data/s.csv"]),
            ("data/**/*.csv", &["data/s.csv", "data/shown/s.csv"]),
            ("./data//**/s.csv", &["data/s.csv", "data/shown/s.csv"]),
            ("**/*.csv", &["data/s.csv", "data/shown/s.csv"]),
            ("data/.*", &["data/._s.csv", "data/.csv"]),
            ("data/.upload/*.csv", &["data/.upload/s.csv"]),
            ("data/.up*/**/*.csv", &["data/.upload/deep/s.csv", "data/.upload/s.csv"]),
            ("data/*/.s.*", &["data/shown/.s.csv.k3x9"]),
            ("data/../.data/*.csv", &["data/../.data/s.csv"]),
        ];
        for (path, expected) in expected {
            assert_eq!(find(&project, path).expect(path), expected, "{path}");
        }
        let absolute = format!("{}/**/*.csv", project.join("data").display());
        assert_eq!(find(&project, &absolute).expect("files"), ["data/s.csv", "data/shown/s.csv"]);
    }
}
