//! The recorded binlogs and statements that are kept beside the project.

use std::collections::BTreeMap;
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

/// The lines of a list beside a test, by their first field; `#` begins a remark.
pub fn listed(list: &str) -> BTreeMap<&str, &str> {
    let lines = list.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.filter_map(|line| line.split_once('\t')).collect()
}

/// Compares what was found in files with a list, line by line.
///
/// # Panics
/// Where a file is not in the list, or said otherwise there, or only there: with all such lines.
pub fn assert_listed(list: &str, found: &BTreeMap<String, String>) {
    let mut expected = listed(list);
    let mut wrong = Vec::new();
    for (path, line) in found {
        if expected.remove(&**path) != Some(line) {
            wrong.push(format!("{path}\t{line}"));
        }
    }
    wrong.extend(expected.into_iter().map(|(path, line)| format!("not found: {path}\t{line}")));
    assert!(wrong.is_empty(), "{} lines differ:\n{}", wrong.len(), wrong.join("\n"));
}
