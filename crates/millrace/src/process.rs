//! Identity of this process, and whether the process that holds a lease still runs.
//!
//! A process is identified by machine, process number and start time, because numbers are reused.
//! The machine is the host name, the boot id and the process namespace. All of it is read from
//! `/proc`; where `/proc` is missing, no process counts as gone.

use std::fs;
use std::path::Path;

use millrace_engine::state::lease::Holder;
use rustix::io::Errno;
use rustix::process::{Pid, test_kill_process};

/// This process, as the holder of a lease.
pub(crate) fn holder() -> Holder {
    let process = std::process::id();
    Holder { machine: machine(), host: host(), process, started: started(process).unwrap_or_default() }
}

/// Whether a process of this machine is certainly gone: no process has its number, or one with
/// another start time has. Returns false if the system does not tell.
pub(crate) fn is_gone(holder: &Holder) -> bool {
    if holder.started.is_empty() || !Path::new("/proc/self/stat").exists() {
        return false;
    }
    match Seen::of(holder.process) {
        Seen::Running(started) => started != holder.started,
        Seen::Ended => true,
        // `/proc` may hide the processes of other users (mount option `hidepid`); a signal 0 still
        // finds them.
        Seen::Nothing => {
            let process = i32::try_from(holder.process).ok().and_then(Pid::from_raw);
            process.is_some_and(|process| test_kill_process(process) == Err(Errno::SRCH))
        }
    }
}

/// What `/proc` shows of a process.
enum Seen {
    /// It runs; with its start time in clock ticks since boot.
    Running(String),
    /// It has ended and is a zombie, or dead.
    Ended,
    /// It has no entry.
    Nothing,
}

impl Seen {
    /// Reads fields 3 (state) and 22 (start time) of `/proc/N/stat`, see proc(5).
    fn of(process: u32) -> Self {
        let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
        // Field 2, the name in parentheses, may itself contain parentheses and spaces.
        let Some((_, fields)) = stat.rsplit_once(')') else { return Self::Nothing };
        let mut fields = fields.split_whitespace();
        if matches!(fields.next(), Some("Z" | "X")) {
            return Self::Ended;
        }
        // The iterator stands at field 4, so field 22 is 18 further.
        fields.nth(18).map_or(Self::Nothing, |started| Self::Running(started.to_owned()))
    }
}

/// The start time of a process; returns `None` if it has ended or the system does not tell.
fn started(process: u32) -> Option<String> {
    match Seen::of(process) {
        Seen::Running(started) => Some(started),
        Seen::Ended | Seen::Nothing => None,
    }
}

/// The host name of the kernel.
fn host() -> String {
    let name = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let name = name.trim();
    if name.is_empty() { "this machine".to_owned() } else { name.to_owned() }
}

/// Host, boot id and process namespace: within them, process number and start time identify a
/// process.
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
