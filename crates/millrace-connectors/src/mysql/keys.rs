//! Sums and reads the keys of a table, for the comparison by which the engine finds deleted rows,
//! and reads rows by their keys (ADR 14).
//!
//! The server hashes the text of each key and sums the hashes by part, so that only parts which
//! differ from the warehouse are read. The text of a key must be the same on both sides, which
//! holds for whole numbers and texts only. The form of the hash is defined in
//! `millrace_engine::ports::keys`.

use std::sync::Arc;

use millrace_core::digest::hex;
use millrace_core::schema::{Column, DataType};
use millrace_core::value::Value;
use millrace_engine::error::{Error, ErrorKind, Result};
use millrace_engine::ports::batch::BatchSender;
use millrace_engine::ports::keys::{
    KeyHash, KeyParts, KeyRequest, KeySum, KeySums, RowKeys, SUMMED, Summed, hash,
};
use millrace_engine::ports::source::{Conversion, ReadRequest};
use mysql_async::Row;

use crate::mysql::connection::Connection;
use crate::mysql::quoted;
use crate::mysql::read::Reader;
use crate::mysql::table::{Table, text};
use crate::mysql_types::stored::Form;

/// Number of keys that one statement asks for.
const AT_ONCE: usize = 200;

/// SQL for the hash of a row's key. Returns `None` if a column's text may differ from that in a
/// warehouse.
fn key_hash(table: &Table, columns: &[Column], by: KeyHash) -> Option<String> {
    let texts = columns.iter().map(|column| {
        let own = table.columns.iter().find(|own| own.name == column.name)?;
        text_of(&quoted(&own.name), own.origin.data_type, own.origin.form)
    });
    Some(hash(&texts.collect::<Option<Vec<String>>>()?, |text| match by {
        KeyHash::Md5 => format!("md5({text})"),
        KeyHash::Sha256 => format!("sha2({text}, 256)"),
    }))
}

/// The hash function that the server has: MD5, or SHA-256 because MySQL from 9.6 on has MD5 only as
/// a component. Returns `None` if it has neither.
async fn own_hash(connection: &mut Connection, doing: &str) -> Result<Option<KeyHash>> {
    for (hash, sql) in [(KeyHash::Md5, "select md5('')"), (KeyHash::Sha256, "select sha2('', 256)")] {
        match connection.ask(sql, doing).await {
            Ok(rows)
                if rows.first().map(|row| text(row, 0)).transpose()?.is_some_and(|hash| !hash.is_empty()) =>
            {
                return Ok(Some(hash));
            }
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::SourceUnreadable => {}
            Err(error) => return Err(error),
        }
    }
    Ok(None)
}

/// SQL for the text of a column, or `None` for a type whose text differs between databases.
fn text_of(name: &str, data_type: DataType, form: Form) -> Option<String> {
    use DataType::{Int8, Int16, Int32, Int64, Text, UInt8, UInt16, UInt32, UInt64};
    match (data_type, form) {
        // Adding 0 makes it a plain number: with ZEROFILL the text would begin with zeros.
        (Int8 | Int16 | Int32 | Int64 | UInt8 | UInt16 | UInt32 | UInt64, _) => {
            Some(format!("cast({name} + 0 as char)"))
        }
        (Text, Form::Plain) => Some(format!("convert({name} using utf8mb4)")),
        _ => None,
    }
}

/// Returns the number and sum of a table's keys by part, named by the first `digits` hex digits of
/// their hashes. One statement, so they are of one moment. Returns `None` if the server has no hash
/// function or cannot hash such a key; the engine then compares all keys.
pub(super) async fn sums(
    connection: &mut Connection,
    table: &Table,
    columns: &[Column],
    digits: usize,
) -> Result<Option<Summed>> {
    let doing = doing(table);
    let Some(by) = own_hash(connection, &doing).await? else { return Ok(None) };
    let Some(hash) = key_hash(table, columns, by) else { return Ok(None) };
    // The digits that are summed are a 64-bit number in hex. `conv` reads it, and the sum is exact.
    let (first, count) = SUMMED;
    let sql = format!(
        "select substr({hash}, 1, {digits}), count(*), sum(cast(conv(substr({hash}, {first}, {count}), 16, 10) as unsigned)) from {} group by 1",
        quoted(&table.name)
    );
    let rows = connection.ask(&sql, &doing).await?;
    // The sums are integers; anything else is not an answer to this query.
    let strange =
        || Error::new(ErrorKind::SourceUnreadable, "the sums of a table's keys are not as they should be");
    let sum = |row: &Row| {
        let number = |at| text(row, at)?.parse::<i128>().map_err(|_| strange());
        Ok((text(row, 0)?, KeySum { rows: number(1)?, sum: number(2)? }))
    };
    let sums = rows.iter().map(sum).collect::<Result<KeySums>>()?;
    Ok(Some(Summed { hash: by, sums }))
}

/// Sends the keys of some parts, in one statement.
pub(super) async fn read(
    connection: &mut Connection,
    table: &Table,
    request: &KeyRequest,
    parts: &KeyParts,
    zero_dates_to_null: bool,
    batches: &BatchSender,
) -> Result<()> {
    let unknown = || Error::new(ErrorKind::Internal, "parts of keys were asked for that have none");
    let hash = key_hash(table, &request.columns, parts.hash).ok_or_else(unknown)?;
    // Part names are glued into the statement, so nothing but hex digits may get there.
    let is_hex = |name: &&String| name.bytes().all(|byte| byte.is_ascii_hexdigit());
    let names: Vec<String> = parts.names.iter().filter(is_hex).map(|name| format!("'{name}'")).collect();
    let mut reader = Reader::new(table, &request.of_all_rows(), zero_dates_to_null, Arc::default());
    let name = quoted(&table.name);
    let rest = format!("from {name} where substr({hash}, 1, {}) in ({})", parts.digits, names.join(", "));
    reader.read(connection, &rest, batches).await?;
    reader.send(batches).await
}

/// Sends the rows of some keys, within the current transaction. Returns the lossy conversions. Rows
/// that are gone are left out; in a case-insensitive collation rows of similar keys may be added.
pub(super) async fn rows(
    connection: &mut Connection,
    table: &Table,
    request: &ReadRequest,
    keys: &RowKeys,
    zero_dates_to_null: bool,
    batches: &BatchSender,
) -> Result<Vec<Conversion>> {
    let mut reader = Reader::new(table, request, zero_dates_to_null, Arc::default());
    let columns: Vec<String> = keys.columns.iter().map(|column| quoted(&column.name)).collect();
    for some in keys.rows.chunks(AT_ONCE) {
        // One condition per key, because every server can look that up in an index.
        let key = |row: &Vec<Value>| {
            let equal =
                columns.iter().zip(row).map(|(column, value)| Ok(format!("{column} = {}", literal(value)?)));
            Ok(format!("({})", equal.collect::<Result<Vec<String>>>()?.join(" and ")))
        };
        let conditions = some.iter().map(key).collect::<Result<Vec<String>>>()?;
        let rest = format!("from {} where {}", quoted(&table.name), conditions.join(" or "));
        reader.read(connection, &rest, batches).await?;
    }
    reader.send(batches).await?;
    Ok(reader.conversions())
}

/// Writes a value of a key as an SQL literal. Texts and bytes are in hex, so nothing in them can
/// end the literal.
fn literal(value: &Value) -> Result<String> {
    Ok(match value {
        Value::Int(number) => number.to_string(),
        Value::Decimal(number) if number.scale == 0 => number.to_string(),
        Value::Text(text) => format!("_utf8mb4 x'{}'", hex(text.as_bytes())),
        Value::Bytes(bytes) => format!("x'{}'", hex(bytes)),
        Value::Date(_) | Value::Timestamp(_) | Value::TimestampTz(_) => {
            format!("'{}'", value.to_string().trim_end_matches('Z'))
        }
        Value::Null | Value::Bool(_) | Value::Decimal(_) | Value::Float(_) => {
            return Err(Error::new(ErrorKind::Internal, "a row was asked for by a key that is none"));
        }
    })
}

/// What could not be done, in error messages.
fn doing(table: &Table) -> String {
    format!("the keys of table `{}` cannot be read", table.name)
}
