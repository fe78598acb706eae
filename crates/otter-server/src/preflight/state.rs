//! Whether the state folder can be written, and with an arbiter there, whether somebody holds the
//! pipeline.

use std::io::{self, ErrorKind, Write};
use std::path::Path;

use otter_arbitrate::LocalArbiter;
use otter_core::{Finding, PipelineId, Side, Verdict};

use super::MEND;

const WHAT: &str = "the state folder can be written";
/// More than any file of the folder holds.
const PROBE: [u8; 4096] = [0; 4096];

/// Looks at the folder of the arbiter for one pipeline.
pub(super) fn look(folder: &Path, pipeline: &str) -> Vec<Finding> {
    vec![writable(folder), free(folder, pipeline)]
}

/// Looks at the folder that an arbiter of another place is remembered in. Nothing depends on it while
/// a process runs.
pub(super) fn look_at_record(folder: &Path) -> Vec<Finding> {
    let mut finding = writable(folder);
    if finding.verdict == Verdict::Fail {
        finding.verdict = Verdict::Warn;
        finding.detail.push_str(
            "; so where the arbiter's nodes are deleted while no process runs, `position adopt` \
             will be needed",
        );
    }
    vec![finding]
}

/// A running pipeline is no fault, but a second process would have to wait.
fn free(folder: &Path, pipeline: &str) -> Finding {
    const FREE: &str = "no process holds the pipeline";
    match LocalArbiter::holder_of(folder, &Side::target(PipelineId::new(pipeline))) {
        Ok(None) => Finding::pass(FREE),
        Ok(Some(holder)) => Finding::warn(
            FREE,
            format!("{holder} holds it"),
            "leave it as it is, or stop that process first: another `run` waits for it",
        ),
        Err(error) => Finding::fail(FREE, error.to_string(), MEND),
    }
}

/// Writes a file without a name into the folder, or into the one that it will be made in.
fn writable(folder: &Path) -> Finding {
    let existing = folder.ancestors().find(|place| place.exists()).unwrap_or(Path::new("."));
    match probe(existing) {
        Ok(()) => {
            let will = if existing == folder { "" } else { ", which the first start makes" };
            Finding { detail: format!("{}{will}", folder.display()), ..Finding::pass(WHAT) }
        }
        Err(error) => failed(folder, &error),
    }
}

fn probe(folder: &Path) -> io::Result<()> {
    let mut file = tempfile::tempfile_in(folder)?;
    file.write_all(&PROBE)?;
    file.sync_all()
}

fn failed(folder: &Path, error: &io::Error) -> Finding {
    let place = folder.display();
    let is_full = matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded);
    let remedy = if is_full {
        format!("free some space on the file system of {place}")
    } else {
        format!(
            "give the user that runs otter-server the right to write {place}, or set `path` in \
             [arbiter] to another folder on a local disk"
        )
    };
    Finding::fail(WHAT, format!("{place}: {error}"), remedy)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_can_be_made_passes_and_nothing_is_made() {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("a/b");
        let finding = writable(&folder);
        assert_eq!(finding.verdict, Verdict::Pass, "{finding:?}");
        assert!(finding.detail.ends_with("which the first start makes"), "{finding:?}");
        assert_eq!(std::fs::read_dir(parent.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_file_in_the_place_of_the_folder_fails() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let finding = writable(file.path());
        assert_eq!(finding.verdict, Verdict::Fail, "{finding:?}");
        let findings = look_at_record(file.path());
        let [finding] = findings.as_slice() else { panic!("{findings:?}") };
        assert_eq!(finding.verdict, Verdict::Warn, "{finding:?}");
        assert!(finding.detail.contains("position adopt"), "{finding:?}");
    }
}
