//! This process, told apart from all others, and whether another one is still there.

use std::fs;
use std::path::Path;

use millrace_engine::state::lease::Holder;
use rustix::io::Errno;
use rustix::process::{Pid, test_kill_process};

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
    match Seen::of(holder.process) {
        Seen::Running(started) => started != holder.started,
        Seen::Ended => true,
        // Of other users' processes `/proc` may show nothing (its mount option `hidepid`); the system knows them all the same.
        Seen::Nothing => {
            let process = i32::try_from(holder.process).ok().and_then(Pid::from_raw);
            process.is_some_and(|process| test_kill_process(process) == Err(Errno::SRCH))
        }
    }
}

/// What `/proc` says of a process.
enum Seen {
    /// It started then, in ticks since the machine's start.
    Running(String),
    /// It has ended and waits for its parent.
    Ended,
    Nothing,
}

impl Seen {
    /// Fields 3 and 22 of `/proc/N/stat` (proc(5)).
    fn of(process: u32) -> Self {
        let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
        // The name in parentheses may hold anything, also parentheses.
        let Some((_, fields)) = stat.rsplit_once(')') else { return Self::Nothing };
        let mut fields = fields.split_whitespace();
        if matches!(fields.next(), Some("Z" | "X")) {
            return Self::Ended;
        }
        fields.nth(18).map_or(Self::Nothing, |started| Self::Running(started.to_owned()))
    }
}

/// When a process started; none where it has ended or the system does not say.
fn started(process: u32) -> Option<String> {
    match Seen::of(process) {
        Seen::Running(started) => Some(started),
        Seen::Ended | Seen::Nothing => None,
    }
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
