//! This process, told apart from all others, and whether another one is still there.

use std::fs;
use std::path::Path;

use millrace_engine::lease::Holder;

/// This process.
pub(crate) fn holder() -> Holder {
    let process = std::process::id();
    Holder { machine: machine(), host: host(), process, started: started(process).unwrap_or_default() }
}

/// Whether a process of this machine is surely gone: there is none of its number, or one that started at another time. False where
/// the system does not say.
pub(crate) fn is_gone(holder: &Holder) -> bool {
    if holder.started.is_empty() || !Path::new("/proc/self/stat").exists() {
        return false;
    }
    started(holder.process).is_none_or(|started| started != holder.started)
}

/// The process's start in ticks since the machine's start, field 22 of `/proc/N/stat` (proc(5)). A process that has ended and waits
/// for its parent counts as gone.
fn started(process: u32) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The name in parentheses may hold anything, also parentheses.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    if matches!(fields.next(), Some("Z" | "X")) {
        return None;
    }
    fields.nth(18).map(str::to_owned)
}

fn host() -> String {
    let name = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let name = name.trim();
    if name.is_empty() { "this machine".to_owned() } else { name.to_owned() }
}

/// Host, boot and process namespace: within them a process number and a start time mean one process.
fn machine() -> String {
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let namespace =
        fs::read_link("/proc/self/ns/pid").map(|link| link.display().to_string()).unwrap_or_default();
    format!("{} {} {namespace}", host(), boot.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_there_until_it_has_ended() {
        let own = holder();
        assert!(!is_gone(&own));
        let mut child = std::process::Command::new("sleep").arg("60").spawn().expect("a process");
        let other =
            Holder { process: child.id(), started: started(child.id()).expect("it runs"), ..own.clone() };
        assert!(!is_gone(&other));
        child.kill().expect("it ends");
        child.wait().expect("it has ended");
        assert!(is_gone(&other));
        // Another process of the same number.
        assert!(is_gone(&Holder { started: "1".to_owned(), ..own }));
    }
}
