//! How many made cases a test goes through, and which.

/// A seed and a number of cases: those given, unless the environment variable of that name says others (`seed,cases`), so that a failure can be
/// gone back to, and a long search asked for.
pub fn cases(variable: &str, seed: u64, count: usize) -> (u64, usize) {
    let Ok(asked) = std::env::var(variable) else { return (seed, count) };
    let parsed =
        asked.split_once(',').and_then(|(seed, count)| Some((seed.parse().ok()?, count.parse().ok()?)));
    parsed.unwrap_or_else(|| panic!("{variable} is `seed,cases`, not `{asked}`"))
}
