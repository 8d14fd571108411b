//! All environment variables that the program reads.
//!
//! | variable | what it does |
//! |---|---|
//! | `NO_COLOR` | set and not empty: no colours |
//! | `CLICOLOR_FORCE` | set and not `0`: colours also where the output is no terminal |
//! | `MILLRACE_FAULT` | for tests: the fault point at which the process dies |
//! | `PGHOST`, `PGUSER`, `PGSSLMODE`, … | libpq's, for what the URL of a PostgreSQL warehouse leaves out (`docs/reference/postgres.md`) |
//! | any name in `${NAME}` or `env_var('NAME')` | its value, in the project's files |

use std::collections::BTreeMap;
use std::path::Path;

use millrace_core::project::decode::parse_env_file;

/// The variables of the process, which take precedence, and those of `.env` beside `millrace.yml`.
/// A variable that is not UTF-8 is left out; a missing or unreadable `.env` counts as empty.
pub(crate) fn all(project_dir: &Path) -> BTreeMap<String, String> {
    let mut variables = std::fs::read_to_string(project_dir.join(".env"))
        .map(|text| parse_env_file(&text))
        .unwrap_or_default();
    variables.extend(
        std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?))),
    );
    variables
}

/// Arms the fault point that a test requests; returns its name if no such point exists.
pub(crate) fn arm_fault() -> Option<String> {
    let point = std::env::var_os("MILLRACE_FAULT")?.to_string_lossy().into_owned();
    (!millrace_engine::fault::arm(&point)).then_some(point)
}

/// Whether the variables demand or forbid colours; returns `None` if they do neither.
pub(crate) fn color() -> Option<bool> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    if set("NO_COLOR").is_some() {
        return Some(false);
    }
    set("CLICOLOR_FORCE").map(|value| value != "0")
}
