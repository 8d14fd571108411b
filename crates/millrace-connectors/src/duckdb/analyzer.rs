//! Analyzes SQL by DuckDB's own parse tree, which `json_serialize_sql` returns as JSON.
//!
//! The walk over the tree collects the names of tables, columns and functions with their positions,
//! the outputs of the select list, the texts that become times, and the columns that are read of
//! each table. Names that a WITH defines do not count as tables where they are in scope.

use std::sync::{Mutex, PoisonError};

use duckdb::Connection;
use millrace_core::sql::analyzer::{
    ColumnReference, FunctionReference, Output, ParsedSql, SqlAnalyzer, SyntaxError, TableReference,
};
use millrace_core::sql::columns_read::ColumnsRead;
use serde::Deserialize as _;
use serde_json::Value as Json;

use super::reading::{Reading, place};

/// Stack size of the thread that walks a tree. Trees of long expressions are deep, because each
/// operator of `a || b || …` adds a level. The parser itself stops at 1,000.
const STACK_BYTES: usize = 256 * 1024 * 1024;

/// Parses the portable dialect with an engine in memory, which never sees data. The engine starts
/// with the first text, because a project without models needs none.
#[derive(Default)]
pub struct DuckdbAnalyzer {
    /// The engine, once it has started. It is only used for parsing.
    engine: Mutex<Option<Connection>>,
}

/// DuckDB's functions that may return another value with each call, sorted. The list is fixed
/// because asking the engine takes longer than a run with nothing to do; a test compares the two.
const VOLATILE: [&str; 16] = [
    "current_connection_id",
    "current_query",
    "current_query_id",
    "current_transaction_id",
    "currval",
    "error",
    "gen_random_uuid",
    "nextval",
    "random",
    "setseed",
    "sleep_ms",
    "stats",
    "uuid",
    "uuidv4",
    "uuidv7",
    "write_log",
];

impl DuckdbAnalyzer {
    /// The parse tree of a text as JSON, or the engine's failure in words. A syntax error is part
    /// of the JSON.
    fn tree(&self, sql: &str) -> Result<String, String> {
        let mut engine = self.engine.lock().unwrap_or_else(PoisonError::into_inner);
        let engine = match &mut *engine {
            Some(started) => started,
            none => none.insert(
                Connection::open_in_memory()
                    .map_err(|error| format!("the SQL parser did not start: {error}"))?,
            ),
        };
        let tree =
            engine.query_row("select cast(json_serialize_sql($1::varchar) as varchar)", [sql], |row| {
                row.get(0)
            });
        tree.map_err(|error| error.to_string())
    }
}

impl SqlAnalyzer for DuckdbAnalyzer {
    fn analyze(&self, sql: &str) -> Result<ParsedSql, SyntaxError> {
        let unparsed = |message: String| SyntaxError { message, position: None, not_a_select: false };
        if sql.contains('\0') {
            return Err(unparsed("it holds a NUL byte".to_owned()));
        }
        let tree = self.tree(sql).map_err(unparsed)?;
        // A thread of its own has the stack that a deep tree needs. Reading the JSON also recurses.
        std::thread::scope(|scope| {
            let walk =
                std::thread::Builder::new().stack_size(STACK_BYTES).spawn_scoped(scope, || parsed(&tree));
            match walk.map(std::thread::ScopedJoinHandle::join) {
                Ok(Ok(parsed)) => parsed,
                Ok(Err(_)) | Err(_) => Err(unparsed("the parse tree could not be read".to_owned())),
            }
        })
    }
}

/// Reads the JSON of `json_serialize_sql` and walks all statements, or returns the syntax error
/// that it reports.
fn parsed(tree: &str) -> Result<ParsedSql, SyntaxError> {
    let mut deserializer = serde_json::Deserializer::from_str(tree);
    // The default limit of 128 levels is less than the parser permits.
    deserializer.disable_recursion_limit();
    let tree = Json::deserialize(&mut deserializer).map_err(|error| SyntaxError {
        message: error.to_string(),
        position: None,
        not_a_select: false,
    })?;
    // The engine reports errors in the same JSON, as text and byte position.
    if tree["error"] == Json::Bool(true) {
        let message = tree["error_message"].as_str().unwrap_or("it cannot be parsed").to_owned();
        let position = tree["position"].as_str().and_then(|text| text.parse().ok());
        return Err(SyntaxError { not_a_select: message.contains("Only SELECT"), message, position });
    }
    let statements = tree["statements"].as_array().map_or(&[][..], Vec::as_slice);
    let mut walk = Walk {
        parsed: ParsedSql { statements: statements.len(), ..ParsedSql::default() },
        scope: Vec::new(),
        reading: Reading::default(),
    };
    for statement in statements {
        walk.node(statement);
    }
    // Texts with several statements are refused by the callers, so only the first one's outputs
    // matter.
    let outputs = statements.first().and_then(|statement| statement["node"]["select_list"].as_array());
    for table in &mut walk.parsed.tables {
        table.read = walk.reading.of(table.at);
    }
    walk.parsed.outputs = outputs.into_iter().flatten().map(output).collect();
    Ok(walk.parsed)
}

/// Describes one expression of a select list: its name, whether it is calculated, and the function
/// that it calls.
fn output(expression: &Json) -> Output {
    let is_call = expression["class"] == "FUNCTION" && expression["is_operator"] != Json::Bool(true);
    let call = if is_call { expression["function_name"].as_str().map(str::to_lowercase) } else { None };
    let ordered = expression["order_bys"]["orders"].as_array().is_some_and(|orders| !orders.is_empty());
    let modified = ordered || expression["distinct"] == Json::Bool(true) || !expression["filter"].is_null();
    let text = |value: &Json| value.as_str().filter(|text| !text.is_empty()).map(str::to_owned);
    let own = expression["column_names"].as_array().and_then(|path| path.last()).and_then(text);
    let name = text(&expression["alias"]).or(own);
    // Filters are compared with each other, so their positions are left out.
    let filter = (call.is_some() && !expression["filter"].is_null())
        .then(|| without_places(&expression["filter"]).to_string());
    Output {
        name,
        at: first_place(expression),
        calculated: is_calculated(expression),
        call,
        modified,
        filter,
    }
}

/// An expression without what does not change its value: positions, and the case of column names.
/// So two expressions can be compared by their text.
fn without_places(expression: &Json) -> Json {
    match expression {
        Json::Array(items) => items.iter().map(without_places).collect(),
        Json::Object(fields) => {
            let counts = fields.iter().filter(|(key, _)| key.as_str() != "query_location");
            let kept = counts.map(|(key, value)| {
                let lower = |name: &Json| Json::from(name.as_str().unwrap_or_default().to_lowercase());
                let value = match value.as_array().filter(|_| key == "column_names") {
                    Some(names) => names.iter().map(lower).collect(),
                    None => without_places(value),
                };
                (key.clone(), value)
            });
            Json::Object(kept.collect())
        }
        other => other.clone(),
    }
}

/// The first position in an expression and everything below it. An operator's own position is
/// behind its left side.
fn first_place(expression: &Json) -> Option<usize> {
    match expression {
        Json::Array(items) => items.iter().filter_map(first_place).min(),
        Json::Object(fields) => fields.values().filter_map(first_place).chain(place(expression)).min(),
        _ => None,
    }
}

/// Whether an expression computes a value, as opposed to passing a column's value on. A constant
/// other than NULL counts as computed. `nullif`, `coalesce` and CASE pass on what their branches
/// give.
fn is_calculated(expression: &Json) -> bool {
    let any = |parts: &Json| parts.as_array().is_some_and(|parts| parts.iter().any(is_calculated));
    match expression["class"].as_str().unwrap_or_default() {
        // `nullif` returns its first argument or NULL.
        "FUNCTION" if expression["function_name"] == "nullif" => is_calculated(&expression["children"][0]),
        "FUNCTION" | "WINDOW" => true,
        "CONSTANT" => expression["value"]["is_null"] != Json::Bool(true),
        "OPERATOR" => any(&expression["children"]),
        "CASE" => {
            let checks = expression["case_checks"].as_array().map_or(&[][..], Vec::as_slice);
            checks.iter().any(|check| is_calculated(&check["then_expr"]))
                || is_calculated(&expression["else_expr"])
        }
        _ => false,
    }
}

/// Whether a type is a date or time type.
fn is_of_time(data_type: &Json) -> bool {
    let name = data_type.to_string().to_uppercase();
    name.contains("DATE") || name.contains("TIME")
}

/// The text of a constant, below any casts.
fn constant(expression: &Json) -> Option<&str> {
    match expression["class"].as_str()? {
        "CAST" => constant(&expression["child"]),
        "CONSTANT" => expression["value"]["value"].as_str(),
        _ => None,
    }
}

/// The state of the walk over a tree.
struct Walk {
    parsed: ParsedSql,
    /// Names of WITH queries that are in scope, in lower case.
    scope: Vec<String>,
    reading: Reading,
}

impl Walk {
    /// Visits a node and all nodes below it. The queries of a WITH come first, because the rest of
    /// its node can use their names.
    fn node(&mut self, node: &Json) {
        match node {
            Json::Array(items) => items.iter().for_each(|item| self.node(item)),
            Json::Object(fields) => {
                self.note(node);
                let before = self.scope.len();
                if let Some(entries) = node["cte_map"]["map"].as_array() {
                    for entry in entries {
                        let name = entry["key"].as_str().unwrap_or_default().to_lowercase();
                        let query = &entry["value"];
                        // A recursive query sees its own name; any other sees only those before it.
                        let recursive = query["query"]["node"]["type"] == "RECURSIVE_CTE_NODE";
                        if recursive {
                            self.scope.push(name.clone());
                        }
                        self.node(query);
                        if !recursive {
                            self.scope.push(name);
                        }
                    }
                }
                let is_select = node["type"] == "SELECT_NODE";
                if is_select {
                    self.reading.enter(&node["from_table"]);
                }
                for (key, value) in fields {
                    if key != "cte_map" {
                        self.node(value);
                    }
                }
                if is_select {
                    self.reading.leave();
                }
                self.scope.truncate(before);
            }
            _ => {}
        }
    }

    /// Records the names that the text defines: aliases of expressions, and column names of a table
    /// or of a WITH query.
    fn note_aliases(&mut self, node: &Json) {
        // An alias of a table names no column.
        let own = node["class"].is_string().then_some(&node["alias"]);
        let lists =
            ["column_name_alias", "aliases"].into_iter().filter_map(|key| node[key].as_array()).flatten();
        let names = own.into_iter().chain(lists).filter_map(Json::as_str).filter(|name| !name.is_empty());
        self.parsed.aliases.extend(names.map(str::to_lowercase));
    }

    /// Records what a single node tells.
    fn note(&mut self, node: &Json) {
        self.note_aliases(node);
        self.reading.note(node);
        self.parsed.is_sampled |= node["sample"].is_object();
        if node["class"] == "CAST" && is_of_time(&node["cast_type"]) {
            self.parsed.times.extend(constant(&node["child"]).map(str::to_owned));
        }
        let Some(at) = place(node) else { return };
        let text = |key: &str| node[key].as_str().unwrap_or_default().to_owned();
        if node["type"] == "BASE_TABLE" {
            let path: Vec<String> = [text("catalog_name"), text("schema_name"), text("table_name")]
                .into_iter()
                .filter(|part| !part.is_empty())
                .collect();
            let defined_here = path.len() == 1 && self.scope.contains(&path[0].to_lowercase());
            if !defined_here {
                let has_alias = !text("alias").is_empty();
                self.parsed.tables.push(TableReference { path, at, has_alias, read: ColumnsRead::default() });
            }
        } else if node["class"] == "COLUMN_REF" {
            let names = node["column_names"].as_array().into_iter().flatten();
            let path = names.filter_map(|name| name.as_str().map(str::to_owned)).collect();
            self.parsed.columns.push(ColumnReference { path, at });
        } else if node["class"] == "FUNCTION" || node["class"] == "WINDOW" {
            let name = text("function_name").to_lowercase();
            let is_volatile = VOLATILE.contains(&name.as_str());
            // Versions of DuckDB differ in the key of a call's arguments.
            let arguments = ["children", "arguments"].into_iter().filter_map(|key| node[key].as_array());
            let arguments = arguments.map(Vec::len).sum();
            self.parsed.functions.push(FunctionReference { name, at, arguments, is_volatile });
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn tables(sql: &str) -> Vec<String> {
        let analyzer = DuckdbAnalyzer::default();
        let parsed = analyzer.analyze(sql).expect("it is SQL");
        parsed.tables.iter().map(|table| format!("{}@{}", table.path.join("."), table.at)).collect()
    }

    #[test]
    fn tables_are_found_wherever_they_stand_and_ctes_are_not() {
        for (sql, expected) in [
            ("select * from a, files.orders o", vec!["a@14", "files.orders@17"]),
            ("with a as (select * from a) select * from a", vec!["a@25"]),
            ("with a as (select 1), b as (select * from a) select * from b join c using (x)", vec!["c@66"]),
            ("with recursive r as (select 1 n union all select n + 1 from r) select * from r", vec![]),
            ("select (select max(x) from t) where exists (select 1 from u)", vec!["t@27", "u@58"]),
            ("select 'é' from \"Ü x\" union all select 1 from z", vec!["Ü x@17", "z@48"]),
            ("select * from (with q as (select 1) select * from q) join q using (a)", vec!["q@58"]),
        ] {
            assert_eq!(tables(sql), expected, "{sql}");
        }
    }

    #[test]
    fn the_list_of_volatile_functions_is_the_engines() {
        let connection = Connection::open_in_memory().expect("an engine");
        let sql = "select distinct lower(function_name) as name from duckdb_functions() where stability = 'VOLATILE' order by name";
        let mut statement = connection.prepare(sql).expect("SQL");
        let names = statement.query_map([], |row| row.get(0)).expect("rows");
        let names: Vec<String> = names.collect::<duckdb::Result<_>>().expect("names");
        assert_eq!(names, VOLATILE);
    }

    #[test]
    fn texts_that_become_times_are_found() {
        let analyzer = DuckdbAnalyzer::default();
        let sql = "select cast('today' as date), 'now'::timestamp, date 'yesterday', timestamptz 'tomorrow', \
                   'now'::varchar::date, try_cast('today' as timestamptz), cast('other' as varchar), 'label', cast(a as date), \
                   cast('12' as integer), 'now'::time from t where x > '2026-01-01'::date";
        let mut times = analyzer.analyze(sql).expect("it is SQL").times;
        times.sort();
        assert_eq!(times, ["2026-01-01", "now", "now", "now", "today", "today", "tomorrow", "yesterday"]);
    }

    #[test]
    fn long_expressions_do_not_overflow() {
        let analyzer = DuckdbAnalyzer::default();
        let long = format!("select {}", vec!["a"; 400].join(" || "));
        assert_eq!(analyzer.analyze(&long).expect("it is SQL").columns.len(), 400);
        assert!(analyzer.analyze(&"(".repeat(100_000)).is_err());
    }

    #[test]
    fn what_is_no_select_is_told_apart() {
        let analyzer = DuckdbAnalyzer::default();
        let error = analyzer.analyze("drop table x").expect_err("no select");
        assert!(error.not_a_select);
        let error = analyzer.analyze("select a fro b").expect_err("no SQL");
        assert_eq!((error.not_a_select, error.position), (false, Some(13)));
        let outputs = analyzer.analyze("select sum(a), a + b, count(distinct a)").expect("it is SQL").outputs;
        assert_eq!((outputs[0].call.as_deref(), outputs[0].modified), (Some("sum"), false));
        assert_eq!(outputs[1].call, None);
        assert_eq!((outputs[2].call.as_deref(), outputs[2].modified), (Some("count"), true));
    }

    #[test]
    fn conditions_of_calls_are_compared_by_what_they_say() {
        let analyzer = DuckdbAnalyzer::default();
        let filter = |sql: &str| {
            let parsed = analyzer.analyze(&format!("select {sql}")).expect("it is SQL");
            parsed.outputs[0].filter.clone()
        };
        let one = filter("sum(a) filter (where status <> 'x' and n > 1)");
        assert!(one.is_some());
        assert_eq!(one, filter("count(*) FILTER (WHERE (Status<>'x') /* filter */ and\n(n > 1)\n)"));
        assert_ne!(one, filter("sum(a) filter (where status <> 'X' and n > 1)"));
        assert_ne!(one, filter("sum(a) filter (where status <> 'x')"));
        for without in
            ["sum(filtered_amount)", "sum(a)", "sum(\"ẞfilter\")", "a", "sum(a) filter (where b) + 1"]
        {
            assert_eq!(filter(without), None, "{without}");
        }
    }

    #[test]
    fn outputs_have_names_and_places_and_are_calculated_or_not() {
        let analyzer = DuckdbAnalyzer::default();
        for (sql, expected) in [
            ("a", (Some("a"), false)),
            ("t.B as c", (Some("c"), false)),
            ("cast(a * 2 as decimal(18, 2)) as d", (Some("d"), false)),
            ("a * 2 as e", (Some("e"), true)),
            ("sum(a)", (None, true)),
            ("sum(a) over () f", (Some("f"), true)),
            ("coalesce(a, b)", (None, false)),
            ("coalesce(sum(a), 0)", (None, true)),
            ("case when a > 1 then b end as g", (Some("g"), false)),
            ("case when a > 1 then b else 0 end as h", (Some("h"), true)),
            ("nullif(a, 0)", (None, false)),
            ("null", (None, false)),
            ("(select max(a) from t) as i", (Some("i"), false)),
            ("*", (None, false)),
        ] {
            let parsed = analyzer.analyze(&format!("select 1, {sql} from t")).expect("it is SQL");
            let output = &parsed.outputs[1];
            assert_eq!((output.name.as_deref(), output.calculated), expected, "{sql}");
            assert!(output.at.is_none_or(|at| at >= 10), "{sql}: {:?}", output.at);
        }
        let parsed = analyzer.analyze("select x, a + b as c from t").expect("it is SQL");
        assert_eq!(parsed.outputs[1].at, Some(10));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn no_text_panics(text in "(select |from |with a as \\(|\\)|[a-z.,'\"\\*é\u{0} \n;-]){0,30}") {
            let analyzer = DuckdbAnalyzer::default();
            if let Ok(parsed) = analyzer.analyze(&text) {
                for table in &parsed.tables {
                    prop_assert!(text.is_char_boundary(table.at));
                }
            }
        }
    }
}
