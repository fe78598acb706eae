//! What the processes of a machine publish: a file of each side, which its holder writes.

use std::collections::HashMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::task::spawn_blocking;

use super::error::LocalArbiterError;
use crate::name::escape;
use crate::random::random_name;
use crate::report::{self, Place, Published, Reports};

/// Publishes until the answer is dropped.
pub(super) fn publish(state: &Path, every: Duration) -> Reports {
    let (reports, published) = Reports::new();
    let files = Files { folder: folder(state), written: HashMap::new() };
    tokio::spawn(report::keep(files, published, every));
    reports
}

/// The files that this process writes.
struct Files {
    folder: PathBuf,
    /// The line that was written last about each side.
    written: HashMap<String, String>,
}

impl Place for Files {
    type Error = LocalArbiterError;

    async fn write(&mut self, text: &Published) -> Result<(), LocalArbiterError> {
        let (folder, text) = (self.folder.clone(), Published::clone(text));
        let mut written = std::mem::take(&mut self.written);
        let writing = spawn_blocking(move || {
            let outcome = write(&folder, &text, &mut written);
            (outcome, written)
        });
        let (outcome, written) = writing.await.map_err(LocalArbiterError::RuntimeGone)?;
        self.written = written;
        outcome
    }

    /// A later holder writes over it, and nobody reads what a former one told.
    async fn forget(self) {}
}

/// Writes what differs from what was written last. A file that is torn by a crash cannot be read, and
/// tells nothing.
fn write(
    folder: &Path,
    text: &str,
    written: &mut HashMap<String, String>,
) -> Result<(), LocalArbiterError> {
    for line in text.lines() {
        let Some((side, _)) = line.split_once('\t') else { continue };
        if written.get(side).is_some_and(|before| before == line) {
            continue;
        }
        std::fs::create_dir_all(folder).map_err(|error| LocalArbiterError::io(folder, error))?;
        // A long name is one that no file can have.
        let (file, temp) = (folder.join(side), folder.join(format!("@{}", temp_name()?)));
        let moved =
            std::fs::write(&temp, format!("{line}\n")).and_then(|()| std::fs::rename(&temp, &file));
        if let Err(error) = moved {
            let _ = std::fs::remove_file(&temp);
            return Err(LocalArbiterError::io(&file, error));
        }
        written.insert(side.to_owned(), line.to_owned());
    }
    Ok(())
}

fn temp_name() -> Result<String, LocalArbiterError> {
    random_name().map_err(LocalArbiterError::NoRandomness)
}

/// What was told about a side; empty where nothing was.
pub(super) fn read(state: &Path, side: &str) -> Result<String, LocalArbiterError> {
    let file = folder(state).join(escape(side));
    match std::fs::read(&file) {
        Ok(text) => Ok(String::from_utf8_lossy(&text).into_owned()),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(String::new()),
        Err(error) => Err(LocalArbiterError::io(&file, error)),
    }
}

fn folder(state: &Path) -> PathBuf {
    state.join("reports")
}
