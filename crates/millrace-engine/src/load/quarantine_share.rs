//! Watches the share of a stream's rows in quarantine, and warns if it has grown since the last
//! load.

use millrace_core::code::Code;
use millrace_core::diagnostic::Diagnostic;
use millrace_core::name::{StreamName, is_plain_name};
use millrace_core::visible::grouped;
use tokio::time::sleep;

use crate::error::Result;
use crate::event::Event;
use crate::load::sync::LoadContext;
use crate::ports::warehouse::{QueryLimits, Statement};
use crate::retry::while_lost;
use crate::state::{LoadedStream, Tables};

/// Rows of a stream after a load.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Share {
    quarantined: u64,
    loaded: u64,
}

impl Share {
    fn all(self) -> u64 {
        self.quarantined + self.loaded
    }

    /// Whether this share is larger than `other`. Compares exactly, by cross-multiplication.
    fn is_more_than(self, other: Self) -> bool {
        let (one, two) = (u128::from(self.quarantined), u128::from(other.quarantined));
        // A stream without rows has a share of 0.
        one * u128::from(other.all().max(1)) > two * u128::from(self.all().max(1))
    }

    /// The share for people: `3,000 of 10,000 rows (30 %)`.
    fn words(self) -> String {
        let percent = self.quarantined as f64 * 100.0 / self.all().max(1) as f64;
        let digits = if percent >= 1.0 || percent == 0.0 { 1 } else { 3 };
        let percent = format!("{percent:.digits$}");
        let percent = if percent.contains('.') {
            percent.trim_end_matches('0').trim_end_matches('.')
        } else {
            &percent
        };
        format!("{} of {} rows ({percent} %)", grouped(self.quarantined), grouped(self.all()))
    }
}

/// Warns if the share is larger after this load than after the last one. Does nothing without a
/// last load whose quarantine is on record. `what` names the step in notices of retries.
pub(crate) async fn watch(
    before: Option<&LoadedStream>,
    loaded: &LoadedStream,
    what: &str,
    context: &LoadContext<'_>,
) -> Result<()> {
    let Some((before, quarantined)) = before.and_then(|before| Some((before, before.quarantined?))) else {
        return Ok(());
    };
    let before = Share { quarantined, loaded: before.rows };
    let question = count(context.tables, &loaded.name);
    let found = || context.warehouse.query(&question, QueryLimits::STATE);
    let found = while_lost(what, context.observer, sleep, found).await?;
    let quarantined = if found.is_empty() { None } else { found.row(0)[0].as_int() };
    let now = Share { quarantined: quarantined.unwrap_or_default() as u64, loaded: loaded.rows };
    if now.is_more_than(before) {
        (context.observer)(Event::Notice(Box::new(notice(&loaded.name, before, now, context.tables))));
    }
    Ok(())
}

/// The query for the stream's rows in quarantine after its last load.
fn count(tables: &Tables, stream: &StreamName) -> Statement {
    let sql =
        format!("select quarantined from {} where source = $1 and stream = $2", tables.table("streams"));
    Statement::with(sql, stream.params())
}

/// The warning, with a command that lists the reasons.
fn notice(stream: &StreamName, before: Share, now: Share, tables: &Tables) -> Diagnostic {
    let message = format!(
        "more of stream `{stream}` is in quarantine: {}; after the load before it was {}. What reads the stream lacks these rows",
        now.words(),
        before.words()
    );
    let hint =
        format!("`millrace query {}` says why.", in_shell(&reasons(stream, &tables.table("quarantine"))));
    Diagnostic::warning(Code::QuarantineGrew, message).hint(hint)
}

/// SQL for people that lists why rows of a stream are in quarantine. `table` is quoted; quotes are
/// removed if they are not needed.
fn reasons(stream: &StreamName, table: &str) -> String {
    let plain = table.replace('"', "");
    // No keyword begins with an underscore.
    let is_plain = plain.split('.').count() == 2
        && plain.starts_with('_')
        && plain.split('.').all(|name| is_plain_name(name) && name == name.to_lowercase());
    let table = if is_plain { &plain } else { table };
    let text = |value: &str| format!("'{}'", value.replace('\'', "''"));
    format!(
        "select code, column_name, count(*) from {table} where source = {} and stream = {} group by code, column_name",
        text(&stream.source),
        text(&stream.stream)
    )
}

/// The text as one argument of a POSIX shell, in double quotes.
fn in_shell(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        if matches!(c, '"' | '\\' | '$' | '`') {
            out.push('\\');
        }
        out.push(c);
    }
    out + "\""
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_question_can_be_pasted_whatever_things_are_called() {
        let ask = |source: &str, stream: &str, table: &str| {
            in_shell(&reasons(&StreamName::new(source, stream), table))
        };
        assert_eq!(
            ask("files", "orders", "\"_millrace\".\"quarantine\""),
            "\"select code, column_name, count(*) from _millrace.quarantine where source = 'files' and stream = 'orders' \
             group by code, column_name\""
        );
        let odd = ask("files", "it's $5", "\"Team A\".\"quarantine\"");
        assert!(odd.contains("from \\\"Team A\\\".\\\"quarantine\\\" where"), "{odd}");
        assert!(odd.contains("stream = 'it''s \\$5' group"), "{odd}");
    }

    #[test]
    fn shares_are_compared_exactly_and_said_in_words() {
        let share = |quarantined, loaded| Share { quarantined, loaded };
        for (now, before, grew) in [
            ((3_000, 7_000), (0, 7_000), true),
            ((1, 999_999), (0, 999_999), true),
            ((2, 198), (1, 99), false),
            ((2, 197), (1, 99), true),
            ((5, 95), (5, 95), false),
            ((5, 96), (5, 95), false),
            ((1, 0), (0, 0), true),
            ((0, 0), (0, 0), false),
            ((u64::MAX / 4, u64::MAX / 4), (1, 1), false),
        ] {
            assert_eq!(
                share(now.0, now.1).is_more_than(share(before.0, before.1)),
                grew,
                "{now:?} {before:?}"
            );
        }
        assert_eq!(share(3_000, 7_000).words(), "3,000 of 10,000 rows (30 %)");
        assert_eq!(share(0, 7).words(), "0 of 7 rows (0 %)");
        assert_eq!(share(1, 9_999).words(), "1 of 10,000 rows (0.01 %)");
        assert_eq!(share(1, 2).words(), "1 of 3 rows (33.3 %)");
    }
}
