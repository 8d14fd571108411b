//! The cache key of the check before a run: if it is unchanged, the check that found no errors need
//! not be repeated.

use millrace_core::digest::of_parts;

use super::streams::is_looked_at;
use crate::compile::compiled::Compiled;
use crate::ports::registry::Registry;

/// A digest of everything that [`super::before_run`] depends on: with an equal digest, the same
/// build of the program comes to the same result. `program` identifies the build. Returns `None` if
/// a file cannot be examined, or was changed so recently that its stamp might not tell a further
/// change.
///
/// Opens no file and contacts no other machine: files without a captured schema are identified by
/// their stamps.
pub async fn digest(compiled: &Compiled, registry: &Registry, program: &str) -> Option<String> {
    let project = &compiled.project;
    let manifest = &project.manifest;
    let mut parts = vec![
        program.to_owned(),
        compiled.environment.clone(),
        format!("{:?}", compiled.most_columns(registry)),
        format!("{:?} {}", manifest.naming, manifest.time_zone.name()),
    ];
    // All texts of the project, whether they matter or not.
    for (path, text) in &project.texts {
        parts.extend([path.clone(), text.clone()]);
    }
    // What depends on variables and on the sources.
    for (name, stream) in &compiled.catalog.streams {
        let looked_at = stream.captured.is_none() && is_looked_at(stream);
        let stamp = if looked_at { stream.source.stamp(&stream.request()).await? } else { String::new() };
        parts.extend([
            name.to_string(),
            stream.fingerprint(manifest.naming),
            format!("{:?}", stream.options.types),
            stamp,
        ]);
    }
    for model in &compiled.graph.models {
        parts.extend([
            model.name.clone(),
            model.sql.clone(),
            model.fingerprint.clone(),
            model.published.to_string(),
        ]);
    }
    parts.extend(compiled.tests.iter().flat_map(|test| [test.name(), test.check_text()]));
    Some(of_parts(&parts))
}
