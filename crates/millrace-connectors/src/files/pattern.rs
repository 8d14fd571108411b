//! Patterns of file names.

/// Which names a pattern shows. In a shell a wildcard stands for no name that begins with a dot: those are unfinished uploads and what
/// other programs keep beside a file.
#[derive(Debug)]
pub(crate) struct Shown {
    /// The pattern of each folder, and of the file; none for `**`.
    parts: Vec<Option<(glob::Pattern, bool)>>,
}

impl Shown {
    pub(crate) fn new(pattern: &str) -> std::result::Result<Self, glob::PatternError> {
        let part = |part: &str| {
            // The second value is whether it shows names that begin with a dot.
            (part != "**").then(|| Ok((glob::Pattern::new(part)?, part.starts_with('.')))).transpose()
        };
        Ok(Self { parts: names(pattern).map(part).collect::<std::result::Result<_, _>>()? })
    }

    /// Whether the file of that name, from the same folder on, is shown.
    pub(crate) fn matches(&self, name: &str) -> bool {
        shows(&self.parts, &names(name).collect::<Vec<_>>(), true)
    }

    /// Whether something may be shown within the folder of that name.
    pub(crate) fn leads_to(&self, folder: &str) -> bool {
        shows(&self.parts, &names(folder).collect::<Vec<_>>(), false)
    }
}

fn names(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter(|name| !name.is_empty() && *name != ".")
}

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
