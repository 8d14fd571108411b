//! Default titles for tiles whose file has none.

use std::collections::BTreeSet;

use crate::metric::time_range::Grain;
use crate::project::localized::Localized;

/// Words of a language: the preposition between metric and dimension, and the names of the time
/// steps from day to year.
type Words = (&'static str, [&'static str; 5]);

const ENGLISH: Words = ("by", ["day", "week", "month", "quarter", "year"]);

/// The words of a language. Returns `None` for other languages, whose titles separate the names
/// with a dot.
fn words(locale: &str) -> Option<Words> {
    match locale.split(['-', '_']).next()? {
        "en" => Some(ENGLISH),
        "fr" => Some(("par", ["jour", "semaine", "mois", "trimestre", "année"])),
        "es" => Some(("por", ["día", "semana", "mes", "trimestre", "año"])),
        _ => None,
    }
}

/// What the metrics of a tile are grouped by.
#[derive(Debug, Clone, Copy)]
pub enum Cut<'a> {
    /// A time step.
    Time(Grain),
    /// A dimension with this label.
    Dimension(&'a Localized),
}

/// A title such as `Revenue by country` or `Chiffre d'affaires par semaine`, in every language that
/// one of the labels has. It distinguishes tiles that show the same metric.
pub fn default_title(metrics: &[&Localized], by: &[Cut<'_>]) -> Localized {
    let labels = by.iter().filter_map(|cut| match cut {
        Cut::Dimension(label) => Some(*label),
        Cut::Time(_) => None,
    });
    let mut locales: BTreeSet<&str> = metrics
        .iter()
        .copied()
        .chain(labels)
        .flat_map(|Localized(texts)| texts.keys().map(String::as_str))
        .collect();
    // Names of time steps exist in both languages, whatever languages the project uses.
    if by.iter().any(|cut| matches!(cut, Cut::Time(_))) {
        locales.extend(["en", "fr"]);
    }
    Localized(locales.into_iter().map(|locale| (locale.to_owned(), title(locale, metrics, by))).collect())
}

/// The title in one language: the metrics, and the groupings after a preposition or a dot.
fn title(locale: &str, metrics: &[&Localized], by: &[Cut<'_>]) -> String {
    let words = words(locale);
    let what = metrics.iter().map(|label| label.read(locale)).collect::<Vec<_>>().join(", ");
    if by.is_empty() {
        return what;
    }
    let cut = |cut: &Cut<'_>| match cut {
        Cut::Time(grain) => words.unwrap_or(ENGLISH).1[*grain as usize].to_owned(),
        Cut::Dimension(label) if words.is_some() => within_sentence(label.read(locale)),
        Cut::Dimension(label) => label.read(locale).to_owned(),
    };
    let by = by.iter().map(cut).collect::<Vec<_>>().join(", ");
    words.map_or_else(|| format!("{what} · {by}"), |(word, _)| format!("{what} {word} {by}"))
}

/// A label in the middle of a sentence: `Country` becomes `country`. A label that starts with two
/// capitals (`VAT rate`) stays.
fn within_sentence(label: &str) -> String {
    let mut letters = label.chars();
    match (letters.next(), letters.next()) {
        (Some(first), second) if second.is_none_or(|second| !second.is_uppercase()) => {
            first.to_lowercase().chain(label.chars().skip(1)).collect()
        }
        _ => label.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn label(texts: &[(&str, &str)]) -> Localized {
        Localized(texts.iter().map(|(locale, text)| ((*locale).to_owned(), (*text).to_owned())).collect())
    }

    #[test]
    fn a_title_says_what_the_metric_is_cut_by() {
        let revenue = label(&[("en", "Revenue"), ("fr", "Chiffre d'affaires"), ("de", "Umsatz")]);
        let country = label(&[("en", "Country"), ("fr", "Pays")]);
        let vat = label(&[("en", "VAT rate")]);
        let of = |by: &[Cut<'_>], locale: &str| default_title(&[&revenue], by).0[locale].clone();
        assert_eq!(of(&[Cut::Dimension(&country)], "en"), "Revenue by country");
        assert_eq!(of(&[Cut::Dimension(&country)], "fr"), "Chiffre d'affaires par pays");
        assert_eq!(of(&[Cut::Dimension(&country)], "de"), "Umsatz · Country");
        assert_eq!(
            of(&[Cut::Dimension(&vat), Cut::Dimension(&country)], "en"),
            "Revenue by VAT rate, country"
        );
        assert_eq!(of(&[Cut::Time(Grain::Week)], "fr"), "Chiffre d'affaires par semaine");
        assert_eq!(of(&[], "en"), "Revenue");
        let plain = default_title(&[&Localized::plain("Orders")], &[Cut::Time(Grain::Month)]);
        assert_eq!((&*plain.0["en"], &*plain.0["fr"]), ("Orders by month", "Orders par mois"));
    }
}
