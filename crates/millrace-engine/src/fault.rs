//! Fault points: places at which tests let the process die, to prove that nothing is lost or
//! duplicated there.
//!
//! They do nothing unless the binary arms one (`MILLRACE_FAULT=NAME` in its environment). The
//! process then aborts the first time it reaches the point. No destructor runs and nothing is
//! flushed, as in a power failure.

use std::sync::OnceLock;

/// All points that a run with loads, models and a publish reaches. The order is about that of the
/// run; `hooks-done` comes just before `model-built`.
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

/// Points that only a load that is committed in parts reaches.
pub const PARTS: [&str; 2] = ["part-rows-written", "part-committed"];

static ARMED: OnceLock<String> = OnceLock::new();

/// Arms a point. Only the first call in a process has an effect. Returns false if there is no such
/// point.
pub fn arm(point: &str) -> bool {
    let known = POINTS.contains(&point) || PARTS.contains(&point);
    if known {
        let _ = ARMED.set(point.to_owned());
    }
    known
}

/// Aborts the process if the point is armed.
pub fn reach(point: &str) {
    debug_assert!(
        POINTS.contains(&point) || PARTS.contains(&point),
        "fault point `{point}` is not in the list"
    );
    if ARMED.get().is_some_and(|armed| armed == point) {
        std::process::abort();
    }
}
