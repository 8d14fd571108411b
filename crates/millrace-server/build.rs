//! Lets test binaries find `libduckdb` where the build found it, and embeds the front end anew when it was built.

use std::path::Path;

fn main() {
    println!("cargo::rerun-if-env-changed=DUCKDB_LIB_DIR");
    if let Ok(dir) = std::env::var("DUCKDB_LIB_DIR") {
        println!("cargo::rustc-link-arg=-Wl,-rpath,{dir}");
    }
    // A path that is not there would make every build start over; so without a front end the folder above is watched.
    let built = Path::new("../../web/dist");
    println!("cargo::rerun-if-changed={}", if built.exists() { "../../web/dist" } else { "../../web" });
}
