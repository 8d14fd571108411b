//! Determines whether an SQL text can return different rows although its tables are unchanged.
//!
//! It works on names only, and may report a change that does not happen; then a model is rebuilt
//! unnecessarily.

use crate::sql::analyzer::ParsedSql;

/// When a text can return other rows although none of its inputs has changed. Later variants change
/// more often.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Changes {
    /// It returns the same rows.
    #[default]
    Never,
    /// On each new day of the warehouse's `current_date`. Holds the expression responsible, for
    /// messages.
    Daily(String),
    /// On each execution. Holds the expression responsible, for messages.
    Always(String),
}

/// Functions that return the current day.
const DAYS: [&str; 2] = ["current_date", "today"];

/// Texts that some warehouses convert to the current day, or to the day before or after it.
const WORDS_OF_DAYS: [&str; 3] = ["today", "tomorrow", "yesterday"];

/// Functions that return the current time, or depend on it or on the session. The engine's parser
/// marks its own functions that differ on each call. This list adds those that are constant within
/// a statement, and those that only other warehouses have.
const MOMENTS: [&str; 22] = [
    "now",
    "current_timestamp",
    "localtimestamp",
    "current_time",
    "localtime",
    "current_localtime",
    "current_localtimestamp",
    "get_current_time",
    "get_current_timestamp",
    "transaction_timestamp",
    "statement_timestamp",
    "clock_timestamp",
    "timeofday",
    "getdate",
    "txid_current",
    "pg_current_xact_id",
    "nextval",
    "currval",
    "lastval",
    "random",
    "random_normal",
    "gen_random_bytes",
];

/// Whether a function reads something that is neither a stream nor a model: files and other
/// databases, whose changes are not tracked.
fn reads_elsewhere(name: &str) -> bool {
    name.starts_with("read_") || name.ends_with("_scan") || ["glob", "sniff_csv", "dblink"].contains(&name)
}

/// When the rows of a text change without a change of its inputs. The most frequent change counts.
pub fn changes(parsed: &ParsedSql) -> Changes {
    let mut found = Changes::Never;
    let mut note = |change: Changes| {
        if found < change {
            found = change;
        }
    };
    for function in &parsed.functions {
        let name = function.name.as_str();
        let call = format!("{name}()");
        // With one argument, `age` returns the time since a moment.
        let is_since = name == "age" && function.arguments == 1;
        if DAYS.contains(&name) {
            note(Changes::Daily(call));
        } else if function.is_volatile || is_since || MOMENTS.contains(&name) || reads_elsewhere(name) {
            note(Changes::Always(call));
        }
    }
    // Functions that are written without parentheses look like columns in the parse tree.
    for column in &parsed.columns {
        if let [name] = column.path.as_slice() {
            let name = name.to_lowercase();
            let is_word = name.starts_with("current_") || name.starts_with("local");
            if DAYS.contains(&name.as_str()) && is_word {
                note(Changes::Daily(name));
            } else if is_word && MOMENTS.contains(&name.as_str()) {
                note(Changes::Always(name));
            }
        }
    }
    for text in &parsed.times {
        let word = text.trim().to_lowercase();
        if WORDS_OF_DAYS.contains(&word.as_str()) {
            note(Changes::Daily(format!("'{word}'")));
        } else if word == "now" {
            note(Changes::Always(format!("'{word}'")));
        }
    }
    if parsed.is_sampled {
        note(Changes::Always("tablesample".to_owned()));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::analyzer::{ColumnReference, FunctionReference};

    fn call(name: &str, arguments: usize, is_volatile: bool) -> FunctionReference {
        FunctionReference { name: name.to_owned(), at: 0, arguments, is_volatile }
    }

    #[test]
    fn what_changes_most_counts() {
        let of = |functions: Vec<FunctionReference>, columns: &[&str]| {
            let columns = columns
                .iter()
                .map(|path| ColumnReference { path: path.split('.').map(str::to_owned).collect(), at: 0 });
            changes(&ParsedSql { functions, columns: columns.collect(), ..ParsedSql::default() })
        };
        assert_eq!(of(vec![call("sum", 1, false), call("age", 2, false)], &["a"]), Changes::Never);
        assert_eq!(of(vec![], &["CURRENT_DATE"]), Changes::Daily("current_date".into()));
        assert_eq!(of(vec![], &["t.current_date", "localities", "now", "today"]), Changes::Never);
        assert_eq!(
            of(vec![call("today", 0, false)], &["current_timestamp"]),
            Changes::Always("current_timestamp".into())
        );
        for (text, expected) in [
            ("2026-11-28", Changes::Never),
            ("infinity", Changes::Never),
            (" Today ", Changes::Daily("'today'".into())),
            ("yesterday", Changes::Daily("'yesterday'".into())),
            ("tomorrow", Changes::Daily("'tomorrow'".into())),
            ("NOW", Changes::Always("'now'".into())),
        ] {
            let parsed = ParsedSql { times: vec![text.to_owned()], ..ParsedSql::default() };
            assert_eq!(changes(&parsed), expected, "{text}");
        }
        assert_eq!(of(vec![call("age", 1, false)], &[]), Changes::Always("age()".into()));
        assert_eq!(of(vec![call("odd", 0, true)], &[]), Changes::Always("odd()".into()));
        assert_eq!(of(vec![call("read_csv_auto", 1, false)], &[]), Changes::Always("read_csv_auto()".into()));
    }
}
