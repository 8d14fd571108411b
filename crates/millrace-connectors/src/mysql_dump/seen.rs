//! A set of the keys of rows that were read, in bounded memory.
//!
//! Integers are stored in bitmaps or lists of 16-bit numbers, other keys as hashes of 64 bits.
//! Beyond the memory limit `MOST` the set takes no more keys and says so.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher as _, RandomState};

/// The approximate maximum size of all keys of a table, in bytes.
const MOST: usize = 64 << 20;
/// The approximate size of a hash in its set, including free capacity, in bytes.
const HASH: usize = 20;
/// The approximate size of an empty list of numbers, in bytes.
const LIST: usize = 64;
/// The length beyond which a list becomes a bitmap.
const MANY: usize = 1024;
/// The size of a bitmap of 65,536 bits, in bytes.
const BITMAP: usize = 8192;

/// What the set knows about a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Met {
    /// The key was not in the set.
    New,
    /// The key was in the set.
    Before,
    /// The memory limit was reached, so it is unknown whether the key occurred.
    Full,
}

/// A set of keys. Integers that are close together take about one bit each, other keys a hash of 64
/// bits.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// Integers, grouped by all but their last 16 bits.
    numbers: HashMap<i64, Numbers>,
    hashes: HashSet<u64>,
    /// The hash function, with a random seed.
    hasher: RandomState,
}

/// The last 16 bits of integers that have all other bits in common.
#[derive(Debug)]
enum Numbers {
    /// In ascending order.
    List(Vec<u16>),
    Bits(Box<[u64; 1024]>),
}

impl Seen {
    /// Adds an integer key. `bytes` counts what all sets of the table occupy.
    pub(super) fn number(&mut self, number: i64, bytes: &mut usize) -> Met {
        if *bytes > MOST {
            return Met::Full;
        }
        let low = (number & 0xFFFF) as u16;
        let numbers = self.numbers.entry(number >> 16).or_insert_with(|| {
            *bytes += LIST;
            Numbers::List(Vec::new())
        });
        match numbers {
            Numbers::Bits(bits) => {
                let (word, bit) = (&mut bits[usize::from(low >> 6)], 1u64 << (low & 63));
                let met = if *word & bit == 0 { Met::New } else { Met::Before };
                *word |= bit;
                met
            }
            Numbers::List(list) => {
                let Err(at) = list.binary_search(&low) else { return Met::Before };
                list.insert(at, low);
                *bytes += 2 * size_of::<u16>();
                if list.len() > MANY {
                    let mut bits = Box::new([0u64; 1024]);
                    for low in list.iter() {
                        bits[usize::from(low >> 6)] |= 1 << (low & 63);
                    }
                    *numbers = Numbers::Bits(bits);
                    *bytes += BITMAP;
                }
                Met::New
            }
        }
    }

    /// Adds any other key by its hash.
    pub(super) fn text(&mut self, key: &[u8], bytes: &mut usize) -> Met {
        if *bytes > MOST {
            return Met::Full;
        }
        if self.hashes.insert(self.hasher.hash_one(key)) {
            *bytes += HASH;
            Met::New
        } else {
            Met::Before
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_met_once() {
        let (mut seen, mut bytes) = (Seen::default(), 0);
        let mut other = std::collections::BTreeSet::new();
        let mut number = 1u64;
        for at in 0..200_000u64 {
            number = number.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let key = if at % 2 == 0 { (number >> 47) as i64 } else { at as i64 - 500 };
            assert_eq!(seen.number(key, &mut bytes) == Met::New, other.insert(key), "{key}");
        }
        assert!(bytes < 8 << 20);
        let met = [b"a", b"b", b"a"].map(|key| seen.text(key, &mut bytes));
        assert_eq!(met, [Met::New, Met::New, Met::Before]);
    }

    #[test]
    fn memory_has_an_end() {
        let (mut seen, mut other, mut bytes) = (Seen::default(), Seen::default(), 0);
        let full =
            (0..u64::MAX).find(|at| seen.text(&at.to_le_bytes(), &mut bytes) == Met::Full).expect("an end");
        assert!(full > 3_000_000);
        assert_eq!(other.number(5, &mut bytes), Met::Full, "all keys of a table count together");
    }
}
