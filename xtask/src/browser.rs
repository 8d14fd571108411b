//! The browser test: the real binary makes and serves the demo, headless Chromium looks at it.

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

pub(crate) fn test() -> Outcome {
    let root = root();
    let binary = root.join("target/debug/millrace");
    let scratch = root.join("target/browser-test");
    if scratch.exists() {
        std::fs::remove_dir_all(&scratch).map_err(|error| format!("{}: {error}", scratch.display()))?;
    }
    let project = scratch.join("demo");
    std::fs::create_dir_all(&scratch).map_err(|error| format!("{}: {error}", scratch.display()))?;
    let made = Command::new(&binary)
        .arg("demo")
        .arg(&project)
        .args(["--no-serve", "--json"])
        .stdout(Stdio::null())
        .status();
    match made {
        Ok(status) if status.success() => {}
        Ok(status) => return Err(format!("`millrace demo` ended with {status}")),
        Err(error) => return Err(format!("{} does not start: {error}; run `make build`", binary.display())),
    }
    let (server, address) = serve(&binary, &project)?;
    say(&format!("the demo is at {address}"));
    let tested = Command::new("npm")
        .args(["run", "test:browser"])
        .current_dir(root.join("web"))
        .env("MILLRACE_URL", &address)
        .env("SCREENSHOTS", scratch.join("screenshots"))
        .status()
        .map_err(|error| format!("npm does not start: {error}"))?;
    drop(server);
    if tested.success() { Ok(()) } else { Err(format!("the browser test ended with {tested}")) }
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
