//! Fuzz targets of this connector: any bytes as a URL, and any values of the binary protocol.

use std::fmt::Write as _;

use millrace_core::schema::DataType;
use mysql_async::Value;

use crate::files::column::ColumnBuffer;
use crate::files::testing::cell;
use crate::fuzz::input::Input;
use crate::mysql::address::{Address, UrlOverrides};
use crate::mysql::table::Origin;
use crate::mysql::{convert, written};
use crate::mysql_types::stored::{Form, Pushed};

/// A text that no message may repeat. It is not the name of a parameter, which messages may repeat.
const SECRET: &str = "s3~cr3t";

/// Checks that no message repeats a part of the URL, and that an address which was parsed, written
/// and parsed again is the same.
///
/// # Panics
///
/// If one of these claims does not hold.
pub fn mysql_url(data: &[u8]) {
    let mut input = Input(data);
    let place = usize::from(input.byte());
    let Ok(text) = std::str::from_utf8(input.0) else { return };
    // The secret is inserted where the first byte of the input says, at a character boundary.
    let at = (0..=place.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    let with_secret = format!("{}{SECRET}{}", &text[..at], &text[at..]);
    for url in
        [text, &with_secret, &format!("mysql://u:{with_secret}@h/d"), &format!("mysql://{with_secret}")]
    {
        match Address::parse(url, UrlOverrides::default()) {
            Err(error) => {
                let said = format!("{error} {:?}", error.to_diagnostic().hint);
                assert!(!said.contains(SECRET), "a message repeats a part of the URL");
            }
            Ok(address) => {
                let again = Address::parse(&url_of(&address), UrlOverrides::default());
                assert!(again.is_ok_and(|again| again == address), "it is not read as it was written");
            }
        }
    }
}

/// Writes an address as a URL, with every byte escaped that is not a letter or digit.
fn url_of(address: &Address) -> String {
    let encoded = |text: &str| {
        text.bytes().fold(String::new(), |mut out, byte| {
            if byte.is_ascii_alphanumeric() {
                out.push(char::from(byte));
            } else {
                let _ = write!(out, "%{byte:02X}");
            }
            out
        })
    };
    let password =
        address.password.as_ref().map(|password| format!(":{}", encoded(password))).unwrap_or_default();
    let file = |name: &str, file: &String| format!("&{name}={}", encoded(file));
    let mut files = address.ssl_ca.as_ref().map(|ca| file("ssl-ca", ca)).unwrap_or_default();
    if let Some((certificate, key)) = &address.client {
        files += &file("ssl-cert", certificate);
        files += &file("ssl-key", key);
    }
    let place = match &address.socket {
        Some(path) => encoded(path),
        None => format!("{}:{}", encoded(&address.host), address.port),
    };
    format!(
        "mysql://{}{password}@{place}/{}?ssl-mode={}{files}",
        encoded(&address.user),
        encoded(&address.database),
        address.ssl_mode.name()
    )
}

/// Types of columns; each byte of the input chooses one.
const TYPES: [DataType; 22] = [
    DataType::Boolean,
    DataType::Int8,
    DataType::Int16,
    DataType::Int32,
    DataType::Int64,
    DataType::UInt8,
    DataType::UInt16,
    DataType::UInt32,
    DataType::UInt64,
    DataType::Decimal { precision: 10, scale: 2 },
    DataType::Decimal { precision: 38, scale: 38 },
    DataType::Decimal { precision: 65, scale: 30 },
    DataType::Float32,
    DataType::Float64,
    DataType::Date,
    DataType::Timestamp,
    DataType::TimestampTz,
    DataType::Interval,
    DataType::Text,
    DataType::Json,
    DataType::Bytes,
    DataType::Text,
];

/// Pushes any value into a column of any type. Checks that exactly one value is appended, or none
/// if the value is refused or a zero date; that a number keeps its value; and that what quarantine
/// would keep of the row is JSON.
///
/// # Panics
///
/// If one of these claims does not hold.
pub fn mysql_values(data: &[u8]) {
    let mut input = Input(data);
    let mut scratch = Vec::new();
    let mut cells = Vec::new();
    // At most 32 values, which make one row for quarantine.
    while !input.0.is_empty() && cells.len() < 32 {
        let data_type = |byte: u8| TYPES[usize::from(byte) % TYPES.len()];
        let (from, to) = (data_type(input.byte()), data_type(input.byte()));
        let form = [Form::Plain, Form::Plain, Form::Bits, Form::Geometry][usize::from(input.byte() % 4)];
        let origin = Origin { data_type: from, form, decimals: usize::from(input.byte() % 7) };
        let value = value(&mut input);
        let mut column = ColumnBuffer::new(to);
        column.push_null();
        match convert::push(&mut column, &value, origin, &mut scratch) {
            Ok(Pushed::Value) => assert_eq!(column.len(), 2, "one value"),
            Ok(Pushed::ZeroDate) | Err(_) => assert_eq!(column.len(), 1, "no value"),
        }
        let pushed = column.len() == 2;
        let array = column.take().expect("a column");
        if pushed {
            kept(&value, origin, to, &cell(array.as_ref(), to, usize::from(value != Value::NULL)));
        }
        cells.push((value, origin));
    }
    let row = written::row(cells.iter().map(|(value, origin)| ("é\"", value, *origin)));
    if row.ends_with(b"}")
        && let Err(error) = serde_json::from_slice::<serde_json::Value>(&row)
    {
        // JSON may have larger numbers than `serde_json` can hold.
        assert!(error.to_string().contains("number out of range"), "quarantine keeps JSON: {error}");
    }
}

/// Checks that an appended number is the same number.
fn kept(value: &Value, origin: Origin, to: DataType, found: &str) {
    let whole = match *value {
        Value::Int(number) => i128::from(number),
        Value::UInt(number) => i128::from(number),
        Value::Bytes(ref bytes) => {
            if to == DataType::Bytes && origin.form == Form::Plain {
                assert_eq!(found.len(), 2 + 2 * bytes.len(), "all bytes");
            }
            return;
        }
        _ => return,
    };
    match to {
        DataType::Boolean => assert_eq!(found, if whole == 1 { "true" } else { "false" }),
        // A float is exact if its shortest text is that of the integer.
        DataType::Float32 | DataType::Float64 => assert_eq!(found, whole.to_string()),
        DataType::Decimal { .. } => assert_eq!(found.split('.').next().map(str::parse), Some(Ok(whole))),
        DataType::Date
        | DataType::Timestamp
        | DataType::TimestampTz
        | DataType::Interval
        | DataType::Bytes => {
            panic!("a number became a {to}")
        }
        _ => assert_eq!(found.parse(), Ok(whole)),
    }
}

/// Makes a value of any kind from the input.
fn value(input: &mut Input<'_>) -> Value {
    match input.byte() % 8 {
        0 => Value::NULL,
        1 => Value::Int(i64::from_le_bytes(input.bytes())),
        2 => Value::UInt(u64::from_le_bytes(input.bytes())),
        3 => Value::Float(f32::from_le_bytes(input.bytes())),
        4 => Value::Double(f64::from_le_bytes(input.bytes())),
        // As wide as the protocol allows: each part is a number of its own, with no check of its
        // range.
        5 => Value::Date(
            u16::from_le_bytes(input.bytes()),
            input.byte(),
            input.byte(),
            input.byte(),
            input.byte(),
            input.byte(),
            u32::from_le_bytes(input.bytes()),
        ),
        6 => Value::Time(
            input.byte() & 1 == 1,
            u32::from_le_bytes(input.bytes()),
            input.byte(),
            input.byte(),
            input.byte(),
            u32::from_le_bytes(input.bytes()),
        ),
        _ => Value::Bytes(input.text().to_vec()),
    }
}
