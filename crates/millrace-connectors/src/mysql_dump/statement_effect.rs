//! The allow-list of statements that change no row of a dump.
//!
//! Statements with rules of their own (INSERT, CREATE, SET and others) are handled in `follow.rs`
//! and never get here. A statement that is not on the list ends the reading of the dump.

use crate::mysql_dump::lexer::Kind;
use crate::mysql_dump::script::Word;

/// What a statement does to rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum StatementEffect {
    None,
    /// It changes no row but commits the open transaction.
    Commits,
    /// Its effect is unknown. The message and hint are for the error.
    Unknown {
        what: String,
        hint: &'static str,
    },
}

const TAKE_OUT: &str = "Take the statement out of the dump if it changes no row of a table; else load the dump into a server, and make a dump of what that has.";
const OTHER_FILE: &str = "Name all files in `path`, as a list in the order in which they are read: `path: [schema.sql, rows.sql]`; and take the command out.";
const DELIMITER: &str =
    "The body of a trigger or routine stands between `DELIMITER` commands, as mysqldump writes it.";

/// Returns the effect of a statement that begins with `verb` (in upper case) and continues with
/// `next`.
pub(super) fn effect(verb: &str, next: &Word) -> StatementEffect {
    let then = |keywords: &[&str]| next.is_any(keywords);
    match verb {
        "ANALYZE" | "OPTIMIZE" | "REPAIR" | "CHECK"
            if then(&["TABLE", "TABLES", "LOCAL", "NO_WRITE_TO_BINLOG", "INDEX", "VIEW"]) =>
        {
            StatementEffect::Commits
        }
        "GRANT" | "REVOKE" | "FLUSH" | "CACHE" => StatementEffect::Commits,
        "CHECKSUM" if then(&["TABLE", "TABLES"]) => StatementEffect::None,
        // MySQL commits here and MariaDB does not. The case without a commit is the safe one, since
        // rows without a commit are an error.
        "INSTALL" | "UNINSTALL" => StatementEffect::None,
        "SHOW" | "DESCRIBE" | "DESC" | "HELP" | "RESET" | "PURGE" | "KILL" | "STOP" | "SAVEPOINT" => {
            StatementEffect::None
        }
        // EXPLAIN ANALYZE runs its statement.
        "EXPLAIN" if !then(&["ANALYZE"]) => StatementEffect::None,
        "RELEASE" if then(&["SAVEPOINT"]) => StatementEffect::None,
        "CHANGE" if then(&["MASTER", "REPLICATION"]) => StatementEffect::None,
        // MariaDB's dumps of sequences contain `DO SETVAL(…)`.
        "DO" if then(&["SETVAL", "NEXTVAL", "SLEEP", "RELEASE_LOCK", "GET_LOCK"])
            || next.kind == Kind::Number =>
        {
            StatementEffect::None
        }
        // Commands of the `mysql` client are not statements.
        "SOURCE" => StatementEffect::Unknown {
            what: format!(
                "the client's command `source` reads another file (`{}`), and is not followed",
                next.text
            ),
            hint: OTHER_FILE,
        },
        // These begin statements only inside the body of a routine.
        "DECLARE" | "IF" | "WHILE" | "LOOP" | "REPEAT" | "RETURN" | "END" | "FETCH" | "OPEN" | "CLOSE"
        | "CASE" | "LEAVE" | "ITERATE" | "ELSE" | "ELSEIF" | "UNTIL" => StatementEffect::Unknown {
            what: format!("`{verb}` is no statement of a dump: a body is cut into pieces"),
            hint: DELIMITER,
        },
        "SYSTEM" | "TEE" | "NOTEE" | "PAGER" | "NOPAGER" | "CHARSET" | "CONNECT" | "STATUS" | "WARNINGS"
        | "NOWARNING" | "EDIT" | "GO" | "EGO" | "PRINT" | "PROMPT" | "REHASH" | "CLEAR" | "QUIT" | "EXIT"
        | "RESETCONNECTION" => {
            let command = verb.to_ascii_lowercase();
            StatementEffect::Unknown {
                what: format!("the client's command `{command}` is not followed"),
                hint: TAKE_OUT,
            }
        }
        verb => {
            let verb: String =
                verb.chars().filter(|c| c.is_ascii_alphabetic() || *c == '_').take(20).collect();
            StatementEffect::Unknown { what: format!("the statement {verb} is not followed"), hint: TAKE_OUT }
        }
    }
}
