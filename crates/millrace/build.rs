//! Where the binary looks for `libduckdb`: beside itself when installed (`make dist`), and where the build found it.

fn main() {
    println!("cargo::rerun-if-env-changed=DUCKDB_LIB_DIR");
    println!("cargo::rerun-if-env-changed=MILLRACE_DIST");
    let origin = if cfg!(target_os = "macos") { "@loader_path" } else { "$ORIGIN" };
    println!("cargo::rustc-link-arg=-Wl,-rpath,{origin}/../lib");
    // A binary that is shipped must not look into the folders of whoever built it.
    if std::env::var_os("MILLRACE_DIST").is_none()
        && let Ok(dir) = std::env::var("DUCKDB_LIB_DIR")
    {
        println!("cargo::rustc-link-arg=-Wl,-rpath,{dir}");
    }
}
