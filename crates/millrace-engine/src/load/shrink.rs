//! The shrink check: whether a stream may lose as many rows as it would, compared with its last
//! load.

use millrace_core::code::Code;
use millrace_core::diagnostic::Diagnostic;
use millrace_core::name::StreamName;
use millrace_core::project::shrink::Shrink;
use millrace_core::visible::grouped;

use crate::compile::catalog::Stream;
use crate::error::{Error, ErrorKind, Result};
use crate::load::sync::LoadContext;

/// The limits for one stream in this run.
#[derive(Debug, Clone)]
pub(crate) struct ShrinkCheck {
    stream: StreamName,
    /// Its rows before.
    before: u64,
    /// Whether it may lose all rows.
    may_be_empty: bool,
    /// Whether it may lose any number of rows in this run (`--allow-empty`).
    lets_pass: bool,
    /// The project's limit (`max_shrink`); `None` for a mere warning.
    most: Option<Shrink>,
}

impl ShrinkCheck {
    /// The limits for a stream that had `before` rows.
    pub(crate) fn of(stream: &Stream, before: u64, context: &LoadContext<'_>) -> Self {
        Self {
            stream: stream.name.clone(),
            before,
            may_be_empty: stream.options.allow_empty || context.allow_empty,
            lets_pass: context.allow_empty,
            most: stream.options.max_shrink.or(context.max_shrink),
        }
    }

    /// The most rows that may be removed without holding the run.
    pub(crate) fn may_go(&self) -> u64 {
        match self.most {
            _ if self.lets_pass => u64::MAX,
            _ if self.before == 0 => 0,
            Some(most) => most.most(self.before).min(self.before - u64::from(!self.may_be_empty)),
            None => self.before - u64::from(!self.may_be_empty),
        }
    }

    /// Judges a stream that would have `left` rows. Returns a warning if many are lost, and fails
    /// with `StreamEmptied` if more are lost than allowed.
    pub(crate) fn to(&self, left: u64) -> Result<Option<Diagnostic>> {
        let Self { stream, before, most, .. } = self;
        let lost = before.saturating_sub(left);
        if lost == 0 || self.lets_pass {
            return Ok(None);
        }
        if left == 0 {
            if self.may_be_empty {
                return Ok(None);
            }
            let message =
                format!("stream `{stream}` has no rows any more; it had {}, which stay", grouped(*before));
            return Err(Error::new(ErrorKind::StreamEmptied, message));
        }
        if let Some(most) = most.filter(|most| most.exceeded(lost, *before)) {
            let message = format!(
                "stream `{stream}` would lose {} of its {} rows, and may lose {most} (`max_shrink`); they stay",
                grouped(lost),
                grouped(*before)
            );
            return Err(Error::new(ErrorKind::StreamEmptied, message).hint(
                "Look at the source. If that is meant, `millrace run --allow-empty` lets it pass once; `max_shrink` of the stream says what may go.",
            ));
        }
        // Without a limit in the project, a large loss is only a warning.
        Ok((most.is_none() && Shrink::WARNED.exceeded(lost, *before)).then(|| {
            let message = format!(
                "stream `{stream}` has lost {} of its {} rows since its last load",
                grouped(lost),
                grouped(*before)
            );
            Diagnostic::warning(Code::StreamShrunk, message)
                .hint("`max_shrink: 50%` of the stream, or of `millrace.yml`, holds a run that finds that.")
        }))
    }

    /// The error for `gone` rows that a comparison of keys did not remove.
    pub(crate) fn withheld(&self, gone: u64) -> Error {
        let left = self.before.saturating_sub(gone);
        let error = self.to(left).err().unwrap_or_else(|| {
            let message = format!("stream `{}` would lose {} rows; they stay", self.stream, grouped(gone));
            Error::new(ErrorKind::StreamEmptied, message)
        });
        error.caused_by("its source no longer has their keys (`deletes: reconcile`)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shrink(before: u64, may_be_empty: bool, lets_pass: bool, most: Option<&str>) -> ShrinkCheck {
        let most = most.map(|share| share.parse().expect("a share"));
        ShrinkCheck { stream: StreamName::new("s", "t"), before, may_be_empty, lets_pass, most }
    }

    /// The oracle: what is held and what is warned of, derived from the text of the reference.
    #[test]
    fn one_rule_decides_what_is_held_and_what_is_warned_of() {
        for before in [0, 1, 2, 3, 10, 1000] {
            for left in [0, 1, 2, 5, 9, 10, 400, 999, 1000, 2000] {
                for share in [None, Some(0), Some(10), Some(50), Some(100)] {
                    for (may_be_empty, lets_pass) in [(false, false), (true, false), (true, true)] {
                        let text = share.map(|share| format!("{share}%"));
                        let shrink = shrink(before, may_be_empty, lets_pass, text.as_deref());
                        let lost = before.saturating_sub(left);
                        let too_many = share.is_some_and(|share| lost * 100 > share * before);
                        let held = lost > 0 && !lets_pass && if left == 0 { !may_be_empty } else { too_many };
                        let warned = !held && !lets_pass && left > 0 && share.is_none() && lost * 2 > before;
                        let case = format!("{before} to {left}, {share:?}, {may_be_empty}, {lets_pass}");
                        match shrink.to(left) {
                            Err(error) => assert!(held && error.kind() == ErrorKind::StreamEmptied, "{case}"),
                            Ok(said) => assert_eq!((held, said.is_some()), (false, warned), "{case}"),
                        }
                    }
                }
            }
        }
    }

    /// A comparison of keys removes exactly as many rows as may be lost: one more would hold the
    /// run.
    #[test]
    fn as_many_rows_may_go_as_hold_no_run() {
        for before in [0, 1, 2, 3, 10, 1000] {
            for share in [None, Some(0), Some(10), Some(33), Some(50), Some(100)] {
                for may_be_empty in [false, true] {
                    let text = share.map(|share| format!("{share}%"));
                    let shrink = shrink(before, may_be_empty, false, text.as_deref());
                    let may_go = |lost: &u64| {
                        let too_many = share.is_some_and(|share| lost * 100 > share * before);
                        !too_many && (*lost == 0 || *lost < before || may_be_empty)
                    };
                    let expected = (0..=before).take_while(may_go).last();
                    let case = format!("{before}, {share:?}, {may_be_empty}");
                    assert_eq!(Some(shrink.may_go()), expected, "{case}");
                    let passes = shrink.to(before - shrink.may_go()).is_ok();
                    assert!(passes, "{case}");
                }
            }
        }
        assert_eq!(shrink(10, true, true, Some("10%")).may_go(), u64::MAX);
    }
}
