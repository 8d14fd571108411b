use duckdb::Connection;
use duckdb::types::Value;
use fastrand::Rng;
use millrace_core::sql::analyzer::{ParsedSql, SqlAnalyzer as _};

use crate::duckdb::analyzer::DuckdbAnalyzer;

fn reads(parsed: &ParsedSql, table: &str, column: &str) -> bool {
    let mut of_table =
        parsed.tables.iter().filter(|found| found.path.last().is_some_and(|name| name == table));
    of_table.any(|found| found.read.reads(column))
}

#[test]
fn what_a_text_reads_is_told_by_its_names() {
    let analyzer = DuckdbAnalyzer::default();
    let joined = "select id, country from files.orders left join files.country on orders.code = country.code";
    for (sql, table, column, expected) in [
        (joined, "orders", "country", true),
        (joined, "orders", "code", true),
        (joined, "orders", "total", false),
        ("select orders.orders.id from orders.orders", "orders", "id", true),
        ("select files.orders.id from files.orders, files", "orders", "id", true),
        ("select #1 from files.orders", "orders", "country", true),
        ("select orders.id from orders", "orders", "orders", true),
        ("select code.name from orders", "orders", "code", true),
        ("select code.* from orders", "orders", "code", true),
        ("select code.* from orders", "orders", "id", false),
        ("select orders.* exclude (id) from orders", "orders", "code", true),
        ("select orders.* exclude (id) from orders", "orders", "id", false),
        ("select o from orders as o", "orders", "id", true),
        ("select o.id from orders as o, country as c", "country", "id", false),
        ("select id from orders as o, country as c", "country", "id", true),
        ("select o.id from orders as o join country as c using (code)", "country", "code", true),
        ("select 1 from orders as o where exists (select 1 from country where o.a = b)", "orders", "a", true),
        ("select 1 from orders as o where exists (select 1 from country where o.a = b)", "orders", "b", true),
        (
            "select 1 from orders as o where exists (select 1 from country as c where c.a = 1)",
            "orders",
            "a",
            false,
        ),
        ("select ID from Orders", "Orders", "id", true),
    ] {
        let parsed = analyzer.analyze(sql).expect("it is SQL");
        assert_eq!(reads(&parsed, table, column), expected, "{column} of {table}: {sql}");
    }
}

/// Tables with columns that have the names of other tables; one column is a struct.
const TABLES: [(&str, [(&str, &str); 3]); 3] = [
    ("a", [("k", "n"), ("b", "n"), ("c", "{'b': n, 'd': n + 1}")]),
    ("b", [("k", "n"), ("a", "n * 2"), ("d", "n")]),
    ("c", [("k", "n"), ("c", "n"), ("e", "n * 3")]),
];

/// How one column is changed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Change {
    Goes,
    IsNull,
}

/// Creates a catalog with all tables, with a change to one column if there is one.
fn catalog(connection: &Connection, name: &str, changed: Option<(&str, &str, Change)>) {
    let mut sql = format!("attach ':memory:' as {name}; create schema {name}.s;");
    for (table, columns) in TABLES {
        let shown = columns.iter().filter_map(|(column, value)| match changed {
            Some((of, which, change)) if (of, which) == (table, *column) => {
                let null = format!("case when false then {value} end as {column}");
                (change == Change::IsNull).then_some(null)
            }
            _ => Some(format!("{value} as {column}")),
        });
        let shown = shown.collect::<Vec<_>>().join(", ");
        sql.push_str(&format!("create table {name}.s.{table} as select {shown} from range(3) as r(n);"));
    }
    connection.execute_batch(&sql).expect("a catalog");
}

/// The rows of a select in a catalog, sorted; `None` if the select cannot be bound.
fn rows(connection: &Connection, catalog: &str, sql: &str) -> Option<Vec<String>> {
    connection.execute_batch(&format!("use {catalog}.s")).expect("it is there");
    let mut statement = connection.prepare(sql).ok()?;
    let mut found = statement.query([]).ok()?;
    let columns = found.as_ref().map_or(0, duckdb::Statement::column_count);
    let mut rows = Vec::new();
    while let Some(row) = found.next().ok()? {
        let cells: Vec<Value> = (0..columns).map(|at| row.get(at).expect("a value")).collect();
        rows.push(format!("{cells:?}"));
    }
    rows.sort();
    Some(rows)
}

fn any<'a>(random: &mut Rng, of: &[&'a str]) -> &'a str {
    of[random.usize(..of.len())]
}

const NAMES: [&str; 6] = ["a", "b", "c", "d", "e", "k"];

/// The tables in the FROM of a select: the name by which the select knows each, and the table's own
/// name.
type Scope = Vec<(String, &'static str)>;

/// A column name with up to four parts, which is valid at its place in most cases.
fn path(random: &mut Rng, scope: &Scope) -> String {
    let (of, table) = scope[random.usize(..scope.len())].clone();
    let columns = TABLES.iter().find(|(name, _)| *name == table).map_or(TABLES[0].1, |(_, columns)| *columns);
    let name = if random.u32(..8) == 0 { any(random, &NAMES) } else { columns[random.usize(..3)].0 };
    match random.u32(..12) {
        0..5 => name.to_owned(),
        5..8 => format!("{of}.{name}"),
        8 => format!("s.{of}.{name}"),
        9 => format!("{of}.c.{}", any(random, &["b", "d"])),
        10 => format!("plain.s.{of}.{name}"),
        _ => format!("#{}", random.u32(1..4)),
    }
}

fn expression(random: &mut Rng, scope: &Scope) -> String {
    match random.u32(..8) {
        0 => format!("coalesce({}, {})", path(random, scope), path(random, scope)),
        1 => format!("({} is null)", path(random, scope)),
        2 => {
            let mut inner = scope.clone();
            let other = table(random, &mut inner);
            format!("(select max({}) from {other})", path(random, &inner))
        }
        _ => path(random, scope),
    }
}

fn table(random: &mut Rng, scope: &mut Scope) -> String {
    let name = any(random, &["a", "b", "c"]);
    let alias = any(random, &["", "", "", "t", "b", "u", "k"]);
    scope.push((if alias.is_empty() { name } else { alias }.to_owned(), name));
    let schema = any(random, &["", "", "s."]);
    match alias {
        "" => format!("{schema}{name}"),
        "u" => format!("{schema}{name} as u(x, y)"),
        alias => format!("{schema}{name} as {alias}"),
    }
}

fn from(random: &mut Rng, scope: &mut Scope) -> String {
    let first = if random.u32(..8) == 0 {
        scope.push(("q".to_owned(), "a"));
        format!("({}) as q", select(random, 1))
    } else {
        table(random, scope)
    };
    if random.bool() {
        return first;
    }
    let other = table(random, scope);
    match random.u32(..6) {
        0 => format!("{first}, {other}"),
        1 => format!("{first} left join {other} on {} = {}", path(random, scope), path(random, scope)),
        2 | 3 => format!("{first} join {other} using ({})", any(random, &["k", "k", "a", "b"])),
        4 => format!("{first} natural join {other}"),
        _ => format!("{first} positional join {other}"),
    }
}

fn select(random: &mut Rng, depth: usize) -> String {
    let mut scope = Scope::new();
    let from = from(random, &mut scope);
    let shown: Vec<String> = (0..random.usize(1..4))
        .map(|_| match random.u32(..10) {
            0 => "*".to_owned(),
            1 => format!("{}.*", scope[random.usize(..scope.len())].0),
            2 => "columns('[kab]')".to_owned(),
            3 => scope[random.usize(..scope.len())].0.clone(),
            _ => expression(random, &scope),
        })
        .collect();
    let mut sql = format!("select {} from {from}", shown.join(", "));
    match random.u32(..6) {
        0 => sql.push_str(&format!(" where {} is not null", path(random, &scope))),
        1 if depth == 0 => {
            let outer = path(random, &scope);
            let other = table(random, &mut scope);
            let inner = path(random, &scope);
            sql.push_str(&format!(" where exists (select 1 from {other} where {inner} = {outer})"));
        }
        2 if depth == 0 => sql = format!("with q as ({}) {sql}, q", select(random, 1)),
        3 if depth == 0 => sql.push_str(&format!(" union all by name {}", select(random, 1))),
        _ => {}
    }
    sql
}

/// The engine itself is the oracle. If a statement cannot be bound without a column, or returns
/// other rows when the column is NULL, then the statement reads it.
#[test]
fn no_column_that_decides_on_the_rows_is_missed() {
    let connection = Connection::open_in_memory().expect("an engine");
    catalog(&connection, "plain", None);
    let mut changed = Vec::new();
    for (table, columns) in TABLES {
        for (column, _) in columns {
            for change in [Change::Goes, Change::IsNull] {
                let name = format!("c{}", changed.len());
                catalog(&connection, &name, Some((table, column, change)));
                changed.push((name, table, column));
            }
        }
    }
    let analyzer = DuckdbAnalyzer::default();
    let mut random = Rng::with_seed(20_261_128);
    let (mut bound, mut decided) = (0, 0);
    for _ in 0..1_000 {
        let sql = select(&mut random, 0);
        let Some(before) = rows(&connection, "plain", &sql) else { continue };
        bound += 1;
        let parsed = analyzer.analyze(&sql).expect("what is bound is SQL");
        let named = |table: &str| {
            parsed.tables.iter().any(|found| found.path.last().is_some_and(|name| name == table))
        };
        for (catalog, table, column) in changed.iter().filter(|(_, table, _)| named(table)) {
            let there = sql.replace("plain.", &format!("{catalog}."));
            if rows(&connection, catalog, &there).as_ref() != Some(&before) {
                decided += 1;
                assert!(reads(&parsed, table, column), "column {column} of {table} is missed: {sql}");
            }
        }
    }
    assert!(bound > 200 && decided > 1_000, "{bound} texts were bound, and {decided} columns decided");
}
