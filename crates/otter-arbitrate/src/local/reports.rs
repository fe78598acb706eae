//! What the processes of a machine publish: a file of each side, which its holder writes.

use std::collections::HashMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use otter_core::Causes;
use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tokio::time::sleep;
use tracing::{debug, warn};

use super::error::LocalArbiterError;
use crate::name::escape;
use crate::random::random_name;
use crate::report::{Published, Reports};

/// Publishes until the answer is dropped. What was written stays: a later holder writes over it, and
/// nobody reads what a former one told.
pub(super) fn publish(state: &Path, every: Duration) -> Reports {
    let (reports, published) = Reports::new();
    tokio::spawn(write_again_and_again(folder(state), published, every));
    reports
}

async fn write_again_and_again(
    folder: PathBuf,
    mut published: watch::Receiver<Published>,
    every: Duration,
) {
    let mut written = HashMap::new();
    let mut is_failing = false;
    loop {
        let text = Published::clone(&published.borrow_and_update());
        let place = folder.clone();
        let writing = spawn_blocking(move || {
            let outcome = write(&place, &text, &mut written);
            (outcome, written)
        });
        // A panic has been told; there is nothing more to write with.
        let Ok((outcome, so_far)) = writing.await else { return };
        written = so_far;
        match outcome {
            Ok(()) => is_failing = false,
            Err(error) if is_failing => {
                debug!(error = %Causes(&error), "progress cannot be published");
            }
            Err(error) => {
                warn!(error = %Causes(&error), "progress cannot be published; it is tried again");
                is_failing = true;
            }
        }
        sleep(every).await;
        if !is_failing && published.changed().await.is_err() {
            return;
        }
        if published.has_changed().is_err() {
            return;
        }
    }
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
