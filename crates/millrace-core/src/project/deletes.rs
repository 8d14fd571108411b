//! Decodes how rows are handled that were deleted in the source: `deletes` and `reconcile_every`
//! (ADR 14).

use std::time::Duration;

use crate::code::Code;
use crate::project::decode::Decoder;
use crate::project::spec::{KeyKind, KeySpec};
use crate::project::yaml::Node;

/// The key `deletes`, for streams of connectors that can read only changed rows.
pub const DELETES: KeySpec = KeySpec::optional(
    "deletes",
    KeyKind::OneOf(&["ignore", "reconcile"]),
    "With `mode: incremental` or `upsert`, what becomes of rows that the source has deleted. `reconcile`: the keys of both sides are compared, and rows whose keys are gone are removed. `ignore`: they may stay, and `check` warns no more.",
);

/// The key `reconcile_every`: how often deletes are reconciled.
pub const RECONCILE_EVERY: KeySpec = KeySpec::optional(
    "reconcile_every",
    KeyKind::Text,
    "With `deletes: reconcile`, how often keys are compared: `1d` (there are m, h and d), by the first run for which so much time has passed. Without it, by each run.",
);

/// How rows are handled that were deleted in the source.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Deletes {
    /// Not specified by the project. The rows stay.
    #[default]
    Unsaid,
    /// The rows stay.
    Ignored,
    /// The rows are found by comparing keys, and removed.
    Reconciled {
        /// Minimum time between two comparisons; zero compares in each run.
        every: Duration,
    },
}

impl Deletes {
    /// Whether a comparison is due. `since` is the time since the last one; `None` if there was
    /// none. A run may be early by a tenth of the interval, so that an interval of one day works
    /// with a run at each midnight.
    pub fn is_due(self, since: Option<Duration>) -> bool {
        match (self, since) {
            (Self::Reconciled { every }, Some(since)) => since + every / 10 >= every,
            (Self::Reconciled { .. }, None) => true,
            (Self::Unsaid | Self::Ignored, _) => false,
        }
    }
}

/// Decodes the keys of a stream, otherwise those of the defaults.
pub(super) fn deletes(node: &Node, defaults: &Node, decoder: &mut Decoder<'_>) -> Deletes {
    let either = |key: &str| node.get(key).or_else(|| defaults.get(key));
    let every = either("reconcile_every").map(|node| (node.text().and_then(duration), &node.range));
    if let Some((None, range)) = every {
        let hint = "Write `12h` or `1d`; there are m, h and d.".to_owned();
        decoder.report_once(Code::WrongValue, range, "`reconcile_every` takes a length of time", Some(hint));
    }
    match either("deletes").and_then(Node::text) {
        Some("ignore") => Deletes::Ignored,
        Some("reconcile") => {
            Deletes::Reconciled { every: every.and_then(|(every, _)| every).unwrap_or_default() }
        }
        _ => Deletes::Unsaid,
    }
}

/// Parses a duration such as `30m`, `12h` or `1d`: more than zero, and at most 3,660 days (ten
/// years).
fn duration(text: &str) -> Option<Duration> {
    let unit = match text.chars().last()? {
        'm' => 60,
        'h' => 60 * 60,
        'd' => 24 * 60 * 60,
        _ => return None,
    };
    let seconds = text[..text.len() - 1].parse::<u64>().ok()?.checked_mul(unit)?;
    (seconds > 0 && seconds <= 3660 * 24 * 60 * 60).then(|| Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_time() {
        let seconds = |text| duration(text).map(|length| length.as_secs());
        assert_eq!(["30m", "12h", "1d"].map(seconds), [Some(1800), Some(43_200), Some(86_400)]);
        assert_eq!(
            ["", "d", "1", "-1d", "1w", "0d", "1 d", "99999999999999999d", "é"].map(seconds),
            [None; 9]
        );
    }

    #[test]
    fn a_run_a_little_early_counts() {
        let daily = Deletes::Reconciled { every: Duration::from_hours(24) };
        for (hours, expected) in
            [(None, true), (Some(1), false), (Some(21), false), (Some(22), true), (Some(30), true)]
        {
            assert_eq!(daily.is_due(hours.map(Duration::from_hours)), expected, "{hours:?}");
        }
        let each = Deletes::Reconciled { every: Duration::ZERO };
        assert!(each.is_due(Some(Duration::ZERO)) && !Deletes::Ignored.is_due(None));
    }
}
