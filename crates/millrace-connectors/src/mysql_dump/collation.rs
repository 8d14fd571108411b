//! Charsets and collations of definitions, and which texts a collation considers equal.
//!
//! The comparison is an approximation from the collation's name, used to find out whether a row may
//! repeat a key.

use crate::mysql_dump::charset::Charset;
use crate::mysql_dump::script::Word;

/// What a collation distinguishes, as far as its name says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Collation {
    /// Whether texts that differ only in letter case are distinct (`…_bin`, `…_cs`).
    pub(super) case_sensitive: bool,
    /// Whether texts that differ only in accents are distinct (`…_bin`, `…_as_ci`).
    pub(super) accent_sensitive: bool,
    /// Whether trailing blanks are significant (NO PAD).
    pub(super) keeps_blanks: bool,
}

impl Collation {
    /// Returns the collation of a name in lower case.
    fn named(name: &str) -> Self {
        // The suffixes say what the collation distinguishes. A `cs` before them is the Czech
        // language (`utf8mb4_cs_0900_ai_ci`).
        let ends = |wanted: &str| {
            name.rsplit('_')
                .take_while(|part| matches!(*part, "ai" | "as" | "ci" | "cs" | "ks" | "bin" | "nopad"))
                .any(|part| part == wanted)
        };
        let is_binary = ends("bin") || name == "binary";
        let case_sensitive = is_binary || ends("cs");
        Self {
            case_sensitive,
            accent_sensitive: is_binary || ends("as") || (case_sensitive && !ends("ai")),
            keeps_blanks: name == "binary" || name.split('_').any(|part| matches!(part, "0900" | "nopad")),
        }
    }

    /// Returns the collation of a column with the attribute BINARY: the same padding, but compared
    /// by bytes.
    pub(super) fn by_bytes(self) -> Self {
        Self { case_sensitive: true, accent_sensitive: true, ..self }
    }

    /// Appends a form of a text that is equal for texts which the collation may consider equal:
    /// without letter case, accents of Latin letters, and trailing blanks, as far as the collation
    /// ignores these.
    pub(super) fn fold(self, text: &str, out: &mut Vec<u8>) {
        let text = if self.keeps_blanks { text } else { text.trim_end_matches(' ') };
        let mut put = |letter: char| out.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes());
        for letter in text.chars() {
            // Accents may be separate characters (combining diacritical marks).
            if !self.accent_sensitive && matches!(letter, '\u{300}'..='\u{36F}') {
                continue;
            }
            let letter = if self.accent_sensitive { letter } else { without_accent(letter) };
            if self.case_sensitive {
                put(letter);
            } else {
                letter.to_lowercase().for_each(&mut put);
            }
        }
    }
}

/// Returns the ASCII letter that a Latin letter is without its accents, in the same letter case.
/// Other characters stay as they are.
fn without_accent(letter: char) -> char {
    const GROUPS: [(&str, char); 15] = [
        ("àáâãäåāăąæ", 'a'),
        ("çćĉċč", 'c'),
        ("ďđð", 'd'),
        ("èéêëēĕėęě", 'e'),
        ("ĝğġģ", 'g'),
        ("ìíîïĩīĭįı", 'i'),
        ("ķ", 'k'),
        ("ĺļľŀł", 'l'),
        ("ñńņňŉ", 'n'),
        ("òóôõöøōŏőœ", 'o'),
        ("ŕŗř", 'r'),
        ("śŝşšßſ", 's'),
        ("ţťŧ", 't'),
        ("ùúûüũūŭůűų", 'u'),
        ("ýÿŷźżžþ", 'y'),
    ];
    if letter.is_ascii() {
        return letter;
    }
    // `İ` becomes two characters in lower case: an `i` and a combining dot.
    let lower = letter.to_lowercase().next().unwrap_or(letter);
    let group = GROUPS.iter().find(|(letters, _)| letters.contains(lower)).map(|(_, base)| *base);
    match group.or_else(|| lower.is_ascii().then_some(lower)) {
        Some(base) if letter.is_uppercase() => base.to_ascii_uppercase(),
        Some(base) => base,
        None => letter,
    }
}

/// The charset and collation of columns that name none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct DefaultCollation {
    pub(super) charset: Charset,
    pub(super) collation: Collation,
}

impl DefaultCollation {
    /// The dump names neither.
    pub(super) const UNKNOWN: Self = Self {
        charset: Charset::Unknown,
        collation: Collation { case_sensitive: false, accent_sensitive: false, keeps_blanks: false },
    };

    /// Returns the charset and collation that the tokens of a definition name, or `before` if they
    /// name none.
    pub(super) fn of(words: &[&Word], before: Self) -> Self {
        // `CHARACTER SET x`, `CHARSET=x`, `COLLATE = y`. The last one of each counts.
        let value =
            |at: usize| words.get(at + usize::from(words.get(at).is_some_and(|word| word.is_symbol(b'='))));
        let mut found = before;
        for (at, word) in words.iter().enumerate() {
            let after_set = word.is("SET") && at > 0 && words[at - 1].is_any(&["CHARACTER", "CHAR"]);
            if let Some(name) = value(at + 1).filter(|_| word.is("CHARSET") || after_set) {
                let charset = Charset::named(&name.text).unwrap_or(Charset::Foreign);
                found = Self { charset, collation: Collation::default() };
            }
        }
        // In a second pass, because COLLATE takes precedence wherever it stands.
        for (at, word) in words.iter().enumerate() {
            if let Some(name) = value(at + 1).filter(|_| word.is("COLLATE")) {
                let name = name.text.to_ascii_lowercase();
                let charset = Charset::of_collation(&name).unwrap_or(found.charset);
                found = Self { charset, collation: Collation::named(&name) };
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_that_collations_take_for_the_same() {
        for (collation, one, other, same) in [
            ("utf8mb4_general_ci", "é ", "E", true),
            ("utf8mb4_general_ci", "e\u{301}", "É", true),
            ("utf8mb4_general_ci", "e", "f", false),
            ("utf8mb4_0900_ai_ci", "é", "E", true),
            ("utf8mb4_0900_ai_ci", "e ", "e", false),
            ("utf8mb4_0900_as_ci", "É", "é", true),
            ("utf8mb4_0900_as_ci", "é", "e", false),
            ("utf8mb4_cs_0900_ai_ci", "A", "á", true),
            ("uca1400_ai_cs", "é", "e", true),
            ("uca1400_ai_cs", "É", "E", true),
            ("uca1400_ai_cs", "E", "e", false),
            ("utf8mb4_bin", "a ", "a", true),
            ("utf8mb4_bin", "A", "a", false),
            ("utf8mb4_nopad_bin", "a ", "a", false),
            ("utf8mb4_0900_bin", "a ", "a", false),
            ("latin1_general_cs", "E", "e", false),
            ("latin1_general_cs", "é", "e", false),
            ("utf8mb4_general_nopad_ci", "a ", "A", false),
        ] {
            let folded = |text: &str| {
                let mut out = Vec::new();
                Collation::named(collation).fold(text, &mut out);
                out
            };
            assert_eq!(folded(one) == folded(other), same, "{collation}: {one:?}, {other:?}");
        }
    }
}
