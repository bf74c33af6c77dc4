//! Lists the files of `catalogue/` and `models/`, so that a provider is added by adding its files.

use std::path::{Path, PathBuf};
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let root = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it"));
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets it"));
    for folder in ["catalogue", "models"] {
        println!("cargo::rerun-if-changed={folder}");
        fs::write(out.join(format!("{folder}.rs")), list(&root.join(folder))?)?;
    }
    Ok(())
}

/// The folder's files as a slice of names and contents.
fn list(folder: &Path) -> io::Result<String> {
    let mut files: Vec<PathBuf> =
        fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<io::Result<_>>()?;
    files.retain(|file| file.extension().is_some_and(|extension| extension == "yaml"));
    files.sort();
    let entry = |file: &PathBuf| {
        let name = file.file_stem().unwrap_or_default().to_string_lossy();
        format!("    ({name:?}, include_str!({file:?})),\n")
    };
    Ok(format!("&[\n{}]\n", files.iter().map(entry).collect::<String>()))
}
