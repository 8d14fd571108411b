//! “Did you mean …?”: finds the name that was probably intended.

/// The known name that is most similar to `written`. Ignores case; the Damerau-Levenshtein distance
/// may be a third of the longer name's length, and at least one. Returns `None` if no name is that
/// close.
pub fn nearest<'a>(written: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let lower = written.to_lowercase();
    known
        .into_iter()
        .map(|name| (strsim::damerau_levenshtein(&lower, &name.to_lowercase()), name))
        .filter(|(distance, name)| {
            *distance <= (written.chars().count().max(name.chars().count()) / 3).max(1)
        })
        .min_by_key(|(distance, name)| (*distance, name.len()))
        .map(|(_, name)| name)
}

/// A hint with the nearest name. If none is near, it lists all names after `all_as`, provided that
/// there are at most 24.
pub fn did_you_mean<'a>(
    written: &str,
    known: impl IntoIterator<Item = &'a str> + Clone,
    all_as: &str,
) -> Option<String> {
    if let Some(name) = nearest(written, known.clone()) {
        return Some(format!("did you mean `{name}`?"));
    }
    let names: Vec<_> = known.into_iter().map(|name| format!("`{name}`")).collect();
    (!names.is_empty() && names.len() <= 24).then(|| format!("{all_as}: {}", names.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_slips_but_not_strangers() {
        let known = ["stg_orders", "stg_clients", "dim_date"];
        assert_eq!(nearest("stg_order", known), Some("stg_orders"));
        assert_eq!(nearest("STG_CLIENTS", known), Some("stg_clients"));
        assert_eq!(nearest("dim_dtae", known), Some("dim_date"));
        assert_eq!(nearest("revenue", known), None);
        assert_eq!(nearest("", known), None);
    }
}
