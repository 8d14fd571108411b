//! Measures the time and the peak memory of a command.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use millrace_testkit::peak_memory;

/// The interval at which the memory of a process is sampled.
const LOOK: Duration = Duration::from_millis(10);

/// What a command took, and what it printed.
#[derive(Debug, Clone)]
pub(crate) struct Measured {
    /// Wall-clock time from start to end.
    pub(crate) time: Duration,
    /// The largest peak resident size in the samples, in MB (10^6 bytes).
    pub(crate) peak_mb: f64,
    /// What it printed.
    pub(crate) stdout: String,
}

/// Runs a command to its end. Its stderr goes to that of this process. Returns an error if it does
/// not start, or ends with a failure.
pub(crate) fn run(command: &mut Command) -> Result<Measured, String> {
    let what = format!("{command:?}");
    // Otherwise dirty pages of earlier commands would be written during this one, which would wait
    // for them when it syncs.
    Command::new("sync").status().map_err(|error| format!("`sync` does not start: {error}"))?;
    let started = Instant::now();
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| format!("{what} does not start: {error}"))?;
    let id = child.id();
    let out = child.stdout.take();
    // Read at once, so that a full pipe does not block the command.
    let reader = std::thread::spawn(move || out.map(std::io::read_to_string).transpose());
    let mut peak_mb = 0.0_f64;
    let status = loop {
        peak_mb = peak_mb.max(resident(id).unwrap_or_default());
        match child.try_wait().map_err(|error| error.to_string())? {
            Some(status) => break status,
            None => std::thread::sleep(LOOK),
        }
    };
    let time = started.elapsed();
    let stdout = reader.join().map_err(|_| "the reader failed")?.map_err(|error| error.to_string())?;
    if !status.success() {
        return Err(format!("{what} ended with {status}"));
    }
    Ok(Measured { time, peak_mb, stdout: stdout.unwrap_or_default() })
}

/// The peak resident sizes of a process and of all its descendants, summed, in MB: the command may
/// be a script that starts the real program.
fn resident(process: u32) -> Option<f64> {
    // A process that has ended counts nothing; its peak was sampled before.
    let own = peak_memory(process)?;
    // proc(5): the children of each thread, if the kernel was built to list them.
    let threads = std::fs::read_dir(format!("/proc/{process}/task")).ok()?;
    let lists =
        threads.flatten().filter_map(|thread| std::fs::read_to_string(thread.path().join("children")).ok());
    let children: Vec<u32> = lists
        .flat_map(|list| list.split_whitespace().filter_map(|id| id.parse().ok()).collect::<Vec<_>>())
        .collect();
    Some(own + children.into_iter().filter_map(resident).sum::<f64>())
}
