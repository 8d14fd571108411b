//! Applies the shell's rule for hidden names to file patterns, which the crate `glob` does not do.

/// Which names a pattern shows. A wildcard matches no name that begins with a dot, as in a shell:
/// such names are unfinished uploads and files that other programs keep beside the data.
#[derive(Debug)]
pub(crate) struct Shown {
    /// The pattern of each folder and of the file, each with whether it shows hidden names; `None`
    /// for `**`.
    parts: Vec<Option<(glob::Pattern, bool)>>,
}

impl Shown {
    /// Splits a pattern at its slashes. Fails if a part is not a valid pattern.
    pub(crate) fn new(pattern: &str) -> std::result::Result<Self, glob::PatternError> {
        let part = |part: &str| {
            // A part that begins with a dot itself shows names that begin with a dot.
            (part != "**").then(|| Ok((glob::Pattern::new(part)?, part.starts_with('.')))).transpose()
        };
        Ok(Self { parts: names(pattern).map(part).collect::<std::result::Result<_, _>>()? })
    }

    /// Whether the file with this name is shown. The name starts at the same folder as the pattern.
    pub(crate) fn matches(&self, name: &str) -> bool {
        shows(&self.parts, &names(name).collect::<Vec<_>>(), true)
    }

    /// Whether a file within this folder may be shown.
    pub(crate) fn leads_to(&self, folder: &str) -> bool {
        shows(&self.parts, &names(folder).collect::<Vec<_>>(), false)
    }
}

/// The parts of a path, without empty ones and `.`.
fn names(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter(|name| !name.is_empty() && *name != ".")
}

/// Matches names with the parts of a pattern, recursively. `**` matches any number of folders, none
/// of them hidden. If `is_whole` is false, `names` may be a folder on the way to a match.
fn shows(parts: &[Option<(glob::Pattern, bool)>], names: &[&str], is_whole: bool) -> bool {
    let Some((part, later)) = parts.split_first() else { return names.is_empty() };
    if part.is_none() && shows(later, names, is_whole) {
        return true;
    }
    let Some((name, within)) = names.split_first() else { return !is_whole };
    match part {
        None => !name.starts_with('.') && shows(parts, within, is_whole),
        Some((pattern, hidden)) => {
            (*hidden || !name.starts_with('.')) && pattern.matches(name) && shows(later, within, is_whole)
        }
    }
}
