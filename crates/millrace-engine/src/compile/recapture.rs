//! What `capture` writes for a stream that was captured before: a type that a person may have
//! chosen is kept as long as it holds all values.

use std::fmt;

use millrace_core::code::Code;
use millrace_core::diagnostic::Diagnostic;
use millrace_core::name::StreamName;
use millrace_core::schema::{DataType, StreamSchema};
use serde_json::json;

use crate::compile::catalog::Stream;
use crate::compile::contract::wider;
use crate::ports::seen::SeenValues;
use crate::ports::source::Discovered;

/// The result of capturing a stream again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recaptured {
    /// The schema to write.
    pub schema: StreamSchema,
    /// Remarks on types that differ from the suggested ones.
    pub words: Vec<Words>,
    /// Whether nothing is known: no value was seen, and there was no captured schema. Then nothing
    /// should be written.
    pub is_unknown: bool,
}

/// A remark on a captured type that differs from the type that the values suggest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Words {
    /// The stream.
    pub stream: StreamName,
    /// The column's name in the source.
    pub column: String,
    /// The type that was captured.
    pub captured: DataType,
    /// The type that the values suggest.
    pub suggested: DataType,
    /// Whether the captured type is kept.
    pub is_kept: bool,
}

impl fmt::Display for Words {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { stream, column, captured, suggested, is_kept } = self;
        if *is_kept {
            write!(
                f,
                "column `{column}` of stream `{stream}` stays {captured}; its values suggest {suggested}"
            )
        } else {
            write!(
                f,
                "column `{column}` of stream `{stream}` was {captured}, which does not hold its values, and is now {suggested}"
            )
        }
    }
}

impl Words {
    /// The remark as JSON.
    pub fn to_json(&self) -> serde_json::Value {
        json!({
            "stream": self.stream.to_string(),
            "column": self.column,
            "captured": self.captured.to_string(),
            "suggested": self.suggested.to_string(),
            "kept": self.is_kept,
        })
    }
}

/// Combines a stream's captured schema with a discovery. Types that the project's files choose take
/// precedence. A captured type is kept if it holds every value that was seen.
pub fn recapture(stream: &Stream, discovered: &Discovered) -> Recaptured {
    let mut schema = discovered.schema.clone();
    let has_values = discovered.seen.is_empty() || discovered.seen.values().any(SeenValues::any);
    let Some(captured) = &stream.captured else {
        let is_unknown = !has_values || schema.columns.is_empty();
        return Recaptured {
            schema: stream.options.with_chosen_types(schema),
            words: Vec::new(),
            is_unknown,
        };
    };
    if schema.columns.is_empty() {
        // An empty file proves nothing, so the captured schema stays.
        return Recaptured { schema: captured.clone(), words: Vec::new(), is_unknown: false };
    }
    let mut words = Vec::new();
    for column in &mut schema.columns {
        if let Some(chosen) = stream.options.chosen_type(&column.name) {
            column.data_type = chosen;
            continue;
        }
        let Some(known) = captured.column(&column.name) else { continue };
        if !has_values {
            // Without values the file does not even show whether the column is nullable.
            *column = known.clone();
            continue;
        }
        let seen = discovered.seen.get(&column.name);
        // A column that had NULLs before can have them again, even if none was seen.
        column.nullable |= known.nullable && seen.is_some();
        let suggested = column.data_type;
        let is_nothing = seen.is_some_and(|seen| !seen.any());
        if known.data_type == suggested || is_nothing {
            column.data_type = known.data_type;
            continue;
        }
        // A kept type is wider than the suggestion, holds all values that were seen, or (if the
        // source has no profile of values) is a text for values that each have one text.
        let is_wider = wider(known.data_type, suggested) == Some(known.data_type);
        let is_kept = is_wider
            || match seen {
                Some(seen) => seen.are_held_by(known.data_type),
                None => known.data_type == DataType::Text && is_plain(suggested),
            };
        if is_kept {
            column.data_type = known.data_type;
        }
        words.push(Words {
            stream: stream.name.clone(),
            column: column.name.clone(),
            captured: known.data_type,
            suggested,
            is_kept,
        });
    }
    Recaptured { schema, words, is_unknown: false }
}

/// Whether each value of the type has exactly one text.
fn is_plain(data_type: DataType) -> bool {
    data_type.is_numeric() || data_type.is_temporal() || data_type == DataType::Boolean
}

/// The warning for a stream without any value. `has_columns` tells whether it has at least a
/// header.
pub fn nothing_to_learn(name: &StreamName, has_columns: bool) -> Diagnostic {
    let message = if has_columns {
        format!(
            "stream `{name}` has columns and no value in any: nothing can be learnt of their types, and it is not captured"
        )
    } else {
        format!("stream `{name}` has no rows to learn columns from, and is not captured")
    };
    let hint =
        format!("Run `millrace capture {}` when it has some, or write `types` into the source.", name.source);
    Diagnostic::warning(Code::NotCaptured, message).hint(hint)
}
