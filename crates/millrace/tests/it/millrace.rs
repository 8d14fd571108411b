//! Starting the binary and reading what it says.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value as Json;
use tempfile::TempDir;

pub(crate) fn binary() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_millrace"));
    command.env_remove("CLICOLOR_FORCE").env("NO_COLOR", "1");
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("PG")) {
        command.env_remove(name);
    }
    command
}

/// The repository's folder.
pub(crate) fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().expect("the repository")
}

/// A copy of a project in a folder of its own.
pub(crate) struct Project {
    folder: TempDir,
}

/// How a command ended.
pub(crate) struct Ended {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ended {
    fn of(output: &Output) -> Self {
        Self {
            code: output.status.code().expect("it was not killed"),
            stdout: String::from_utf8(output.stdout.clone()).expect("stdout is text"),
            stderr: String::from_utf8(output.stderr.clone()).expect("stderr is text"),
        }
    }

    /// The last line of stdout as JSON.
    pub(crate) fn json(&self) -> Json {
        let line = self.stdout.lines().last().unwrap_or_default();
        serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}\n{}", self.stderr))
    }
}

impl Project {
    /// An empty folder.
    pub(crate) fn empty() -> Self {
        Self { folder: TempDir::new().expect("a scratch folder") }
    }

    /// A project made of these files.
    pub(crate) fn of(files: &[(&str, &str)]) -> Self {
        let project = Self::empty();
        for (path, text) in files {
            project.write(path, text);
        }
        project
    }

    /// A copy of the reference project with its own data.
    pub(crate) fn shop() -> Self {
        let project = Self::empty();
        copy(&repository().join("examples/shop"), project.path());
        project
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn write(&self, path: &str, text: impl AsRef<[u8]>) {
        let place = self.path().join(path);
        std::fs::create_dir_all(place.parent().expect("a folder")).expect("the folder can be made");
        std::fs::write(place, text).expect("the file can be written");
    }

    pub(crate) fn read(&self, path: &str) -> String {
        std::fs::read_to_string(self.path().join(path)).expect("the file is there")
    }

    /// Runs a verb on this project.
    pub(crate) fn run(&self, arguments: &[&str]) -> Ended {
        let output =
            binary().args(arguments).arg("--project").arg(self.path()).output().expect("the binary starts");
        Ended::of(&output)
    }

    /// The same with variables in its environment.
    pub(crate) fn run_with(&self, variables: &[(&str, &str)], arguments: &[&str]) -> Ended {
        let mut command = binary();
        command.args(arguments).arg("--project").arg(self.path()).envs(variables.iter().copied());
        Ended::of(&command.output().expect("the binary starts"))
    }

    /// `run --json`, which must end with that code.
    pub(crate) fn run_json(&self, code: i32, more: &[&str]) -> Json {
        let mut arguments = vec!["run", "--json"];
        arguments.extend(more);
        let ended = self.run(&arguments);
        assert_eq!(ended.code, code, "{}\n{}", ended.stdout, ended.stderr);
        ended.json()
    }

    /// The rows of a query, each value as text (`NULL` where there is none).
    pub(crate) fn rows(&self, sql: &str) -> Vec<Vec<String>> {
        self.rows_of(&["query", "--json", sql], sql)
    }

    /// The same in another environment than the first.
    pub(crate) fn rows_in(&self, env: &str, sql: &str) -> Vec<Vec<String>> {
        self.rows_of(&["query", "--json", "--env", env, sql], sql)
    }

    fn rows_of(&self, arguments: &[&str], sql: &str) -> Vec<Vec<String>> {
        let ended = self.run(arguments);
        assert_eq!(ended.code, 0, "{sql}\n{}", ended.stderr);
        let json = ended.json();
        let rows = json["rows"].as_array().expect("rows").iter();
        rows.map(|row| row.as_array().expect("a row").iter().map(shown).collect()).collect()
    }

    /// The only value of a query.
    pub(crate) fn value(&self, sql: &str) -> String {
        let rows = self.rows(sql);
        assert_eq!((rows.len(), rows[0].len()), (1, 1), "{sql}");
        rows[0][0].clone()
    }
}

/// Runs a verb that takes no project.
pub(crate) fn command(arguments: &[&str]) -> Ended {
    Ended::of(&binary().args(arguments).output().expect("the binary starts"))
}

/// The codes of what a run told beside how it went.
pub(crate) fn notices(summary: &Json) -> Vec<&str> {
    let notices = summary["notices"].as_array().expect("notices");
    notices.iter().map(|notice| notice["code"].as_str().expect("a code")).collect()
}

fn shown(value: &Json) -> String {
    match value {
        Json::Null => "NULL".to_owned(),
        Json::String(text) => text.clone(),
        other => other.to_string(),
    }
}

pub(crate) fn copy(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).expect("a folder") {
        let entry = entry.expect("an entry");
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        if source.is_dir() {
            if entry.file_name() != ".millrace" {
                std::fs::create_dir_all(&target).expect("the folder can be made");
                copy(&source, &target);
            }
        } else {
            std::fs::copy(&source, &target).expect("the file can be copied");
        }
    }
}
