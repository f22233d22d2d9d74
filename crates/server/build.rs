//! Lets a changed console be embedded anew, and lets the server build where there is none.

use std::path::Path;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let console = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../console");
    let dist = console.join("dist");
    // A path that is not there counts as changed at every build, so an empty directory waits for the console.
    if console.is_dir()
        && let Err(error) = std::fs::create_dir_all(&dist)
    {
        println!("cargo::warning=console/dist cannot be made: {error}");
    }
    if dist.is_dir() {
        println!("cargo::rerun-if-changed={}", dist.display());
    }
}
