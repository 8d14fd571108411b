//! Evaluates the expressions that dumps assign to variables.
//!
//! Only constants, variables and a few text functions are evaluated. Anything else is
//! [`Value::Unknown`].

use crate::mysql_dump::lexer::Kind;
use crate::mysql_dump::script::Word;
use crate::mysql_dump::table::{closing, split};

/// The value of a variable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value {
    /// The value that the server sets at the start of a session.
    Initial,
    Null,
    /// A text, a number in its notation, or a keyword.
    Text(String),
    /// A value that only a server can determine.
    Unknown,
}

/// The maximum nesting depth of parentheses and calls, which bounds the recursion.
const DEEPEST: usize = 32;

/// Evaluates an expression. `read` returns the value of the variable that its tokens name.
pub(super) fn evaluate(words: &[Word], read: &mut dyn FnMut(&[Word]) -> Value) -> Value {
    within(words, read, DEEPEST)
}

/// Evaluates an expression of at most `levels` nested levels.
fn within(words: &[Word], read: &mut dyn FnMut(&[Word]) -> Value, levels: usize) -> Value {
    let Some(below) = levels.checked_sub(1) else { return Value::Unknown };
    let words = match words {
        [select, rest @ ..] if select.is("SELECT") => rest,
        words => words,
    };
    let Some(first) = words.first() else { return Value::Unknown };
    // Whether the parenthesis at `open` is closed by the last token, so that it encloses the rest.
    let is_last = |open: usize| closing(words, open).is_some_and(|end| end + 1 == words.len());
    if first.is_symbol(b'(') && is_last(0) {
        return within(&words[1..words.len() - 1], read, below);
    }
    if first.kind == Kind::Word && first.text.starts_with('@') {
        return read(words);
    }
    match words {
        [word] => match word.kind {
            Kind::Word if word.is("DEFAULT") => Value::Initial,
            Kind::Word if word.is("NULL") => Value::Null,
            Kind::Word if word.is_any(&["TRUE", "ON"]) => Value::Text("1".to_owned()),
            Kind::Word if word.is_any(&["FALSE", "OFF"]) => Value::Text("0".to_owned()),
            Kind::Text { .. } | Kind::Number | Kind::Name { .. } | Kind::Word => {
                Value::Text(word.text.clone())
            }
            _ => Value::Unknown,
        },
        // A charset introducer: `_utf8'…'`.
        [introducer, word] if introducer.kind == Kind::Word && introducer.text.starts_with('_') => {
            within(std::slice::from_ref(word), read, below)
        }
        [name, open, ..] if name.kind == Kind::Word && open.is_symbol(b'(') && is_last(1) => {
            let arguments = &words[2..words.len() - 1];
            let values: Vec<Value> =
                split(arguments).into_iter().map(|argument| within(argument, read, below)).collect();
            call(&name.text, &values)
        }
        _ => Value::Unknown,
    }
}

/// Evaluates a function call with evaluated arguments.
fn call(name: &str, arguments: &[Value]) -> Value {
    // The initial `sql_mode` is unknown, but none of the modes that matter here is in it. So an
    // empty text stands for it.
    let text = |value: &Value| match value {
        Value::Initial => Some(String::new()),
        Value::Text(text) => Some(text.clone()),
        Value::Null | Value::Unknown => None,
    };
    match name.to_ascii_uppercase().as_str() {
        "IFNULL" | "COALESCE" | "NVL" => {
            arguments.iter().find(|value| **value != Value::Null).cloned().unwrap_or(Value::Null)
        }
        _ if arguments.contains(&Value::Unknown) => Value::Unknown,
        "CONCAT" | "REPLACE" if arguments.contains(&Value::Null) => Value::Null,
        "CONCAT" => Value::Text(arguments.iter().filter_map(text).collect()),
        "REPLACE" => match arguments.iter().filter_map(text).collect::<Vec<_>>().as_slice() {
            [whole, from, to] if !from.is_empty() => Value::Text(whole.replace(from.as_str(), to)),
            _ => Value::Unknown,
        },
        _ => Value::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mysql_dump::table::tests::words;

    fn value(sql: &str) -> Value {
        evaluate(&words(sql), &mut |_| Value::Null)
    }

    #[test]
    fn expressions_are_followed_to_an_end() {
        let text = |text: &str| Value::Text(text.to_owned());
        assert_eq!(value("(((5)))"), text("5"));
        assert_eq!(value("concat('a', replace(ifnull(@x, 'bc'), 'c', 'd'))"), text("abd"));
        for (before, after) in [("(", ")"), ("concat(", ")"), ("(select ", ")")] {
            let many = 100_000;
            let sql = format!("{}'a'{}", before.repeat(many), after.repeat(many));
            let thread = std::thread::Builder::new().stack_size(2 << 20);
            let found = thread.spawn(move || value(&sql)).expect("a thread").join().expect("no crash");
            assert_eq!(found, Value::Unknown, "{before}");
        }
    }
}
