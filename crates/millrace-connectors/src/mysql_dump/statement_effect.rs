//! Which statements change no row that a dump brings.

use crate::mysql_dump::lexer::Kind;
use crate::mysql_dump::script::Word;

/// What a statement does to rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum StatementEffect {
    None,
    /// Nothing, but it ends the transaction that it is in.
    Commits,
    /// Nobody can tell.
    Unknown {
        what: String,
        hint: &'static str,
    },
}

const TAKE_OUT: &str = "Take the statement out of the dump if it changes no row of a table; else load the dump into a server, and make a dump of what that has.";
const OTHER_FILE: &str = "Name all files in `path`, as a list in the order in which they are read: `path: [schema.sql, rows.sql]`; and take the command out.";
const DELIMITER: &str =
    "The body of a trigger or routine stands between `DELIMITER` commands, as mysqldump writes it.";

/// What a statement does that begins with such a word and goes on with another.
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
        // MySQL ends the transaction, and MariaDB does not.
        "INSTALL" | "UNINSTALL" => StatementEffect::None,
        "SHOW" | "DESCRIBE" | "DESC" | "HELP" | "RESET" | "PURGE" | "KILL" | "STOP" | "SAVEPOINT" => {
            StatementEffect::None
        }
        "EXPLAIN" if !then(&["ANALYZE"]) => StatementEffect::None,
        "RELEASE" if then(&["SAVEPOINT"]) => StatementEffect::None,
        "CHANGE" if then(&["MASTER", "REPLICATION"]) => StatementEffect::None,
        // MariaDB's dumps of sequences.
        "DO" if then(&["SETVAL", "NEXTVAL", "SLEEP", "RELEASE_LOCK", "GET_LOCK"])
            || next.kind == Kind::Number =>
        {
            StatementEffect::None
        }
        "SOURCE" => StatementEffect::Unknown {
            what: format!(
                "the client's command `source` reads another file (`{}`), and is not followed",
                next.text
            ),
            hint: OTHER_FILE,
        },
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
