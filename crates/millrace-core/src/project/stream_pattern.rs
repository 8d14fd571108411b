//! Stream patterns: `"orders_*": {…}` stands for all tables of the source whose names match.

use crate::diagnostic::Span;
use crate::project::source_file::StreamOptions;

/// A pattern for streams that share their options.
#[derive(Debug, Clone)]
pub struct StreamPattern {
    /// The pattern as written: `*` stands for any number of characters, `?` for exactly one.
    pub pattern: String,
    /// The place of the pattern.
    pub span: Span,
    /// The options of its streams.
    pub options: StreamOptions,
}

/// Whether a key of `streams` is a pattern rather than a name.
pub fn is_pattern(name: &str) -> bool {
    name.contains(['*', '?'])
}

impl StreamPattern {
    /// Whether a stream name matches. Ignores case.
    pub fn matches(&self, name: &str) -> bool {
        fits(&self.pattern, name)
    }

    /// How specific the pattern is: its number of literal characters. If several patterns match a
    /// name, the most specific one applies.
    pub fn weight(&self) -> usize {
        self.pattern.chars().filter(|c| !is_pattern(c.encode_utf8(&mut [0; 4]))).count()
    }
}

/// Whether a name matches a pattern, or equals it if the pattern has no wildcards. Ignores case.
pub fn fits(pattern: &str, name: &str) -> bool {
    let letters = |text: &str| text.to_lowercase().chars().collect::<Vec<char>>();
    matches(&letters(pattern), &letters(name))
}

/// The pattern that applies to a name: the most specific one, or the first of several equally
/// specific ones.
pub fn of_name<'a>(patterns: &'a [StreamPattern], name: &str) -> Option<&'a StreamPattern> {
    let matching = patterns.iter().filter(|pattern| pattern.matches(name));
    matching.reduce(|best, other| if other.weight() > best.weight() { other } else { best })
}

/// Matches iteratively: on a mismatch, the last `*` takes one more character. Its time is at most
/// the product of both lengths; a recursive version could be exponential.
fn matches(pattern: &[char], name: &[char]) -> bool {
    let (mut p, mut n) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while n < name.len() {
        if pattern.get(p) == Some(&'*') {
            star = Some((p + 1, n));
            p += 1;
        } else if pattern.get(p).is_some_and(|c| *c == '?' || *c == name[n]) {
            p += 1;
            n += 1;
        } else if let Some((after, taken)) = star {
            star = Some((after, taken + 1));
            p = after;
            n = taken + 1;
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|c| *c == '*')
}

#[cfg(test)]
mod tests {
    use crate::project::column_choice::ColumnChoice;
    use crate::project::deletes::Deletes;
    use crate::project::settings::Settings;
    use crate::project::source_file::{Contract, OnChange, OnNul, ReadMode};

    use super::*;

    #[test]
    fn stars_and_question_marks() {
        let letters = |text: &str| text.chars().collect::<Vec<char>>();
        for (pattern, name, expected) in [
            ("*", "", true),
            ("orders_*", "orders_", true),
            ("orders_*", "orders_2026", true),
            ("orders_*", "old_orders_2026", false),
            ("*_20??", "orders_2026", true),
            ("*_20??", "orders_20261", false),
            ("*ab*ab", "abab", true),
            ("*ab*ab", "ab", false),
            ("a*b*c", "axxbyybzc", true),
            ("?", "é", true),
            ("?", "", false),
        ] {
            assert_eq!(matches(&letters(pattern), &letters(name)), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn the_pattern_that_says_most_counts_and_then_the_first() {
        let span = Span::new(&"f".into(), 0..0);
        let pattern = |text: &str| StreamPattern {
            pattern: text.to_owned(),
            span: span.clone(),
            options: StreamOptions {
                description: None,
                rename: Vec::new(),
                types: Vec::new(),
                key: Vec::new(),
                mode: ReadMode::Full,
                choice: ColumnChoice::default(),
                deletes: Deletes::Unsaid,
                contract: Contract { columns: OnChange::Evolve, types: OnChange::Quarantine },
                max_quarantine: None,
                allow_empty: false,
                max_shrink: None,
                nul: OnNul::Error,
                settings: Settings::default(),
            },
        };
        let patterns = ["*", "orders_*", "ORDERS_20??", "*_2026"].map(pattern);
        let found = |name| of_name(&patterns, name).map(|pattern| pattern.pattern.as_str());
        assert_eq!(found("orders_old"), Some("orders_*"));
        assert_eq!(found("Orders_2026"), Some("ORDERS_20??"));
        assert_eq!(found("visits_2026"), Some("*_2026"));
        assert_eq!(found("clients"), Some("*"));
        assert_eq!(of_name(&patterns[1..3], "clients").map(StreamPattern::weight), None);
        assert_eq!(
            of_name(&["a*".to_owned(), "*a".to_owned()].map(|text| pattern(&text)), "aa")
                .map(|p| p.pattern.clone()),
            Some("a*".into())
        );
    }
}
