//! No panic and no hang from whatever stands in a project file.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::OnceLock;

use millrace_core::project::{Connectors, ProjectFile, load};
use millrace_engine::compile::check::{Depth, check};
use millrace_engine::compile::compiled::{Choices, compile};
use millrace_engine::ports::registry::Registry;
use proptest::prelude::*;

use crate::millrace::repository;

fn registry() -> &'static Registry {
    static REGISTRY: OnceLock<Registry> = OnceLock::new();
    REGISTRY.get_or_init(|| {
        let mut registry = Registry::default();
        millrace_connectors::register(&mut registry);
        registry
    })
}

/// The files of the reference project.
fn shop() -> &'static Vec<ProjectFile> {
    static FILES: OnceLock<Vec<ProjectFile>> = OnceLock::new();
    FILES.get_or_init(|| {
        fn walk(folder: &Path, path: &str, files: &mut Vec<ProjectFile>) {
            for entry in std::fs::read_dir(folder).expect("a folder") {
                let entry = entry.expect("an entry");
                let name = entry.file_name().to_string_lossy().into_owned();
                let path = if path.is_empty() { name.clone() } else { format!("{path}/{name}") };
                if entry.path().is_dir() {
                    walk(&entry.path(), &path, files);
                } else if path == "millrace.yml"
                    || path.contains('/') && !path.starts_with("data/") && !path.starts_with('.')
                {
                    files.push(ProjectFile { path, bytes: std::fs::read(entry.path()).expect("a file") });
                }
            }
        }
        let mut files = Vec::new();
        walk(&repository().join("examples/shop"), "", &mut files);
        files.sort_by(|a, b| a.path.cmp(&b.path));
        assert!(files.len() > 10);
        files
    })
}

/// Reads and compiles whatever it is given; the end is all that counts.
fn compile_all(files: &[ProjectFile]) -> usize {
    let mut connectors = Connectors::default();
    for connector in registry().sources() {
        connectors.add_source(connector.kind(), connector.source_spec(), connector.stream_spec());
    }
    for connector in registry().warehouses() {
        connectors.add_warehouse(connector.kind(), connector.spec());
    }
    let (project, mut diagnostics) = load(files, &connectors, &BTreeMap::new());
    let texts = project.texts.clone();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    runtime.block_on(async {
        let dir = Path::new("no-such-folder");
        let compiled = compile(project, dir, &Choices::default(), registry(), &mut diagnostics).await;
        if let Ok(compiled) = compiled {
            let _ = check(&compiled, registry(), Depth::Whole, &mut diagnostics).await;
        }
    });
    for diagnostic in &diagnostics {
        let _ = millrace_core::render::to_terminal(diagnostic, &texts, true);
        let _ = millrace_core::render::to_json(diagnostic, &texts);
    }
    diagnostics.iter().filter(|diagnostic| diagnostic.is_error()).count()
}

#[test]
fn the_reference_project_has_no_error() {
    assert_eq!(compile_all(shop()), 0);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_as_any_file(which in any::<prop::sample::Index>(), bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let mut files = shop().clone();
        let at = which.index(files.len());
        files[at].bytes = bytes;
        compile_all(&files);
    }

    #[test]
    fn a_file_with_a_piece_cut_doubled_or_replaced(
        which in any::<prop::sample::Index>(),
        from in any::<prop::sample::Index>(),
        length in 0usize..40,
        with in "[ -~é\n\t]{0,6}|\\{\\{|\\{%|\\$\\{|- |: |&a |\\*a ",
    ) {
        let mut files = shop().clone();
        let at = which.index(files.len());
        let bytes = &mut files[at].bytes;
        if !bytes.is_empty() {
            let start = from.index(bytes.len());
            let end = (start + length).min(bytes.len());
            bytes.splice(start..end, with.bytes());
        }
        compile_all(&files);
    }
}
