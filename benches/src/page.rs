//! What benchmarks have in common: options, rows of a table, and the page that they write.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::measure::{Measured, run};
use crate::{Outcome, root, say};

/// What may be chosen: `--orders N`, `--clients N`, `--rows N`, `--many N`, `--binary PATH`.
pub(crate) struct Options {
    pub(crate) orders: u64,
    pub(crate) clients: u64,
    /// Rows of the table that comes over the wire.
    pub(crate) rows: u64,
    /// Rows with which its memory is measured.
    pub(crate) many: u64,
    pub(crate) binary: PathBuf,
}

impl Options {
    pub(crate) fn read(arguments: &[String]) -> Result<Self, String> {
        let mut options = Self {
            orders: 5_000_000,
            clients: 2_000_000,
            rows: 2_000_000,
            many: 20_000_000,
            binary: root().join("target/release/millrace"),
        };
        for pair in arguments.chunks(2) {
            let [name, value] = pair else {
                return Err("write --orders N, --clients N, --rows N, --many N or --binary PATH".into());
            };
            let number = || value.parse::<u64>().map_err(|_| format!("`{value}` is no number"));
            match name.as_str() {
                "--orders" => options.orders = number()?,
                "--clients" => options.clients = number()?,
                "--rows" => options.rows = number()?,
                "--many" => options.many = number()?,
                "--binary" => options.binary = PathBuf::from(value),
                other => return Err(format!("there is no option `{other}`")),
            }
        }
        Ok(options)
    }

    /// `millrace run` of a project, with what its files read from the environment.
    pub(crate) fn millrace(
        &self,
        folder: &Path,
        environment: &str,
        variables: &[(&str, &str)],
    ) -> Result<Measured, String> {
        let mut command = Command::new(&self.binary);
        command.args(["run", "--json", "--env", environment, "--project"]).arg(folder);
        run(command.envs(variables.iter().copied()))
    }
}

/// What a program says of its version; an error where it is not there.
pub(crate) fn version(program: &str) -> Result<String, String> {
    let said = Command::new(program).arg("--version").output().map_err(|_| {
        format!(
            "`{program}` is needed on PATH (pip install duckdb-cli; apt install postgresql mariadb-server)"
        )
    })?;
    Ok(String::from_utf8_lossy(&said.stdout).trim().to_owned())
}

/// One row of a table: what ran, and its quickest round.
pub(crate) struct Row {
    pub(crate) what: String,
    pub(crate) best: Option<Measured>,
}

impl Row {
    pub(crate) fn new(what: &str) -> Self {
        Self { what: what.to_owned(), best: None }
    }

    pub(crate) fn took(&mut self, measured: Measured) {
        say(&format!(
            "{:<44} {:>7.2} s {:>7.0} MB",
            self.what,
            measured.time.as_secs_f64(),
            measured.peak_mb
        ));
        if self.best.as_ref().is_none_or(|best| measured.time < best.time) {
            self.best = Some(measured);
        }
    }

    pub(crate) fn seconds(&self) -> f64 {
        self.best.as_ref().map_or(f64::NAN, |best| best.time.as_secs_f64())
    }

    /// As a line of the page, beside the one that it is measured against.
    pub(crate) fn line(&self, reference: &Self) -> String {
        let peak = self.best.as_ref().map_or(f64::NAN, |best| best.peak_mb);
        let (seconds, ratio) = (self.seconds(), self.seconds() / reference.seconds());
        format!("| {} | {seconds:.1} s | {peak:.0} MB | {ratio:.2} |\n", self.what)
    }
}

/// The head of a table of such lines.
pub(crate) const HEAD: &str = "| | time | peak memory | ratio |\n|---|--:|--:|--:|\n";

/// Puts a text between the two marks of that name in `docs/reference/performance.md`.
pub(crate) fn replace(name: &str, text: &str) -> Outcome {
    let page = root().join("docs/reference/performance.md");
    let old = std::fs::read_to_string(&page).map_err(|error| format!("{}: {error}", page.display()))?;
    let (begin, end) = (format!("<!-- bench {name} -->\n"), format!("<!-- end {name} -->"));
    let (Some(from), Some(to)) = (old.find(&begin), old.find(&end)) else {
        return Err(format!("{} has no marks for `{name}`", page.display()));
    };
    let new = format!("{}{text}{}", &old[..from + begin.len()], &old[to..]);
    std::fs::write(page, new).map_err(|error| error.to_string())
}

/// A copy of a project of `benches/` in which to run, without what it has run before.
pub(crate) fn project(name: &str) -> Result<PathBuf, String> {
    copy_of(name, name)
}

/// The same under another name.
pub(crate) fn copy_of(name: &str, copy_name: &str) -> Result<PathBuf, String> {
    let folder = root().join("target/bench").join(copy_name);
    let copied = copy(&root().join("benches").join(name), &folder);
    copied.map_err(|error| format!("{}: {error}", folder.display()))?;
    // What there is none of need not go.
    let _ = std::fs::remove_dir_all(folder.join(".millrace"));
    Ok(folder)
}

fn copy(from: &Path, to: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            if entry.file_name() != "data" && entry.file_name() != ".millrace" {
                copy(&entry.path(), &target)?;
            }
        } else {
            std::fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}
