//! Names of physical tables: what they hold, and the number of the lease under which they were made, so that two runs never make
//! the same.

use millrace_core::digest::sha256;
use millrace_core::name::{Relation, StreamName};

/// Bytes of a name at most, as the narrowest warehouse has it.
pub(crate) const LONGEST: usize = 63;

/// A model's table or view: `build.fact_orders__r42`.
pub(crate) fn of_model(schema: &str, model: &str, fence: i64) -> Relation {
    Relation::new(schema, fitted(model, fence))
}

/// A stream's raw table: `raw.files__orders__r42`.
pub(crate) fn of_stream(schema: &str, stream: &StreamName, fence: i64) -> Relation {
    Relation::new(schema, fitted(&format!("{}__{}", stream.source, stream.stream), fence))
}

/// The table into which the keys of a stream's source go to be compared.
pub(crate) fn of_keys(schema: &str, stream: &StreamName, fence: i64) -> Relation {
    Relation::new(schema, fitted(&format!("{}__{}__keys_of", stream.source, stream.stream), fence))
}

/// The number of the lease under which a table or view of that name was made; none where no run made it.
pub(crate) fn fence_of(name: &str) -> Option<i64> {
    let (_, digits) = name.rsplit_once("__r")?;
    digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())?
}

/// A long name is cut, and told apart from others by a digest of the whole.
fn fitted(name: &str, fence: i64) -> String {
    let suffix = format!("__r{fence}");
    if name.len() + suffix.len() <= LONGEST {
        return format!("{name}{suffix}");
    }
    let digest = &sha256(name)[..8];
    let mut room = LONGEST - suffix.len() - digest.len() - 1;
    while !name.is_char_boundary(room) {
        room -= 1;
    }
    format!("{}_{digest}{suffix}", &name[..room])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_names_fit_and_stay_apart() {
        let long = |end: char| StreamName::new("s".repeat(48), format!("{}{end}", "é".repeat(23)));
        let (one, other) = (of_stream("raw", &long('a'), 7), of_stream("raw", &long('b'), 7));
        assert!(one.name.len() <= LONGEST && other.name.len() <= LONGEST);
        assert_ne!(one.name, other.name);
        assert!(one.name.ends_with("__r7"), "{}", one.name);
        assert_eq!(of_model("build", "fact_orders", 42).name, "fact_orders__r42");
        assert_eq!((fence_of(&one.name), fence_of("fact_orders__r42")), (Some(7), Some(42)));
        assert_eq!(["mine", "mine__r", "mine__r+1", "mine__r7b"].map(fence_of), [None; 4]);
    }
}
