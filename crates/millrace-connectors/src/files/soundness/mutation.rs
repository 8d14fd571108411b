//! What becomes of files.

use std::io::Write as _;

use super::made::Made;

/// Numbers by `SplitMix64` (<https://prng.di.unimi.it/splitmix64.c>), the same for a seed on every machine.
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number below `limit`, which is above 0.
    pub(super) fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit as u64) as usize
    }

    pub(super) fn one_in(&mut self, count: usize) -> bool {
        self.below(count) == 0
    }

    pub(super) fn pick<'t, T>(&mut self, list: &'t [T]) -> &'t T {
        &list[self.below(list.len())]
    }
}

/// The file with one change, or a few; and as it is stored, where it is packed.
pub(super) fn mutate(made: &Made, random: &mut Random) -> (Vec<u8>, Option<Vec<u8>>) {
    let mut bytes = made.bytes.clone();
    for _ in 0..=random.below(3) {
        change(&mut bytes, random);
    }
    if random.one_in(25) {
        bytes.clear();
    }
    let packed = random.one_in(12).then(|| {
        let mut packed = gzip(&bytes);
        if random.one_in(3) {
            packed.truncate(random.below(packed.len()));
        }
        packed
    });
    (bytes, packed)
}

fn change(bytes: &mut Vec<u8>, random: &mut Random) {
    const MARKS: &[u8] = b"\"\"\"\"{}[],,:;\n\r\\";
    if bytes.is_empty() {
        return;
    }
    let at = random.below(bytes.len());
    // Most mistakes stand at a mark.
    let mark = *random.pick(MARKS);
    let marked: Vec<usize> = (0..bytes.len()).filter(|&at| bytes[at] == mark).collect();
    let near = if marked.is_empty() { at } else { *random.pick(&marked) };
    match random.below(12) {
        0 | 1 => bytes.insert(near, *random.pick(MARKS)),
        2 => bytes.insert(at, *random.pick(MARKS)),
        3 | 4 => _ = bytes.remove(near),
        5 => bytes[near] = *random.pick(MARKS),
        6 => {
            let end = (near + 1 + random.below(40)).min(bytes.len());
            bytes.drain(near..end);
        }
        7 if random.one_in(4) => bytes.truncate(near),
        7 | 8 => {
            let end = (near + 1 + random.below(150)).min(bytes.len());
            let piece = bytes[near..end].to_vec();
            bytes.splice(at..at, piece);
        }
        9 => {
            let line_ends: Vec<usize> = (0..bytes.len()).filter(|&at| bytes[at] == b'\n').collect();
            let other = *random.pick::<&[u8]>(&[b"\r", b"\r\n", b"", b"\n\n", b"\n\r"]);
            for &at in line_ends.iter().rev().filter(|_| random.one_in(3)) {
                bytes.splice(at..=at, other.iter().copied());
            }
        }
        10 => {
            let place = if random.one_in(2) { 0 } else { near };
            bytes.splice(place..place, *b"\xEF\xBB\xBF");
        }
        _ => bytes[at] = *random.pick(&[0, 0xFF, 0x80, 0x1F, 0xC3, 0x0C]),
    }
}

/// As gzip packs it.
pub(super) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).and_then(|()| encoder.finish()).expect("packed")
}
