//! What decides on the answer of a check before a run, so that it is not asked again what was found sound.

use millrace_core::digest::of_parts;

use super::streams::is_looked_at;
use crate::compile::compiled::Compiled;
use crate::ports::registry::Registry;

/// A digest of all on which [`super::before_run`] depends: where it is the same, in the same program, the answer is. `program` tells builds
/// apart. None where files were changed too recently to be told from what they may become, or cannot be looked at.
///
/// Opens no file and asks nobody: files without a captured schema are known by their stamps.
pub async fn digest(compiled: &Compiled, registry: &Registry, program: &str) -> Option<String> {
    let project = &compiled.project;
    let manifest = &project.manifest;
    let mut parts = vec![
        program.to_owned(),
        compiled.environment.clone(),
        format!("{:?}", compiled.most_columns(registry)),
        format!("{:?} {}", manifest.naming, manifest.time_zone.name()),
    ];
    // Whatever is written in any file, whether it counts or not.
    for (path, text) in &project.texts {
        parts.extend([path.clone(), text.clone()]);
    }
    // What comes from variables, and from the sources themselves.
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
