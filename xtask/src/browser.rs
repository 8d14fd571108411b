//! The browser test: headless Chromium looks at the page over a mock, which can be brought to every state, and at the real binary, which makes and
//! serves the demo.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::{Outcome, root, say};

/// Ends the server however the test ends.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The figures of the reference project's twenty orders, as its README works them out.
const FIGURES: &str = r#"{"revenue": "1190.13", "orders": "20"}"#;

pub(crate) fn test() -> Outcome {
    let root = root();
    let binary = root.join("target/debug/millrace");
    let scratch = root.join("target/browser-test");
    if scratch.exists() {
        std::fs::remove_dir_all(&scratch).map_err(|error| format!("{}: {error}", scratch.display()))?;
    }
    std::fs::create_dir_all(&scratch).map_err(|error| format!("{}: {error}", scratch.display()))?;
    npm("test:browser:mock", &[])?;
    let demo = scratch.join("demo");
    millrace(&binary, &["demo", &text(&demo), "--no-serve", "--json"])?;
    look(&binary, &demo, &[])?;
    let shop = scratch.join("shop");
    copy(&root.join("examples/shop"), &shop)?;
    millrace(&binary, &["run", "--json", "--project", &text(&shop)])?;
    look(&binary, &shop, &[("EXPECT_FIGURES", FIGURES)])?;
    look(&binary, &shop, &[("LIVE_PROJECT", &text(&shop)), ("MILLRACE", &text(&binary))])
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

/// Runs a verb that must end well; what it tells people goes through.
fn millrace(binary: &Path, arguments: &[&str]) -> Outcome {
    match Command::new(binary).args(arguments).stdout(Stdio::null()).status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("`millrace {}` ended with {status}", arguments.join(" "))),
        Err(error) => Err(format!("{} does not start: {error}; run `make build`", binary.display())),
    }
}

/// Serves a project and has the browser look at it.
fn look(binary: &Path, project: &Path, variables: &[(&str, &str)]) -> Outcome {
    let (server, address) = serve(binary, project)?;
    say(&format!("{} is at {address}", project.display()));
    let address = [("MILLRACE_URL", address.as_str())];
    let tested = npm("test:browser", &[address.as_slice(), variables].concat());
    drop(server);
    tested
}

/// Runs a script of the front end that must end well.
fn npm(script: &str, variables: &[(&str, &str)]) -> Outcome {
    let tested = Command::new("npm")
        .args(["run", script])
        .current_dir(root().join("web"))
        .env("SCREENSHOTS", root().join("target/browser-test/screenshots"))
        .envs(variables.iter().copied())
        .status()
        .map_err(|error| format!("npm does not start: {error}"))?;
    if tested.success() { Ok(()) } else { Err(format!("`npm run {script}` ended with {tested}")) }
}

fn copy(from: &Path, to: &Path) -> Outcome {
    let failed = |path: &Path, error: std::io::Error| format!("{}: {error}", path.display());
    std::fs::create_dir_all(to).map_err(|error| failed(to, error))?;
    for entry in std::fs::read_dir(from).map_err(|error| failed(from, error))? {
        let entry = entry.map_err(|error| failed(from, error))?;
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        if !source.is_dir() {
            std::fs::copy(&source, &target).map_err(|error| failed(&source, error))?;
        } else if entry.file_name() != ".millrace" {
            copy(&source, &target)?;
        }
    }
    Ok(())
}

/// Starts the server on a free port and reads its address from the JSON line that it prints when it listens.
fn serve(binary: &Path, project: &Path) -> Result<(Server, String), String> {
    let mut child = Command::new(binary)
        .args(["serve", "--json", "--address", "127.0.0.1:0", "--project"])
        .arg(project)
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| format!("{} does not start: {error}", binary.display()))?;
    let stdout = child.stdout.take().ok_or("the server has no stdout")?;
    let server = Server(child);
    let mut line = String::new();
    BufReader::new(stdout)
        .read_line(&mut line)
        .map_err(|error| format!("the server says nothing: {error}"))?;
    let said: serde_json::Value =
        serde_json::from_str(&line).map_err(|error| format!("the server said {line:?}: {error}"))?;
    let address =
        said["url"].as_str().ok_or_else(|| format!("the server did not say its address: {line}"))?;
    Ok((server, address.to_owned()))
}
