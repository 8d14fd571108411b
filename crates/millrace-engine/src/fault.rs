//! Places at which a test lets the process die, to show that nothing is lost or doubled there.
//!
//! Nothing happens unless the binary arms a point (`MILLRACE_FAULT=NAME` in its environment). Then the process aborts the first
//! time that it comes by: no destructor runs, nothing is flushed, as if the power had gone.

use std::sync::OnceLock;

/// All points, in the order in which a run that loads, builds and publishes comes by.
pub const POINTS: [&str; 9] = [
    "lease-taken",
    "load-rows-written",
    "load-committed",
    "model-built",
    "hooks-done",
    "tests-passed",
    "publish-not-committed",
    "published",
    "retired",
];

/// Those by which only a load comes that is committed in parts.
pub const PARTS: [&str; 2] = ["part-rows-written", "part-committed"];

static ARMED: OnceLock<String> = OnceLock::new();

/// Arms a point; only the first call of a process counts. Returns whether there is such a point.
pub fn arm(point: &str) -> bool {
    let known = POINTS.contains(&point) || PARTS.contains(&point);
    if known {
        let _ = ARMED.set(point.to_owned());
    }
    known
}

/// Dies here if the point is armed.
pub fn reach(point: &str) {
    debug_assert!(
        POINTS.contains(&point) || PARTS.contains(&point),
        "fault point `{point}` is not in the list"
    );
    if ARMED.get().is_some_and(|armed| armed == point) {
        std::process::abort();
    }
}
