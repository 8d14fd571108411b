//! Columns and dates that are not what they seem.

use millrace_testkit::mariadb::MariaDb;

use super::{Side, agree};
use crate::mysql_values::Ask;
use crate::reading::{discover, stream};

/// Generated, invisible and compressed columns, instants written in both hours that clocks show twice, and a default that came with the
/// column.
pub(super) fn columns(server: &MariaDb, sides: &[Side]) {
    server.run(
        "use v; create table odd (id int primary key, a int, g int as (a * 2) virtual, s varchar(20) as (concat('é', a)) stored,
           h int invisible default 7, c text compressed, p binary(3), e enum('x','y'));
         set sql_mode = '';
         insert into odd (id, a, c, p, e) values (1, 1, repeat('é', 1000), 'a', 'y'), (2, null, null, null, null), (3, -5, '', '', 'z');
         alter table odd add column later timestamp(3) not null default '2024-07-01 12:00:00.125', algorithm=instant;
         set time_zone = '+00:00';
         insert into odd (id, a, later) select seq, seq, from_unixtime(1729983600 + (seq - 10) * 900.001) from seq_10_to_30;
         insert into odd (id, a, later) select seq, seq, from_unixtime(1711801800 + seq * 900) from seq_40_to_60;",
    );
    let columns = [
        ("a", Ask::Text),
        ("g", Ask::Text),
        ("s", Ask::Text),
        ("h", Ask::Text),
        ("c", Ask::Text),
        ("p", Ask::Bytes),
        ("e", Ask::Text),
        ("later", Ask::Instant),
    ];
    assert_eq!(agree(server, sides, "odd", &columns), 45 * columns.len());
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
