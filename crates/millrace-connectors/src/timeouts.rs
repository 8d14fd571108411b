//! Timeouts for servers: how long a connection may be silent, and after how long the system takes
//! the other side for gone (ADR 24).

use std::time::Duration;

use millrace_engine::error::{Error, ErrorKind, Result};

/// Silence after which the system sends the first keepalive probe. A load balancer in front of a
/// cloud's server forgets a connection that is silent for minutes, as it is during a long
/// statement.
pub(crate) const KEEPALIVE: Duration = Duration::from_mins(1);
/// Time between two keepalive probes.
pub(crate) const INTERVAL: Duration = Duration::from_secs(10);
/// Unanswered probes after which the connection counts as broken.
pub(crate) const RETRIES: u32 = 6;
/// How long sent data may stay unacknowledged before the connection counts as broken
/// (`TCP_USER_TIMEOUT`).
pub(crate) const UNACKNOWLEDGED: Duration = Duration::from_mins(2);

/// Parses a duration such as `500ms`, `30s`, `10m` or `2h`, which is the value of `key`. It must be
/// more than zero and at most ten years. An error is of kind `kind`.
pub(crate) fn length(key: &str, text: &str, kind: ErrorKind) -> Result<Duration> {
    let bad = || {
        Error::new(kind, format!("`{key}: {text}` is no length of time"))
            .hint("Write a number and a unit, such as `30m`; there are ms, s, m and h.")
    };
    let (digits, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
    let number: u64 = digits.parse().ok().filter(|number| *number > 0).ok_or_else(bad)?;
    let milliseconds: u64 = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return Err(bad()),
    };
    // A longer time than ten years amounts to no limit.
    let most = 10 * 365 * 24 * 3_600_000;
    number.checked_mul(milliseconds).filter(|all| *all <= most).map(Duration::from_millis).ok_or_else(bad)
}

/// Formats a duration for a message: `10 min`, `62 s`, `300 ms`. Rounds down to whole units.
pub(crate) fn shown(time: Duration) -> String {
    match time.as_secs() {
        0 => format!("{} ms", time.as_millis()),
        seconds if seconds >= 120 && seconds.is_multiple_of(60) => format!("{} min", seconds / 60),
        seconds => format!("{seconds} s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_time() {
        let of = |text| length("x", text, ErrorKind::SourceUnreadable).map(|time| time.as_millis()).ok();
        assert_eq!(
            ["500ms", "30s", "10m", "2h"].map(of),
            [Some(500), Some(30_000), Some(600_000), Some(7_200_000)]
        );
        for wrong in ["", "10", "0s", "-1s", "1.5s", "1d", "s", "1 s", "99999999999999999999s", "99999999h"] {
            assert_eq!(of(wrong), None, "{wrong}");
        }
        let error = length("read_timeout", "10", ErrorKind::SourceUnreadable).expect_err("no unit");
        assert_eq!(error.message(), "`read_timeout: 10` is no length of time");
    }

    #[test]
    fn lengths_of_time_for_people() {
        for (milliseconds, text) in [(300, "300 ms"), (1_500, "1 s"), (90_000, "90 s"), (600_000, "10 min")] {
            assert_eq!(shown(Duration::from_millis(milliseconds)), text);
        }
    }
}
