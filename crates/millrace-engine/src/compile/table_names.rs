//! Names of physical tables: each contains what the table holds and the fence of the lease under
//! which it was created.
//!
//! Names are unique even if letter case is ignored: across runs (by the fence), and across the
//! streams, models and key sets of a run. A name spells out what it stands for if that fits and is
//! unambiguous. Otherwise it begins with a digit, as no source or model does, and contains a
//! digest.

use millrace_core::digest::of_parts;
use millrace_core::name::{Relation, StreamName};
use millrace_core::project::environment::LONGEST_NAME;

/// Hex digits of a digest in a name: 64 bits.
const DIGITS: usize = 16;

/// The table or view of a model: `build.fact_orders__r42`.
pub(crate) fn of_model(schema: &str, model: &str, fence: i64) -> Relation {
    let suffix = suffix(fence);
    let plain = format!("{model}{suffix}");
    let fits = plain.len() <= LONGEST_NAME && !begins_with_digit(model);
    Relation::new(schema, if fits { plain } else { digested('0', &[model], &suffix) })
}

/// The raw table of a stream: `raw.files__orders__r42`.
pub(crate) fn of_stream(schema: &str, stream: &StreamName, fence: i64) -> Relation {
    let StreamName { source, stream } = stream;
    let suffix = suffix(fence);
    let plain = format!("{source}__{stream}{suffix}");
    // Under this condition the text before the first `__` is the source, so no other pair of names
    // yields the same text.
    let is_plain = !source.contains("__") && !source.ends_with('_') && !begins_with_digit(source);
    let fits = plain.len() <= LONGEST_NAME && is_plain;
    Relation::new(schema, if fits { plain } else { digested('0', &[source, stream], &suffix) })
}

/// The table for the keys that a stream's source has, while they are compared.
pub(crate) fn of_keys(schema: &str, stream: &StreamName, fence: i64) -> Relation {
    Relation::new(schema, digested('1', &[&stream.source, &stream.stream], &suffix(fence)))
}

/// The fence in the name of a table or view; `None` if no run created it.
pub(crate) fn fence_of(name: &str) -> Option<i64> {
    let (_, digits) = name.rsplit_once("__r")?;
    digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())?
}

/// The end of every name that a run creates.
fn suffix(fence: i64) -> String {
    format!("__r{fence}")
}

fn begins_with_digit(name: &str) -> bool {
    name.bytes().next().is_none_or(|byte| byte.is_ascii_digit())
}

/// A name that a digest of all parts makes unique, followed by as much of their text as fits.
/// `mark` separates kinds of tables.
fn digested(mark: char, parts: &[&str], suffix: &str) -> String {
    let digest = &of_parts(parts)[..DIGITS];
    let text = parts.join("__");
    // The 3 bytes are the mark and the `__`.
    let mut room = text.len().min(LONGEST_NAME - suffix.len() - DIGITS - 3);
    while !text.is_char_boundary(room) {
        room -= 1;
    }
    format!("{mark}{digest}__{}{suffix}", &text[..room])
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn usual_names_say_what_they_stand_for() {
        assert_eq!(of_stream("raw", &StreamName::new("files", "orders"), 42).name, "files__orders__r42");
        assert_eq!(of_stream("raw", &StreamName::new("shop", "eu__orders"), 7).name, "shop__eu__orders__r7");
        assert_eq!(of_model("build", "fact_orders", 42).name, "fact_orders__r42");
        assert_eq!(fence_of("fact_orders__r42"), Some(42));
        assert_eq!(["mine", "mine__r", "mine__r+1", "mine__r7b"].map(fence_of), [None; 4]);
    }

    /// A name made of pieces that are easily confused with the separators.
    fn name(random: &mut fastrand::Rng) -> String {
        const PIECES: [&str; 14] =
            ["a", "B", "_", "__", "r", "__r4", "__keys_of", "keys_of", "é", "0", "staging", "É", "1", "eu"];
        let mut name = random.choice(["a", "b", "_", "é", "r"]).expect("a beginning").to_owned();
        for _ in 0..random.usize(..9) {
            name.push_str(random.choice(PIECES).expect("a piece"));
        }
        if random.usize(..10) == 0 {
            name.push_str(&"long_".repeat(random.usize(..12)));
        }
        name.chars().take(48).collect()
    }

    #[test]
    fn no_two_things_have_one_name() {
        let mut random = fastrand::Rng::with_seed(20_261_128);
        let mut raw: BTreeMap<String, String> = BTreeMap::new();
        let mut build: BTreeMap<String, String> = BTreeMap::new();
        for _ in 0..20_000 {
            let (source, stream, fence) = (name(&mut random), name(&mut random), random.i64(1..=200));
            let name = StreamName::new(source, stream);
            // Names that differ only in letter case must not both exist.
            let folded =
                |what: &str| format!("{what} {} {} {fence}", name.source, name.stream).to_lowercase();
            for (relation, what) in [
                (of_stream("raw", &name, fence), folded("stream")),
                (of_keys("raw", &name, fence), folded("keys")),
            ] {
                assert!(relation.name.len() <= LONGEST_NAME, "{}", relation.name);
                assert_eq!(fence_of(&relation.name), Some(fence), "{}", relation.name);
                let other = raw.insert(relation.name.to_lowercase(), what.clone());
                assert!(
                    other.as_ref().is_none_or(|other| *other == what),
                    "{}: {other:?}, {what}",
                    relation.name
                );
            }
            let relation = of_model("build", &name.stream, fence);
            assert!(relation.name.len() <= LONGEST_NAME, "{}", relation.name);
            assert_eq!(fence_of(&relation.name), Some(fence), "{}", relation.name);
            let what = format!("{} {fence}", name.stream.to_lowercase());
            let other = build.insert(relation.name.to_lowercase(), what.clone());
            assert!(
                other.as_ref().is_none_or(|other| *other == what),
                "{}: {other:?}, {what}",
                relation.name
            );
        }
    }

    #[test]
    fn the_greatest_fence_fits() {
        let stream = StreamName::new("s".repeat(48), "é".repeat(48));
        for relation in [of_stream("raw", &stream, i64::MAX), of_keys("raw", &stream, i64::MAX)] {
            assert!(relation.name.len() <= LONGEST_NAME, "{}", relation.name);
            assert_eq!(fence_of(&relation.name), Some(i64::MAX));
        }
    }
}
