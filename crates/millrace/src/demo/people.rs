//! Countries of the clients, with their cities and names.

use super::names::{
    CITIES_BE, CITIES_CA, CITIES_CH, CITIES_DE, CITIES_ES, CITIES_FR, CITIES_IT, CITIES_UK, CITIES_US,
    FIRST_BE, FIRST_CA, FIRST_CH, FIRST_DE, FIRST_ES, FIRST_FR, FIRST_IT, FIRST_UK, FIRST_US, LAST_BE,
    LAST_CA, LAST_CH, LAST_DE, LAST_ES, LAST_FR, LAST_IT, LAST_UK, LAST_US,
};

/// A country of the shop.
#[derive(Debug)]
pub(super) struct Country {
    /// French name, as in the shop's database.
    pub(super) name: &'static str,
    /// Clients per thousand.
    pub(super) share: u64,
    /// Cities, most likely first.
    pub(super) cities: &'static [&'static str],
    /// First names, most likely first.
    pub(super) first_names: &'static [&'static str],
    /// Last names, most likely first.
    pub(super) last_names: &'static [&'static str],
}

/// All countries; the shares add up to 1,000.
pub(super) const COUNTRIES: [Country; 9] = [
    Country { name: "France", share: 550, cities: CITIES_FR, first_names: FIRST_FR, last_names: LAST_FR },
    Country { name: "Belgique", share: 110, cities: CITIES_BE, first_names: FIRST_BE, last_names: LAST_BE },
    Country { name: "Espagne", share: 85, cities: CITIES_ES, first_names: FIRST_ES, last_names: LAST_ES },
    Country { name: "Suisse", share: 70, cities: CITIES_CH, first_names: FIRST_CH, last_names: LAST_CH },
    Country { name: "Allemagne", share: 70, cities: CITIES_DE, first_names: FIRST_DE, last_names: LAST_DE },
    Country { name: "Italie", share: 40, cities: CITIES_IT, first_names: FIRST_IT, last_names: LAST_IT },
    Country { name: "Royaume-Uni", share: 30, cities: CITIES_UK, first_names: FIRST_UK, last_names: LAST_UK },
    Country { name: "USA", share: 25, cities: CITIES_US, first_names: FIRST_US, last_names: LAST_US },
    Country { name: "Canada", share: 20, cities: CITIES_CA, first_names: FIRST_CA, last_names: LAST_CA },
];

/// A name for the local part of an e-mail address: lower-case ASCII letters only.
pub(super) fn mail_name(name: &str) -> String {
    name.chars().map(base).collect()
}

/// The ASCII form of a letter; empty for anything that is not a letter.
fn base(letter: char) -> &'static str {
    const ASCII: &str = "abcdefghijklmnopqrstuvwxyz";
    if let Some(at) = ASCII.find(letter.to_ascii_lowercase()) {
        return &ASCII[at..=at];
    }
    match letter {
        'à' | 'á' | 'â' | 'ä' | 'Á' => "a",
        'ç' => "c",
        'è' | 'é' | 'ê' | 'ë' | 'É' => "e",
        'ì' | 'í' | 'î' | 'ï' | 'Í' | 'ı' => "i",
        'ñ' => "n",
        'ò' | 'ó' | 'ô' | 'ö' => "o",
        'ù' | 'ú' | 'û' | 'ü' => "u",
        'ß' => "ss",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_add_up() {
        assert_eq!(COUNTRIES.iter().map(|country| country.share).sum::<u64>(), 1000);
    }

    #[test]
    fn mail_names_keep_their_letters() {
        assert_eq!(mail_name("L'Haÿ"), "lha");
        assert_eq!(mail_name("Jürgen Weiß"), "jurgenweiss");
        // Every letter of the names must survive; only characters between letters may be dropped.
        for country in &COUNTRIES {
            for name in country.first_names.iter().chain(country.last_names) {
                let letters = name.chars().filter(|letter| letter.is_alphabetic()).count();
                assert!(mail_name(name).len() >= letters, "{name}");
            }
        }
    }
}
