//! Limits on the rows that a stream may lose between two loads: `allow_empty` and `max_shrink` (ADR
//! 31).

use std::fmt;
use std::str::FromStr;

use crate::code::Code;
use crate::project::decode::Decoder;
use crate::project::spec::{KeyKind, KeySpec};
use crate::project::yaml::{Node, Scalar};

/// The key `allow_empty` of streams.
pub const ALLOW_EMPTY: KeySpec = KeySpec::optional(
    "allow_empty",
    KeyKind::Bool,
    "Whether the stream may lose all of its rows. Without it a run is held, and replaces nothing, where the stream had rows and its source has none; `millrace run --allow-empty` lets it pass once.",
);

/// The key `max_shrink` of streams and of `millrace.yml`.
pub const MAX_SHRINK: KeySpec = KeySpec::optional(
    "max_shrink",
    KeyKind::Text,
    "The share of its rows that a stream may lose from one load to the next, such as `50%`. A run that finds more gone is held, and replaces nothing; `millrace run --allow-empty` lets it pass once. Without it, a loss of more than half is a warning.",
);

/// A maximum share of lost rows, in percent.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Shrink(f64);

impl Shrink {
    /// The share above which a loss is a warning, if the project sets no limit.
    pub const WARNED: Self = Self(50.0);

    /// Whether losing `lost` of `before` rows exceeds the share.
    pub fn exceeded(self, lost: u64, before: u64) -> bool {
        lost as f64 * 100.0 > self.0 * before as f64
    }

    /// The greatest number of rows, out of `before`, that may be lost.
    pub fn most(self, before: u64) -> u64 {
        let mut most = (self.0 * before as f64 / 100.0).floor() as u64;
        // Rounding may yield a number that is just above the share.
        while self.exceeded(most, before) {
            most -= 1;
        }
        most.min(before)
    }
}

impl FromStr for Shrink {
    type Err = String;

    /// Parses a percentage from `0%` to `100%`.
    fn from_str(text: &str) -> Result<Self, String> {
        let share = text.strip_suffix('%').and_then(|share| share.trim().parse::<f64>().ok());
        match share.filter(|share| (0.0..=100.0).contains(share)) {
            Some(share) => Ok(Self(share)),
            None => Err(format!("`{text}` is no share such as `50%`")),
        }
    }
}

impl fmt::Display for Shrink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} %", self.0)
    }
}

/// Decodes `max_shrink`, if it is set. Returns `None` if it is invalid, which is reported.
pub(super) fn max_shrink(node: Option<&Node>, decoder: &mut Decoder<'_>) -> Option<Shrink> {
    let node = node?;
    match node.text().unwrap_or_default().parse() {
        Ok(share) => Some(share),
        Err(message) => {
            decoder.report_once(Code::WrongValue, &node.range, message, None);
            None
        }
    }
}

/// Decodes `allow_empty` from the stream, otherwise from the defaults.
pub(super) fn allow_empty(node: &Node, defaults: &Node) -> bool {
    let found = node.get("allow_empty").or_else(|| defaults.get("allow_empty"));
    found.and_then(Node::scalar).and_then(Scalar::as_bool).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_read_and_compared_exactly() {
        for wrong in ["", "50", "%", "-1%", "101%", "half"] {
            assert!(wrong.parse::<Shrink>().is_err(), "{wrong}");
        }
        let half: Shrink = "50%".parse().expect("a share");
        assert!(!half.exceeded(5, 10) && half.exceeded(6, 10));
        for (share, before, most) in
            [("0%", 10, 0), ("50%", 3, 1), ("100%", 7, 7), ("33.3%", 1000, 333), ("0.1%", 10, 0)]
        {
            let share: Shrink = share.parse().expect("a share");
            assert_eq!(share.most(before), most, "{share} of {before}");
            assert!(!share.exceeded(most, before));
            assert!(most == before || share.exceeded(most + 1, before));
        }
    }
}
