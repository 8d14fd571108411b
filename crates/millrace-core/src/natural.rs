//! Natural sort order: `page 2` comes before `page 10`.

use std::cmp::Ordering;

/// Compares two texts piece by piece: runs of digits as numbers of any length, everything else by
/// character. Texts that are equal in this order are compared as strings, so the order is total.
pub fn natural_order(a: &str, b: &str) -> Ordering {
    let (mut left, mut right) = (a, b);
    loop {
        let ((word, rest), (other, other_rest)) = (split(left), split(right));
        if word.is_empty() || other.is_empty() {
            return word.len().cmp(&other.len()).then_with(|| a.cmp(b));
        }
        let digits = |text: &str| text.starts_with(|c: char| c.is_ascii_digit());
        let order = if digits(word) && digits(other) {
            // Without leading zeros, the longer number is the greater one; this never overflows.
            let (word, other) = (word.trim_start_matches('0'), other.trim_start_matches('0'));
            word.len().cmp(&other.len()).then_with(|| word.cmp(other))
        } else {
            word.cmp(other)
        };
        if order.is_ne() {
            return order;
        }
        (left, right) = (rest, other_rest);
    }
}

/// Splits a text after its first run of digits or of other characters.
fn split(text: &str) -> (&str, &str) {
    let digits = text.starts_with(|c: char| c.is_ascii_digit());
    let end = text.find(|c: char| c.is_ascii_digit() != digits).unwrap_or(text.len());
    text.split_at(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_comes_after_two() {
        let mut names =
            ["page10", "page2", "page1", "page01", "a", "page", "10", "9", "page2b", "page2a10", "page2a9"];
        names.sort_by(|a, b| natural_order(a, b));
        assert_eq!(
            names,
            ["9", "10", "a", "page", "page01", "page1", "page2", "page2a9", "page2a10", "page2b", "page10"]
        );
    }

    #[test]
    fn the_order_is_one() {
        let names = [
            "",
            "0",
            "00",
            "1",
            "01",
            "a0",
            "a",
            "a00b",
            "é10",
            "é9",
            "z",
            "18446744073709551616",
            "18446744073709551615",
        ];
        for a in names {
            assert_eq!(natural_order(a, a), Ordering::Equal);
            for b in names {
                assert_eq!(natural_order(a, b), natural_order(b, a).reverse(), "{a} {b}");
                for c in names {
                    if natural_order(a, b).is_le() && natural_order(b, c).is_le() {
                        assert!(natural_order(a, c).is_le(), "{a} {b} {c}");
                    }
                }
            }
        }
    }
}
