//! Why a run runs.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Who or what started a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TriggerKind {
    /// Somebody at the command line.
    #[default]
    Command,
    /// The schedule: its time has come.
    Schedule,
    /// The schedule: a time went by while nobody was there to run.
    CatchUp,
    /// A run of the schedule has failed for a reason that may pass.
    Retry,
    /// A call of the server's interface.
    Api,
}

/// Why a run runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trigger {
    /// Who or what started it.
    pub kind: TriggerKind,
    /// The time of the schedule that it stands for. It is recorded when the run begins; the time counts as handled once the run has
    /// ended, however it has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scheduled_for: Option<Timestamp>,
    /// 1 for the first try, 2 for the first retry, and so on.
    #[serde(default = "first")]
    pub attempt: u32,
}

fn first() -> u32 {
    1
}

impl Default for Trigger {
    fn default() -> Self {
        Self::by(TriggerKind::Command)
    }
}

impl Trigger {
    /// A run that somebody asked for.
    pub fn by(kind: TriggerKind) -> Self {
        Self { kind, scheduled_for: None, attempt: 1 }
    }
}
