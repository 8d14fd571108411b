//! Floating-point numbers, compared by their bits with those that the server sends in its binary protocol.

use millrace_core::value::Value;
use millrace_testkit::mariadb::MariaDb;
use mysql_async::prelude::Queryable as _;
use mysql_async::{Conn, Row};

use super::Side;
use crate::reading::{discover, stream, wait};

/// The bits of a FLOAT and of a DOUBLE.
type Bits = (Option<u32>, Option<u64>);

pub(super) fn bit_by_bit(server: &MariaDb, sides: &[Side]) {
    server.run(
        "use v; create table floats (id int primary key, f float, d double);
         insert into floats select seq, (rand(7) - 0.5) * pow(10, floor(rand(8) * 75) - 37),
           (rand(9) - 0.5) * pow(10, floor(rand(10) * 600) - 300) from numbers;
         insert into floats values (0, 16777217, -0e0), (-1, 1e-45, 4.9e-324), (-2, 3.4028234e38, 1.7976931348623157e308), (-3, null, null),
           (-4, -3.4028234e38, -1.7976931348623157e308), (-5, 1.17549435e-38, 2.2250738585072014e-308), (-6, 0, 9007199254740993),
           (-7, -0e0, 0.1), (-8, 0.1, 123456789.123456789);",
    );
    let expected = sent(server);
    assert_eq!(expected.len(), 20_009);
    let source = crate::mysql::live(server, "v");
    let stream = stream("floats", &[]);
    let schema = discover(source.as_ref(), &stream).expect("columns").schema;
    for side in sides {
        side.load(source.as_ref(), &stream, &schema).expect("it loads");
        let found = stored(side);
        let differs = found.iter().zip(&expected).find(|(found, expected)| found != expected);
        assert_eq!((differs, found.len()), (None, expected.len()), "{}", side.name);
    }
}

/// What the server sends.
fn sent(server: &MariaDb) -> Vec<Bits> {
    let rows: Vec<Row> = wait(async {
        let options = mysql_async::Opts::from_url(&crate::mysql::url(server, "v")).expect("a URL");
        let mut connection = Conn::new(options).await.expect("a connection");
        let rows = connection.exec("select f, d from floats order by id", ()).await.expect("rows");
        connection.disconnect().await.expect("leave");
        rows
    });
    let bits = |row: &Row| {
        let float = match row.as_ref(0) {
            Some(mysql_async::Value::Float(float)) => Some(float.to_bits()),
            _ => None,
        };
        let double = match row.as_ref(1) {
            Some(mysql_async::Value::Double(double)) => Some(double.to_bits()),
            _ => None,
        };
        (float, double)
    };
    rows.iter().map(bits).collect()
}

/// What a warehouse holds: by the bytes that it would send where it tells them, else by the shortest texts that are read back the same.
fn stored(side: &Side) -> Vec<Bits> {
    let postgres = side.name == "postgres";
    let columns = if postgres {
        "encode(float4send(f), 'hex'), encode(float8send(d), 'hex')"
    } else {
        "cast(f as varchar), cast(d as varchar)"
    };
    let data = side.query(&format!("select {columns} from raw.floats order by id"));
    let float = |text: &str| {
        if postgres {
            u32::from_str_radix(text, 16).expect("hex")
        } else {
            text.parse::<f32>().expect("a float").to_bits()
        }
    };
    let double = |text: &str| {
        if postgres {
            u64::from_str_radix(text, 16).expect("hex")
        } else {
            text.parse::<f64>().expect("a double").to_bits()
        }
    };
    let bits = |(f, d): (&Value, &Value)| (f.as_str().map(float), d.as_str().map(double));
    data[0].iter().zip(&data[1]).map(bits).collect()
}
