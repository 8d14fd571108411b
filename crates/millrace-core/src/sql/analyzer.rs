//! What the core wants to know of a piece of SQL. An engine's own parser answers.

use crate::sql::columns_read::ColumnsRead;

/// Reads SQL of one dialect.
pub trait SqlAnalyzer: Send + Sync {
    /// Names of tables, columns and functions in a text of select statements. Pure: the answer depends on the text alone.
    fn analyze(&self, sql: &str) -> Result<ParsedSql, SyntaxError>;
}

/// The text cannot be parsed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SyntaxError {
    /// The parser's message, a lower-case fragment.
    pub message: String,
    /// Byte at which it gave up.
    pub position: Option<usize>,
    /// Whether the text parses, but holds something else than a select.
    pub not_a_select: bool,
}

/// The names of a text.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ParsedSql {
    /// Number of statements.
    pub statements: usize,
    /// Tables that are read, in the order of the text, without names that a WITH in scope defines.
    pub tables: Vec<TableReference>,
    /// Columns that are named.
    pub columns: Vec<ColumnReference>,
    /// Names that the text gives to expressions and to the columns of tables, in lower case.
    pub aliases: std::collections::BTreeSet<String>,
    /// Functions that are called, also operators that the parser writes as functions.
    pub functions: Vec<FunctionReference>,
    /// Expressions of the first statement's outermost select list.
    pub outputs: Vec<Output>,
    /// Whether it takes a sample of rows, which is another one each time.
    pub is_sampled: bool,
    /// Texts that it makes dates or times of: `cast('today' as date)`.
    pub times: Vec<String>,
}

/// A table in FROM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableReference {
    /// `[name]`, `[schema, name]` or `[catalog, schema, name]`, unquoted.
    pub path: Vec<String>,
    /// Byte at which the path starts.
    pub at: usize,
    /// Whether the text gives it an alias.
    pub has_alias: bool,
    /// Its columns that the text reads.
    pub read: ColumnsRead,
}

/// A column, qualified or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnReference {
    /// Unquoted parts.
    pub path: Vec<String>,
    /// Byte at which the path starts.
    pub at: usize,
}

/// A function call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FunctionReference {
    /// Name in lower case, without schema.
    pub name: String,
    /// Byte at which it starts.
    pub at: usize,
    /// How many arguments it is given.
    pub arguments: usize,
    /// Whether the parser's engine says that it gives another value with each call.
    pub is_volatile: bool,
}

/// One expression of a select list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// The name that the text gives it: its alias, or that of the column that it is.
    pub name: Option<String>,
    /// Byte at which the expression starts, as far as its parts have places.
    pub at: Option<usize>,
    /// Whether its value is calculated: the digits of a number then follow from the engine's rules, not from a column or a cast.
    pub calculated: bool,
    /// Name of the function, in lower case, where the whole expression is one call of a function that is not an operator.
    pub call: Option<String>,
    /// Whether that call carries `filter (where …)`, `distinct` or an order of its own.
    pub modified: bool,
    /// The condition of that call's `filter (where …)`, as the parser writes it: two texts that differ in blanks, comments, brackets and
    /// the letter case of names give one condition.
    pub filter: Option<String>,
}
