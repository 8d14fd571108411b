//! Claims that hold for any input, for the fuzz targets: about parsing a URL, and about the format
//! of `numeric`.

use std::collections::BTreeMap;
use std::path::Path;

use arrow_array::{Array as _, Decimal128Array, Decimal256Array};
use arrow_buffer::i256;
use bytes::BytesMut;

use super::numeric;
use super::url::Server;
use crate::fuzz::input::Input;

/// A text that no message may repeat. It has no form of a parameter's name, because messages do
/// repeat those.
const SECRET: &str = "s3~cr3t";

/// Parses any text as a URL. Claims: an error repeats no part of the URL, `Debug` hides the
/// password, and `postgres://` and `postgresql://` mean the same.
///
/// # Panics
/// If a claim does not hold.
pub fn postgres_url(data: &[u8]) {
    let mut input = Input(data);
    let place = usize::from(input.byte());
    let Ok(text) = std::str::from_utf8(input.0) else { return };
    let at = (0..=place.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    let nothing = BTreeMap::new();
    let with_secret = format!("{}{SECRET}{}", &text[..at], &text[at..]);
    for rest in [text, &with_secret, &format!("u:{with_secret}@h/d"), &format!("u@h/d?{with_secret}")] {
        let [found, same] = ["postgres", "postgresql"]
            .map(|scheme| Server::parse(&format!("{scheme}://{rest}"), &nothing, Path::new("folder")));
        match (found, same) {
            (Ok(server), Ok(same)) => {
                assert!(server == same, "the scheme matters");
                assert_eq!(
                    server.direct().map_or(server.hosts.len(), |direct| direct.hosts.len()),
                    server.hosts.len()
                );
                let secret = server.password.as_ref().filter(|password| password.0.contains(SECRET));
                if secret.is_some() && server.user.as_ref().is_none_or(|user| !user.contains(SECRET)) {
                    assert!(!format!("{:?}", server.password).contains(SECRET), "`Debug` shows the password");
                }
            }
            (Err(error), Err(_)) => {
                let said = format!("{error} {:?}", error.to_diagnostic().hint);
                assert!(!said.contains(SECRET), "a message repeats a part of the URL");
            }
            _ => panic!("the scheme matters"),
        }
    }
    // The text alone may panic neither, with any scheme or none.
    let _ = Server::parse(text, &nothing, Path::new("folder"));
}

/// Claims: a number that is written is read back as the same number, and reading arbitrary bytes
/// does not panic.
///
/// # Panics
/// If a claim does not hold.
pub fn numbers(data: &[u8]) {
    let _ = numeric::read(data);
    let mut input = Input(data);
    let scale = input.byte() % 39;
    let (low, high) = (u128::from_le_bytes(input.bytes()), i128::from_le_bytes(input.bytes()));
    let mut out = BytesMut::new();
    let narrow = high % 10i128.pow(38);
    numeric::put_i128(&mut out, narrow, scale);
    let array =
        Decimal128Array::from(vec![narrow]).with_precision_and_scale(38, scale as i8).expect("it fits");
    assert_eq!(read(&out), array.value_as_string(0));
    assert!(array.is_valid(0));
    out.clear();
    let nines = i256::from_i128(10i128.pow(38)).wrapping_mul(i256::from_i128(10i128.pow(27)));
    let wide = i256::from_parts(low, high).wrapping_rem(nines);
    numeric::put_i256(&mut out, wide, scale);
    let array = Decimal256Array::from(vec![wide]).with_precision_and_scale(65, scale as i8).expect("it fits");
    assert_eq!(read(&out), array.value_as_string(0));
}

fn read(field: &[u8]) -> String {
    let (length, number) = field.split_first_chunk::<4>().expect("a length");
    assert_eq!(i32::from_be_bytes(*length) as usize, number.len());
    numeric::read(number).expect("a number").to_string()
}
