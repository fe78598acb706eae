//! The recorded binlogs and statements that are kept beside the project.

use std::fs;
use std::path::PathBuf;

/// The folder that `OTTER_CORPORA` names.
///
/// # Panics
/// Where it is not set.
pub fn folder() -> PathBuf {
    match std::env::var_os("OTTER_CORPORA") {
        Some(folder) => folder.into(),
        None => panic!("set OTTER_CORPORA to the folder with the recorded corpora"),
    }
}

/// The lines of the list of binlogs, behind its heading.
///
/// # Panics
/// Where it cannot be read.
pub fn manifest() -> Vec<String> {
    let text = fs::read_to_string(folder().join("MANIFEST.tsv")).expect("the list is there");
    text.lines().skip(1).map(str::to_owned).collect()
}

/// The paths of the binlogs below the folder.
pub fn paths() -> Vec<String> {
    let path = |line: String| line.split('\t').next().unwrap_or_default().to_owned();
    manifest().into_iter().map(path).collect()
}
