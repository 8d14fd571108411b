//! Columns and dates that are not what they seem.

use millrace_testkit::mariadb::MariaDb;

use super::{Side, agree};
use crate::mysql_values::Ask;
use crate::reading::{discover, stream};

/// Columns of a kind that not every server has, with a value for each of three rows; none where the server gives it one.
type Kind = (&'static str, &'static str, Ask, Option<[&'static str; 3]>);

const KINDS: [Kind; 9] = [
    ("a", "int", Ask::Text, Some(["1", "null", "-5"])),
    ("g", "int as (a * 2) virtual", Ask::Text, None),
    ("s", "varchar(20) as (concat('é', a)) stored", Ask::Text, None),
    ("h", "int default 7 invisible", Ask::Text, None),
    ("x", "varchar(20) default (concat('a', 'b'))", Ask::Text, None),
    ("c", "text compressed", Ask::Text, Some(["repeat('é', 1000)", "null", "''"])),
    ("z", "text column_format compressed", Ask::Text, Some(["repeat('é', 1000)", "null", "''"])),
    ("p", "binary(3)", Ask::Bytes, Some(["'a'", "null", "''"])),
    ("e", "enum('x','y')", Ask::Text, Some(["'y'", "null", "'z'"])),
];

/// Generated, invisible and compressed columns, instants written in both hours that clocks show twice, and a default that came with the
/// column. Returns the columns that the server has not.
pub(super) fn columns(server: &MariaDb, sides: &[Side]) -> Vec<&'static str> {
    let probe = |definition: &str| {
        let sql =
            format!("create table v.probe (id int primary key, a int, b {definition}); drop table v.probe;");
        server.attempt(&sql).is_ok()
    };
    let (kinds, lacking): (Vec<Kind>, Vec<Kind>) =
        KINDS.iter().copied().partition(|(_, definition, ..)| probe(definition));
    let definitions: Vec<String> =
        kinds.iter().map(|(name, definition, ..)| format!("{name} {definition}")).collect();
    let given = || kinds.iter().filter_map(|(name, _, _, values)| Some((*name, (*values)?)));
    let names: Vec<&str> = given().map(|(name, _)| name).collect();
    let row = |at: usize| given().map(|(_, values)| values[at]).collect::<Vec<_>>().join(", ");
    // Where a server can, it leaves the rows as they are.
    let instant = ["", ", algorithm=instant"].map(|how| {
        format!(
            "alter table v.odd add column later timestamp(3) not null default '2024-07-01 12:00:00.125'{how}"
        )
    });
    server.run(&format!(
        "use v; set names utf8mb4; set sql_mode = ''; create table odd (id int primary key, {});
         insert into odd (id, {}) values (1, {}), (2, {}), (3, {});",
        definitions.join(", "),
        names.join(", "),
        row(0),
        row(1),
        row(2),
    ));
    if server.attempt(&instant[1]).is_err() {
        server.run(&instant[0]);
    }
    server.run(
        "use v; set time_zone = '+00:00';
         insert into odd (id, a, later) select seq, seq, from_unixtime(1729983600 + (seq - 10) * 900.001) from numbers where seq between 10 and 30;
         insert into odd (id, a, later) select seq, seq, from_unixtime(1711801800 + seq * 900) from numbers where seq between 40 and 60;",
    );
    let columns = kinds.iter().map(|(name, _, ask, _)| (*name, *ask));
    let columns: Vec<(&str, Ask)> = columns.chain([("later", Ask::Instant)]).collect();
    assert_eq!(agree(server, sides, "odd", &columns), 45 * columns.len());
    lacking.iter().map(|(_, definition, ..)| *definition).collect()
}

/// Days that are none: set aside, each with its column, or NULL and counted, as the stream says.
pub(super) fn zero_dates(server: &MariaDb, sides: &[Side]) {
    server.run(
        "use v; set sql_mode = ''; create table days (id int primary key, d date, m datetime(6), t timestamp null);
         insert into days values (1, '2024-02-29', '2024-02-29', '2024-02-29'), (2, '0000-00-00', null, null), (3, '2024-00-10', null, null),
           (4, null, '0000-00-00', null), (5, null, '2024-05-00 01:02:03', null), (6, null, null, '0000-00-00');",
    );
    let source = crate::mysql::live(server, "v");
    for (policy, rows, aside, null) in [
        ("quarantine", "1", 5, [].as_slice()),
        ("null", "1,2,3,4,5,6", 0, [("d", 2), ("m", 2), ("t", 1)].as_slice()),
    ] {
        let stream = stream("days", &[("zero_dates", policy)]);
        let schema = discover(source.as_ref(), &stream).expect("columns").schema;
        for side in sides {
            let (quarantined, outcome) = side.load(source.as_ref(), &stream, &schema).expect("it loads");
            let columns: Vec<_> = quarantined.iter().filter_map(|row| row.column.as_deref()).collect();
            assert_eq!(columns.len(), aside, "{}", side.name);
            if aside > 0 {
                assert_eq!(columns, ["d", "d", "m", "m", "t"], "{}", side.name);
            }
            let counted: Vec<_> = outcome
                .conversions
                .iter()
                .map(|conversion| (conversion.column.as_str(), conversion.rows))
                .collect();
            assert_eq!(counted, null, "{}", side.name);
            let ids = side.query("select string_agg(cast(id as varchar), ',' order by id) from raw.days");
            assert_eq!(ids[0][0].as_str(), Some(rows), "{}", side.name);
            let empty = side.query("select count(*) from raw.days where coalesce(cast(d as varchar), cast(m as varchar), cast(t as varchar)) is null");
            assert_eq!(empty[0][0].as_int(), Some(if aside > 0 { 0 } else { 5 }), "{}", side.name);
            side.run("drop table raw.days");
        }
    }
}
