//! The number of generated cases that a test runs, and their seed.

/// Returns a seed and a number of cases: the given ones, unless the environment variable `variable`
/// has others (`seed,cases`). So a failure can be reproduced, and a longer search requested. Panics
/// if the variable has any other form.
pub fn cases(variable: &str, seed: u64, count: usize) -> (u64, usize) {
    let Ok(asked) = std::env::var(variable) else { return (seed, count) };
    let parsed =
        asked.split_once(',').and_then(|(seed, count)| Some((seed.parse().ok()?, count.parse().ok()?)));
    parsed.unwrap_or_else(|| panic!("{variable} is `seed,cases`, not `{asked}`"))
}
