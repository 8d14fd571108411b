//! Changes files at random, as transfers, editors and programs break them.

use std::io::Write as _;

use fastrand::Rng;

use super::made::Made;

/// True once in `count` times on average.
pub(super) fn one_in(random: &mut Rng, count: usize) -> bool {
    random.usize(..count) == 0
}

fn pick<T: Copy>(random: &mut Rng, of: &[T]) -> T {
    *random.choice(of).expect("one at least")
}

/// The file after one change or a few, and its packed form if it is stored packed.
pub(super) fn mutate(made: &Made, random: &mut Rng) -> (Vec<u8>, Option<Vec<u8>>) {
    let mut bytes = made.bytes.clone();
    for _ in 0..=random.usize(..3) {
        change(&mut bytes, random);
    }
    if one_in(random, 25) {
        bytes.clear();
    }
    let packed = one_in(random, 12).then(|| {
        let mut packed = gzip(&bytes);
        if one_in(random, 3) {
            packed.truncate(random.usize(..packed.len()));
        }
        packed
    });
    (bytes, packed)
}

/// Makes one change: inserts, removes, replaces or repeats bytes, cuts the file, or changes line
/// ends.
fn change(bytes: &mut Vec<u8>, random: &mut Rng) {
    const MARKS: &[u8] = b"\"\"\"\"{}[],,:;\n\r\\";
    if bytes.is_empty() {
        return;
    }
    let at = random.usize(..bytes.len());
    // Most changes are made at a mark of the syntax, where mistakes have consequences.
    let mark = pick(random, MARKS);
    let marked: Vec<usize> = (0..bytes.len()).filter(|&at| bytes[at] == mark).collect();
    let near = random.choice(marked).unwrap_or(at);
    match random.usize(..12) {
        0 | 1 => bytes.insert(near, pick(random, MARKS)),
        2 => bytes.insert(at, pick(random, MARKS)),
        3 | 4 => _ = bytes.remove(near),
        5 => bytes[near] = pick(random, MARKS),
        6 => {
            let end = (near + random.usize(1..=40)).min(bytes.len());
            bytes.drain(near..end);
        }
        7 if one_in(random, 4) => bytes.truncate(near),
        7 | 8 => {
            let end = (near + random.usize(1..=150)).min(bytes.len());
            let piece = bytes[near..end].to_vec();
            bytes.splice(at..at, piece);
        }
        9 => {
            let line_ends: Vec<usize> = (0..bytes.len()).filter(|&at| bytes[at] == b'\n').collect();
            let other = pick::<&[u8]>(random, &[b"\r", b"\r\n", b"", b"\n\n", b"\n\r"]);
            for &at in line_ends.iter().rev().filter(|_| one_in(random, 3)) {
                bytes.splice(at..=at, other.iter().copied());
            }
        }
        10 => {
            let place = if random.bool() { 0 } else { near };
            bytes.splice(place..place, *b"\xEF\xBB\xBF");
        }
        _ => bytes[at] = pick(random, &[0, 0xFF, 0x80, 0x1F, 0xC3, 0x0C]),
    }
}

/// Packs bytes by gzip.
pub(super) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).and_then(|()| encoder.finish()).expect("packed")
}
