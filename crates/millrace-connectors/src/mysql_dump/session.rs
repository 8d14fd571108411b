//! Tracks the session settings of a dump that decide how its rows are read.
//!
//! `SET` statements are evaluated as far as dump programs use them: `sql_mode`, charsets,
//! `time_zone`, `autocommit`, `foreign_key_checks`, and user variables that save and restore these.
//! A value that cannot be evaluated is [`Value::Unknown`]; each setting then takes the meaning that
//! cannot change a row in silence, or the statement is an error.

use std::collections::{BTreeMap, BTreeSet};

use crate::mysql_dump::charset::Charset;
use crate::mysql_dump::expression::{Value, evaluate};
use crate::mysql_dump::lexer::{Kind, Mode};
use crate::mysql_dump::script::Word;
use crate::mysql_dump::table::split;
use crate::mysql_dump::zone::Zone;

/// The notation of strings: the charset of the client (`character_set_client`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Written {
    /// UTF-8, with characters of up to four bytes or (`SET NAMES utf8`) up to three.
    Utf8 { short: bool },
    /// `latin1`, because the project says so.
    Latin1,
    /// Each string is in the charset of its column (`SET NAMES binary`).
    Columns,
    /// A charset that cannot be read, or that contradicts the project's setting `encoding`.
    Unread(String),
}

/// The settings of a session that decide how its rows are read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Session {
    /// The default database, which `USE` has set.
    pub(super) database: Option<String>,
    pub(super) mode: Mode,
    /// Whether 0 is a value in an `AUTO_INCREMENT` column (`NO_AUTO_VALUE_ON_ZERO`).
    pub(super) keeps_zero: bool,
    pub(super) written: Written,
    /// Whether the server converts strings to an unknown charset of the connection, in which
    /// characters may be lost.
    pub(super) lossy_connection_charset: bool,
    /// The time zone of TIMESTAMP values.
    pub(super) zone: Zone,
}

/// A session, and the variables from which its settings follow.
#[derive(Debug)]
pub(super) struct Variables {
    pub(super) session: Session,
    /// Whether each statement is a transaction of its own.
    pub(super) autocommit: bool,
    /// Whether the server enforces foreign keys and their cascades (`foreign_key_checks`).
    pub(super) foreign_keys: bool,
    /// The settings at the start of the session, for `SET x = DEFAULT`.
    initial: Session,
    /// The charset that the project's setting `encoding` names.
    encoding: Option<Charset>,
    /// Values of the system variables that this session has set, by name in lower case.
    system: BTreeMap<String, Value>,
    /// System variables that were set globally, which leaves the values of this session as they
    /// are.
    global: BTreeSet<String>,
    /// Values of user variables, by name in lower case.
    user: BTreeMap<String, Value>,
    /// User variables that save a system variable (`@OLD_SQL_MODE`) and were not read since. A
    /// complete dump restores all of them at its end.
    kept: BTreeSet<String>,
}

impl Variables {
    /// Creates a session that has set nothing. `zone` and `encoding` come from the project's
    /// settings.
    pub(super) fn new(zone: Zone, encoding: Option<Charset>) -> Self {
        let written = match encoding {
            Some(Charset::Latin1) => Written::Latin1,
            _ => Written::Utf8 { short: false },
        };
        let mode = Mode::default();
        let initial = Session {
            database: None,
            mode,
            keeps_zero: false,
            written,
            lossy_connection_charset: false,
            zone,
        };
        Self {
            session: initial.clone(),
            autocommit: true,
            foreign_keys: true,
            initial,
            encoding,
            system: BTreeMap::new(),
            global: BTreeSet::new(),
            user: BTreeMap::new(),
            kept: BTreeSet::new(),
        }
    }

    /// Returns a user variable that saves a setting which the dump has not restored.
    pub(super) fn kept(&self) -> Option<&str> {
        self.kept.first().map(String::as_str)
    }

    /// Marks a user variable as unknown, because a statement that is not evaluated may have set it.
    pub(super) fn forget(&mut self, variable: &str) {
        self.user.insert(variable.to_ascii_lowercase(), Value::Unknown);
    }

    /// Applies a SET statement; `words` follow the keyword. The error says why the statement cannot
    /// be followed.
    pub(super) fn set(&mut self, words: &[Word]) -> Result<(), String> {
        let first = |at: usize, keywords: &[&str]| words.get(at).is_some_and(|word| word.is_any(keywords));
        if first(0, &["STATEMENT"]) {
            return Err("SET STATEMENT … FOR carries a statement out, and is not followed".to_owned());
        }
        // The following forms change nothing about the notation of rows.
        let scoped = usize::from(first(0, &["GLOBAL", "SESSION", "LOCAL"]));
        if first(scoped, &["TRANSACTION"]) || first(0, &["PASSWORD", "ROLE", "RESOURCE"]) {
            return Ok(());
        }
        if first(0, &["DEFAULT"]) && first(1, &["ROLE"]) {
            return Ok(());
        }
        // A scope (`GLOBAL`) also holds for the assignments after it, until another one is named.
        let mut for_others = false;
        split(words).into_iter().try_for_each(|part| self.assign(part, &mut for_others))
    }

    /// Applies one assignment of a SET statement. `for_others` says, and learns, whether the scope
    /// is that of other sessions.
    fn assign(&mut self, part: &[Word], for_others: &mut bool) -> Result<(), String> {
        let part = match part {
            [scope, rest @ ..] if scope.is_any(&["SESSION", "LOCAL"]) => {
                *for_others = false;
                rest
            }
            [scope, rest @ ..] if scope.is_any(&["GLOBAL", "PERSIST", "PERSIST_ONLY"]) => {
                *for_others = true;
                rest
            }
            part => part,
        };
        match part {
            [] => Ok(()),
            [names, charset, ..] if names.is("NAMES") => {
                let value = named(charset, self);
                self.put("character_set_client", value.clone())?;
                self.put("character_set_connection", value)
            }
            [charset, name] if charset.is("CHARSET") => self.character_set(name),
            [character, set, name] if character.is("CHARACTER") && set.is("SET") => self.character_set(name),
            _ => self.variable(part, *for_others),
        }
    }

    /// Applies `SET CHARACTER SET`. The server converts strings to the charset of the database from
    /// then on, which is unknown.
    fn character_set(&mut self, name: &Word) -> Result<(), String> {
        let value = named(name, self);
        self.put("character_set_client", value)?;
        self.session.lossy_connection_charset = true;
        Ok(())
    }

    /// Applies an assignment `x = …` or `x := …` to a user or system variable.
    fn variable(&mut self, part: &[Word], for_others: bool) -> Result<(), String> {
        let Some(equals) = part.iter().position(|word| word.is_symbol(b'=')) else {
            let what = part.first().map_or("", |word| &word.text);
            return Err(format!("SET {what} is not followed"));
        };
        let colon = equals > 0 && part[equals - 1].is_symbol(b':');
        let (target, expression) = (&part[..equals - usize::from(colon)], &part[equals + 1..]);
        let value = evaluate(expression, &mut |words| self.read(words));
        let Some(name) = variable_name(target) else {
            return Err("SET of something is not followed".to_owned());
        };
        match name {
            VariableName::User(name) => {
                let name = name.to_ascii_lowercase();
                // Dump programs save a setting as `@OLD_X=@@X`.
                let is_kept = name.starts_with("old_")
                    && expression.first().is_some_and(|word| word.text.starts_with("@@"));
                if is_kept {
                    self.kept.insert(name.clone());
                }
                self.user.insert(name, value);
                Ok(())
            }
            VariableName::System { name, scope } => {
                let for_others = match scope.map(str::to_ascii_lowercase).as_deref() {
                    Some("session" | "local") => false,
                    Some(_) => true,
                    // `@@x` is the session's.
                    None => for_others && !target[0].text.starts_with("@@"),
                };
                let name = name.to_ascii_lowercase();
                if for_others {
                    self.global.insert(name);
                    return Ok(());
                }
                self.put(&name, value)
            }
        }
    }

    /// Evaluates a variable. A user variable counts as restored once it was read.
    fn read(&mut self, words: &[Word]) -> Value {
        match variable_name(words) {
            Some(VariableName::User(name)) => {
                let name = name.to_ascii_lowercase();
                self.kept.remove(&name);
                self.user.get(&name).cloned().unwrap_or(Value::Null)
            }
            Some(VariableName::System { name, scope }) => {
                let name = name.to_ascii_lowercase();
                if scope.is_some_and(|scope| scope.eq_ignore_ascii_case("global")) {
                    let known = !self.global.contains(&name);
                    return if known { Value::Initial } else { Value::Unknown };
                }
                self.system.get(&name).cloned().unwrap_or(Value::Initial)
            }
            None => Value::Unknown,
        }
    }

    /// Sets a system variable of this session and derives the session's settings from it.
    fn put(&mut self, name: &str, value: Value) -> Result<(), String> {
        match name {
            "time_zone" => {
                self.session.zone = match &value {
                    Value::Initial => self.initial.zone.clone(),
                    Value::Text(zone) if zone.eq_ignore_ascii_case("system") => self.initial.zone.clone(),
                    Value::Text(zone) => Zone::named(zone).unwrap_or(Zone::Unknown),
                    Value::Null | Value::Unknown => Zone::Unknown,
                };
            }
            "sql_mode" => self.sql_mode(&value)?,
            "character_set_client" => self.session.written = self.written(&value),
            "character_set_connection" | "collation_connection" => {
                let charset = match &value {
                    Value::Text(name) => charset_of(name).or_else(|| Charset::of_collation(name)),
                    Value::Initial | Value::Null => Some(Charset::Utf8),
                    Value::Unknown => None,
                };
                // No character is lost if the charset of the connection holds all characters of the
                // dump.
                let is_wide = charset.is_some_and(|charset| charset.is_utf8() || charset == Charset::Binary);
                let same = charset == Some(Charset::Latin1) && self.session.written == Written::Latin1;
                self.session.lossy_connection_charset = !is_wide && !same;
            }
            // An unknown value may be off; then rows without a COMMIT are lost.
            "autocommit" => self.autocommit = !is_off(&value) && value != Value::Unknown,
            "foreign_key_checks" => self.foreign_keys = !is_off(&value),
            _ => {}
        }
        self.system.insert(name.to_owned(), value);
        Ok(())
    }

    /// Returns the notation of strings for a value of `character_set_client`. `latin1` is read only
    /// if the project confirms it with `encoding`.
    fn written(&self, value: &Value) -> Written {
        let name = match value {
            Value::Initial | Value::Null => return self.initial.written.clone(),
            Value::Unknown => return Written::Unread("an expression".to_owned()),
            Value::Text(name) => name,
        };
        match charset_of(name) {
            Some(charset) if charset.is_utf8() && self.encoding != Some(Charset::Latin1) => {
                Written::Utf8 { short: charset == Charset::Utf8Short }
            }
            Some(Charset::Latin1) if self.encoding == Some(Charset::Latin1) => Written::Latin1,
            Some(Charset::Binary) => Written::Columns,
            _ => Written::Unread(name.clone()),
        }
    }

    /// Derives from the `sql_mode` how strings and names are written, and whether 0 is a value in
    /// an `AUTO_INCREMENT` column.
    fn sql_mode(&mut self, value: &Value) -> Result<(), String> {
        let modes = match value {
            Value::Initial | Value::Null => "",
            Value::Text(modes) => modes.as_str(),
            Value::Unknown => {
                return Err("the sql_mode is set to an expression that is not followed".to_owned());
            }
        };
        let has = |names: &[&str]| {
            modes.split(',').any(|mode| names.iter().any(|name| mode.trim().eq_ignore_ascii_case(name)))
        };
        // Servers also accept the modes as a number: bit 2 is ANSI_QUOTES, bit 19
        // NO_AUTO_VALUE_ON_ZERO, bit 20 NO_BACKSLASH_ESCAPES.
        let bits = modes.trim().parse::<u64>().unwrap_or(0);
        // ANSI_QUOTES, and the combined modes that include it.
        let ansi = ["ANSI_QUOTES", "ANSI", "DB2", "MAXDB", "MSSQL", "ORACLE", "POSTGRESQL"];
        self.session.mode = Mode {
            escapes: !has(&["NO_BACKSLASH_ESCAPES"]) && bits & (1 << 20) == 0,
            ansi: has(&ansi) || bits & 4 != 0,
        };
        self.session.keeps_zero = has(&["NO_AUTO_VALUE_ON_ZERO"]) || bits & (1 << 19) != 0;
        Ok(())
    }
}

/// Returns whether a value is certain to switch a setting off.
fn is_off(value: &Value) -> bool {
    matches!(value, Value::Text(text) if text == "0" || text.eq_ignore_ascii_case("off"))
}

/// Evaluates the charset that `SET NAMES` or `SET CHARACTER SET` names.
fn named(word: &Word, variables: &mut Variables) -> Value {
    evaluate(std::slice::from_ref(word), &mut |words| variables.read(words))
}

/// Returns a charset by its name, or by the number of one of its collations.
fn charset_of(name: &str) -> Option<Charset> {
    let numbered = match name {
        "8" => "latin1",
        "33" | "83" => "utf8mb3",
        "45" | "46" | "224" | "255" => "utf8mb4",
        "63" => "binary",
        "11" | "65" => "ascii",
        name => name,
    };
    Charset::named(numbered)
}

/// A reference to a variable.
enum VariableName<'a> {
    User(&'a str),
    System { name: &'a str, scope: Option<&'a str> },
}

/// Parses `@x`, `@@x`, `@@session.x` or `x` as a reference to a variable. Returns `None` for
/// anything else.
fn variable_name(words: &[Word]) -> Option<VariableName<'_>> {
    let (first, rest) = words.split_first()?;
    let name = first.name()?;
    if let Some(system) = name.strip_prefix("@@").filter(|_| first.kind == Kind::Word) {
        return match rest {
            [] => Some(VariableName::System { name: system, scope: None }),
            [dot, name] if dot.is_symbol(b'.') => {
                Some(VariableName::System { name: name.name()?, scope: Some(system) })
            }
            _ => None,
        };
    }
    match (name.strip_prefix('@').filter(|_| first.kind == Kind::Word), rest) {
        (Some(""), [name]) => Some(VariableName::User(&name.text)),
        (Some(user), []) if !user.is_empty() => Some(VariableName::User(user)),
        (None, []) => Some(VariableName::System { name, scope: None }),
        _ => None,
    }
}
