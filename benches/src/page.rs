//! What the benchmarks share: options, rows of a table, and the page that they write.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::measure::{Measured, run};
use crate::{Outcome, root, say};

/// The options `--orders N`, `--clients N`, `--rows N`, `--many N` and `--binary PATH`.
pub(crate) struct Options {
    /// Orders in the files of `star`, `files` and `again`.
    pub(crate) orders: u64,
    /// Clients in the file of `star`.
    pub(crate) clients: u64,
    /// Rows of the table that is read from a MySQL server.
    pub(crate) rows: u64,
    /// Rows of that table when the memory is measured.
    pub(crate) many: u64,
    /// The program `millrace`.
    pub(crate) binary: PathBuf,
}

impl Options {
    /// Reads the options, with their defaults. Returns an error for an unknown one or a bad number.
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

    /// Measures `millrace run` of a project in an environment. `variables` are set for the process.
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

/// What a program prints for `--version`. Returns an error if it is not installed.
pub(crate) fn version(program: &str) -> Result<String, String> {
    let said = Command::new(program).arg("--version").output().map_err(|_| {
        format!(
            "`{program}` is needed on PATH (pip install duckdb-cli; apt install postgresql mariadb-server)"
        )
    })?;
    Ok(String::from_utf8_lossy(&said.stdout).trim().to_owned())
}

/// One row of a table: what was run, and its fastest round.
pub(crate) struct Row {
    /// What was run, as the page names it.
    pub(crate) what: String,
    /// The fastest round so far.
    pub(crate) best: Option<Measured>,
}

impl Row {
    pub(crate) fn new(what: &str) -> Self {
        Self { what: what.to_owned(), best: None }
    }

    /// Adds a round, and keeps it if it is the fastest one.
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

    /// The time of the fastest round in seconds; NaN if there was none.
    pub(crate) fn seconds(&self) -> f64 {
        self.best.as_ref().map_or(f64::NAN, |best| best.time.as_secs_f64())
    }

    /// The row as a line of the page, with the ratio of its time to that of `reference`.
    pub(crate) fn line(&self, reference: &Self) -> String {
        let peak = self.best.as_ref().map_or(f64::NAN, |best| best.peak_mb);
        let (seconds, ratio) = (self.seconds(), self.seconds() / reference.seconds());
        format!("| {} | {seconds:.1} s | {peak:.0} MB | {ratio:.2} |\n", self.what)
    }
}

/// The head of a table of such lines.
pub(crate) const HEAD: &str = "| | time | peak memory | ratio |\n|---|--:|--:|--:|\n";

/// Replaces the text between the two marks of a name in `docs/reference/performance.md`.
pub(crate) fn replace(name: &str, text: &str) -> Outcome {
    let page = root().join("docs/reference/performance.md");
    let old = std::fs::read_to_string(&page).map_err(|error| format!("{}: {error}", page.display()))?;
    let (begin, end) = (format!("<!-- bench {name} -->\n"), format!("<!-- end {name} -->"));
    // Only the section of this benchmark is replaced, so each can be run alone.
    let (Some(from), Some(to)) = (old.find(&begin), old.find(&end)) else {
        return Err(format!("{} has no marks for `{name}`", page.display()));
    };
    let new = format!("{}{text}{}", &old[..from + begin.len()], &old[to..]);
    std::fs::write(page, new).map_err(|error| error.to_string())
}

/// Copies a project of `benches/` to a folder in which it can run, without results of earlier runs.
pub(crate) fn project(name: &str) -> Result<PathBuf, String> {
    copy_of(name, name)
}

/// The same, with another name for the copy.
pub(crate) fn copy_of(name: &str, copy_name: &str) -> Result<PathBuf, String> {
    let folder = root().join("target/bench").join(copy_name);
    let copied = copy(&root().join("benches").join(name), &folder);
    copied.map_err(|error| format!("{}: {error}", folder.display()))?;
    // The folder may not exist.
    let _ = std::fs::remove_dir_all(folder.join(".millrace"));
    Ok(folder)
}

/// Copies a folder, apart from data and state in it.
fn copy(from: &Path, to: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            // Generated data may be large, and a run must not find an earlier state.
            if entry.file_name() != "data" && entry.file_name() != ".millrace" {
                copy(&entry.path(), &target)?;
            }
        } else {
            std::fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}
