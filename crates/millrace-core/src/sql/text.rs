//! Positions and replacements in SQL text. Positions are byte offsets.

use std::ops::Range;

/// The range of the dotted identifier path that starts at `at`: `files.orders`, `"a b" . c`.
pub fn path_range(sql: &str, at: usize) -> Range<usize> {
    let mut end = identifier_end(sql, at);
    loop {
        let dot = skip_space(sql, end);
        if sql.as_bytes().get(dot) != Some(&b'.') {
            return at..end;
        }
        let next = skip_space(sql, dot + 1);
        let next_end = identifier_end(sql, next);
        // A trailing dot is not part of the path.
        if next_end == next {
            return at..end;
        }
        end = next_end;
    }
}

/// The ranges of the identifiers in the dotted path that starts at `at`, quotes included.
pub fn identifiers(sql: &str, at: usize) -> impl Iterator<Item = Range<usize>> {
    let end = path_range(sql, at).end;
    let mut next = at;
    std::iter::from_fn(move || {
        let start = next;
        let stop = identifier_end(sql, start);
        // Skips the dot and the blanks around it.
        next = skip_space(sql, skip_space(sql, stop) + 1);
        (start < end && stop > start).then_some(start..stop)
    })
}

/// The end of the string literal or comment that starts at `at`; `at` itself if none does there. An
/// unterminated one extends to the end of the text. A doubled quote inside a literal ends one
/// literal and starts the next.
pub(crate) fn literal_or_comment_end(sql: &str, at: usize) -> usize {
    let rest = sql.get(at..).unwrap_or_default();
    let to_end = |from: usize, end: &str| {
        rest[from..].find(end).map_or(sql.len(), |found| at + from + found + end.len())
    };
    match rest.as_bytes() {
        [b'\'', ..] => to_end(1, "'"),
        [b'-', b'-', ..] => to_end(2, "\n"),
        [b'/', b'*', ..] => to_end(2, "*/"),
        _ => at,
    }
}

/// The end of the identifier at `at`; `at` itself if there is none. An unterminated quoted
/// identifier extends to the end of the text.
pub(crate) fn identifier_end(sql: &str, at: usize) -> usize {
    let Some(rest) = sql.get(at..) else { return at };
    if rest.starts_with('"') {
        let bytes = rest.as_bytes();
        let mut i = 1;
        while i < bytes.len() {
            if bytes[i] == b'"' {
                // A doubled quote stands for one quote and does not end the identifier.
                if bytes.get(i + 1) != Some(&b'"') {
                    return at + i + 1;
                }
                i += 1;
            }
            i += 1;
        }
        return sql.len();
    }
    let name = |c: char| c.is_alphanumeric() || c == '_' || c == '$';
    at + rest.find(|c| !name(c)).unwrap_or(rest.len())
}

fn skip_space(sql: &str, at: usize) -> usize {
    sql.get(at..).map_or(at, |rest| at + (rest.len() - rest.trim_start().len()))
}

/// Replaces ranges of a text. The ranges must be sorted; one that overlaps an earlier one is
/// ignored.
pub fn replace(sql: &str, replacements: &[(Range<usize>, String)]) -> String {
    let mut out = String::with_capacity(sql.len() + 64);
    let mut done = 0;
    for (range, with) in replacements {
        if range.start < done {
            continue;
        }
        out.push_str(&sql[done..range.start]);
        out.push_str(with);
        done = range.end;
    }
    out.push_str(&sql[done..]);
    out
}

/// Maps a position in the replaced text to the original text. A position inside a replacement maps
/// to the start of the replaced range. The ranges must be sorted; one that overlaps an earlier one
/// is ignored, as in [`replace`].
pub fn original_position(replacements: &[(Range<usize>, String)], position: usize) -> usize {
    let (mut from, mut to) = (0, 0);
    for (range, with) in replacements {
        let Some(kept) = range.start.checked_sub(from) else { continue };
        let start = to + kept;
        if position < start {
            break;
        }
        if position < start + with.len() {
            return range.start;
        }
        from = range.end;
        to = start + with.len();
    }
    from + (position - to)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_end_where_they_end() {
        for (sql, at, expected) in [
            ("from files.orders o", 5, "files.orders"),
            ("from files . \"or\"\"ders\" o", 5, "files . \"or\"\"ders\""),
            ("from é_1, x", 5, "é_1"),
            ("from a. , x", 5, "a"),
            ("from \"open", 5, "\"open"),
        ] {
            assert_eq!(&sql[path_range(sql, at)], expected);
        }
    }

    #[test]
    fn paths_have_parts() {
        let sql = "from a . \"b.c\".d, e";
        let parts: Vec<&str> = identifiers(sql, 5).map(|range| &sql[range]).collect();
        assert_eq!(parts, ["a", "\"b.c\"", "d"]);
    }

    #[test]
    fn positions_go_back_through_replacements() {
        let sql = "select x from a join bb using (k)";
        let replacements = vec![(14..15, "\"build\".\"a__p1\" as a".to_owned()), (21..23, "b".to_owned())];
        let replaced = replace(sql, &replacements);
        assert_eq!(replaced, "select x from \"build\".\"a__p1\" as a join b using (k)");
        for word in ["select", "from", "join", "using", "(k)"] {
            let there = replaced.find(word).expect("still there");
            assert_eq!(original_position(&replacements, there), sql.find(word).expect("was there"), "{word}");
        }
        assert_eq!(original_position(&replacements, 20), 14);
        // One that overlaps the one before is not made.
        let overlapping = vec![replacements[0].clone(), (14..20, String::new()), replacements[1].clone()];
        assert_eq!(replace(sql, &overlapping), replaced);
        for at in 0..replaced.len() {
            assert_eq!(original_position(&overlapping, at), original_position(&replacements, at), "{at}");
        }
    }
}
