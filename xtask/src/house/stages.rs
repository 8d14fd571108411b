//! The stages of the engine: a folder imports only from those before its own (ADR 35).

use crate::house::imports::Crate;
use crate::root;

/// Files and folders of `crates/millrace-engine/src`, from what everything may use to what uses everything.
const STAGES: [&[&str]; 8] = [
    &["error", "cancel", "fault"],
    &["ports"],
    &["compile"],
    &["state"],
    &["event", "retry"],
    &["load"],
    &["run"],
    &["schedule"],
];

/// The imports of the engine's files, and those of them that go from a stage to a later one.
pub(super) fn upward_imports() -> (usize, Vec<String>) {
    let engine = Crate::read(&root().join("crates/millrace-engine/src"));
    let stage = |module: &[String]| STAGES.iter().position(|stage| stage.contains(&module[0].as_str()));
    let (mut read, mut upward) = (0, Vec::new());
    for (from, to) in engine.imports().filter(|(from, _)| !from.is_empty()) {
        read += 1;
        let allowed = stage(from).zip(stage(to)).is_some_and(|(here, there)| there <= here);
        if !allowed {
            upward.push(format!(
                "{} imports {}, which is of a later stage or of none",
                from.join("/"),
                to.join("/")
            ));
        }
    }
    (read, upward)
}
