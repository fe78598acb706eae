//! What is wanted of pipelines, as files of a state directory: one for each that shall rest.

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use otter_core::{Causes, PipelineId};
use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tokio::time::sleep;
use tracing::warn;

use super::durable;
use super::error::LocalArbiterError;
use crate::name::{escape, unescape};
use crate::random::random_name;
use crate::wanted::{self, Paused, Wanted, Wishes};

/// A folder tells nobody that it changed, so following means looking. Somebody waits for it, but not
/// long.
const BETWEEN_LOOKS: Duration = Duration::from_millis(500);
/// File names have at most 255 bytes on every usual file system, and a temporary one is longer.
const LONGEST_NAME_BYTES: usize = 200;

/// Writes what is wanted of a pipeline.
pub(super) fn want(
    state: &Path,
    pipeline: &PipelineId,
    wanted: Wanted,
) -> Result<(), LocalArbiterError> {
    let folder = folder(state);
    let name = escape(pipeline.as_str());
    if name.len() > LONGEST_NAME_BYTES {
        return Err(LocalArbiterError::LongName { pipeline: pipeline.to_string() });
    }
    let file = folder.join(name);
    match wanted {
        Wanted::Paused => {
            durable::create_folder(state)?;
            durable::create_folder(&folder)?;
            let random = random_name().map_err(LocalArbiterError::NoRandomness)?;
            durable::create(&file, &folder.join(format!("@{random}")), "")
        }
        Wanted::Running => match std::fs::remove_file(&file) {
            Ok(()) => durable::sync_parent(&file),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            Err(error) => Err(LocalArbiterError::io(&file, error)),
        },
    }
}

/// The pipelines that shall rest.
pub(super) fn paused(state: &Path) -> Result<BTreeSet<PipelineId>, LocalArbiterError> {
    let folder = folder(state);
    let files = match std::fs::read_dir(&folder) {
        Ok(files) => files,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(BTreeSet::new()),
        Err(error) => return Err(LocalArbiterError::io(&folder, error)),
    };
    let mut paused = BTreeSet::new();
    for file in files {
        let name = file.map_err(|error| LocalArbiterError::io(&folder, error))?.file_name();
        // Temporary files have names that no pipeline has.
        let pipeline = name.to_str().and_then(unescape);
        paused.extend(pipeline.map(PipelineId::new));
    }
    Ok(paused)
}

/// Follows what is wanted, until nobody does any more.
pub(super) fn follow(state: &Path) -> Wishes {
    let (sender, receiver) = watch::channel(None);
    let state = state.to_owned();
    tokio::spawn(async move {
        tokio::select! {
            biased;
            () = sender.closed() => {}
            () = look_again_and_again(&state, &sender) => {}
        }
    });
    Wishes::new(receiver)
}

async fn look_again_and_again(state: &Path, sender: &watch::Sender<Paused>) {
    let mut is_failing = false;
    loop {
        let place = state.to_owned();
        let Ok(looked) = spawn_blocking(move || paused(&place)).await else { return };
        match looked {
            Ok(paused) => {
                is_failing = false;
                wanted::tell(sender, paused);
            }
            Err(error) => {
                if !is_failing {
                    warn!(error = %Causes(&error), "what is wanted of pipelines cannot be read; it \
                         is looked for again");
                }
                is_failing = true;
            }
        }
        sleep(BETWEEN_LOOKS).await;
    }
}

fn folder(state: &Path) -> PathBuf {
    state.join("paused")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_wanted_is_kept_in_files_and_followed() {
        let parent = tempfile::tempdir().unwrap();
        let state = parent.path().join("state");
        let wishes = follow(&state);
        let (shop, odd) = (PipelineId::new("shop"), PipelineId::new("A/b.c"));
        wishes.wait_for(&shop, Wanted::Running).await;
        for _ in 0..2 {
            want(&state, &shop, Wanted::Paused).unwrap();
            want(&state, &odd, Wanted::Paused).unwrap();
        }
        assert_eq!(paused(&state).unwrap(), BTreeSet::from([shop.clone(), odd.clone()]));
        wishes.wait_for(&shop, Wanted::Paused).await;
        wishes.wait_for(&odd, Wanted::Paused).await;
        for _ in 0..2 {
            want(&state, &shop, Wanted::Running).unwrap();
        }
        wishes.wait_for(&shop, Wanted::Running).await;
        assert_eq!(wishes.of(&odd), Some(Wanted::Paused));
        let named = |length| PipelineId::new("x".repeat(length));
        want(&state, &named(LONGEST_NAME_BYTES), Wanted::Paused).unwrap();
        let error = want(&state, &named(LONGEST_NAME_BYTES + 1), Wanted::Paused).unwrap_err();
        assert!(error.to_string().contains("shorter"));
        // What cannot be taken away is not told as taken away.
        std::fs::create_dir(folder(&state).join("stock")).unwrap();
        assert!(want(&state, &PipelineId::new("stock"), Wanted::Running).is_err());
    }
}
