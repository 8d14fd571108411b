//! What started a run.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The kind of a trigger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TriggerKind {
    /// A command.
    #[default]
    Command,
    /// The schedule: a time has come.
    Schedule,
    /// The schedule: a time passed while no server was running.
    CatchUp,
    /// The retry of a scheduled run that failed for a transient reason.
    Retry,
    /// A request to the server's API.
    Api,
}

/// What started a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trigger {
    /// The kind.
    pub kind: TriggerKind,
    /// The time of the schedule that the run is for. It is recorded when the run begins. It counts
    /// as handled as soon as the run has succeeded, found nothing new or is held, and after a
    /// failure once the scheduler gives up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scheduled_for: Option<Timestamp>,
    /// 1 for the first attempt, 2 for the first retry, and so on.
    #[serde(default = "first")]
    pub attempt: u32,
}

/// The default for records that lack the field.
fn first() -> u32 {
    1
}

impl Default for Trigger {
    fn default() -> Self {
        Self::by(TriggerKind::Command)
    }
}

impl Trigger {
    /// The trigger of a first attempt that is not for a time of the schedule.
    pub fn by(kind: TriggerKind) -> Self {
        Self { kind, scheduled_for: None, attempt: 1 }
    }
}
