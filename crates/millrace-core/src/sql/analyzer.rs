//! What the core needs to know about an SQL text. The parser of an engine provides it, so the core
//! contains no SQL parser.

use crate::sql::columns_read::ColumnsRead;

/// Analyzes SQL of one dialect.
pub trait SqlAnalyzer: Send + Sync {
    /// Parses a text of select statements and lists the names in it. Pure: the result depends only
    /// on the text.
    fn analyze(&self, sql: &str) -> Result<ParsedSql, SyntaxError>;
}

/// The text cannot be parsed, or is not a select.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SyntaxError {
    /// The parser's message, as a lower-case fragment.
    pub message: String,
    /// Byte at which the parser stopped, if it says so.
    pub position: Option<usize>,
    /// `true` if the text parses, but is not a select.
    pub not_a_select: bool,
}

/// The result of an analysis.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ParsedSql {
    /// Number of statements.
    pub statements: usize,
    /// Tables that are read, in the order of the text. References to a WITH clause in scope are not
    /// included.
    pub tables: Vec<TableReference>,
    /// Column references.
    pub columns: Vec<ColumnReference>,
    /// Aliases of expressions and column aliases of tables, in lower case.
    pub aliases: std::collections::BTreeSet<String>,
    /// Function calls, including operators that the parser represents as functions.
    pub functions: Vec<FunctionReference>,
    /// The outermost select list of the first statement.
    pub outputs: Vec<Output>,
    /// Whether the text samples rows, so that each execution may read different ones.
    pub is_sampled: bool,
    /// Text literals that are cast to a date or time: `cast('today' as date)`.
    pub times: Vec<String>,
}

/// A table reference in FROM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableReference {
    /// `[name]`, `[schema, name]` or `[catalog, schema, name]`, unquoted.
    pub path: Vec<String>,
    /// Byte at which the path starts.
    pub at: usize,
    /// Whether the text gives it an alias.
    pub has_alias: bool,
    /// The columns of it that the text reads.
    pub read: ColumnsRead,
}

/// A column reference, qualified or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnReference {
    /// The parts of the name, unquoted.
    pub path: Vec<String>,
    /// Byte at which the path starts.
    pub at: usize,
}

/// A function call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FunctionReference {
    /// Name in lower case, without its schema.
    pub name: String,
    /// Byte at which the call starts.
    pub at: usize,
    /// Number of arguments.
    pub arguments: usize,
    /// Whether the parser's engine marks the function as volatile: it returns a different value on
    /// each call.
    pub is_volatile: bool,
}

/// One expression in a select list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// Name of the output column: the alias, or the name if the expression is a column.
    pub name: Option<String>,
    /// Byte at which the expression starts, if its parts have positions.
    pub at: Option<usize>,
    /// Whether the value is computed. The scale of a number then depends on the engine's rules
    /// instead of a column or cast.
    pub calculated: bool,
    /// Lower-case name of the function, if the whole expression is one call of a function other
    /// than an operator.
    pub call: Option<String>,
    /// Whether that call has a `filter (where …)`, a `distinct` or an `order by`.
    pub modified: bool,
    /// The condition in that call's `filter (where …)`, normalized by the parser: texts that differ
    /// only in blanks, comments, parentheses and letter case of names give the same condition.
    pub filter: Option<String>,
}
