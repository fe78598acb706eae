//! File operations that survive a crash of the machine once they return.

use std::fs::{DirBuilder, File};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use super::LocalArbiterError;

/// Replaces a file's content: all of it or nothing is there afterwards, whatever crashes.
///
/// `temp` must be in the same folder and nobody else's while this runs.
pub(crate) fn replace(path: &Path, temp: &Path, content: &str) -> Result<(), LocalArbiterError> {
    let renamed = write(temp, content).and_then(|()| {
        std::fs::rename(temp, path).map_err(|error| LocalArbiterError::io(path, error))
    });
    if renamed.is_err() {
        // On a full disk, which is where this fails, each try would leave another one.
        let _ = std::fs::remove_file(temp);
    }
    renamed?;
    sync_parent(path)
}

/// Makes a file with this content unless it is there already, in which case it stays as it is.
pub(super) fn create(path: &Path, temp: &Path, content: &str) -> Result<(), LocalArbiterError> {
    write(temp, content)?;
    let linked = std::fs::hard_link(temp, path);
    // A temporary file that cannot be removed does no harm.
    let _ = std::fs::remove_file(temp);
    match linked {
        Ok(()) => sync_parent(path),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        Err(error) if error.kind() == ErrorKind::PermissionDenied => {
            // Linux: EPERM, which is this kind too, means no hard links, since the temporary
            // file could be made.
            Err(LocalArbiterError::Unsupported { path: path.to_owned(), source: error })
        }
        Err(error) => Err(LocalArbiterError::io(path, error)),
    }
}

/// Makes a folder with its parents. The folder is this user's alone: a stranger could hold its
/// locks.
pub(crate) fn create_folder(path: &Path) -> Result<(), LocalArbiterError> {
    create_folder_with(path, PRIVATE)
}

/// Read, write and search for the owner.
const PRIVATE: u32 = 0o700;
/// What the user's umask leaves of everything, as `mkdir -p` does for parents.
const USUAL: u32 = 0o777;

fn create_folder_with(path: &Path, mode: u32) -> Result<(), LocalArbiterError> {
    if path.is_dir() {
        return Ok(());
    }
    if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        create_folder_with(parent, USUAL)?;
    }
    match DirBuilder::new().mode(mode).create(path) {
        Ok(()) => sync_parent(path),
        Err(error) if error.kind() == ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
        Err(error) => Err(LocalArbiterError::io(path, error)),
    }
}

fn write(path: &Path, content: &str) -> Result<(), LocalArbiterError> {
    let write = || {
        let mut file = File::create(path)?;
        file.write_all(content.as_bytes())?;
        file.sync_all()
    };
    write().map_err(|error| LocalArbiterError::io(path, error))
}

/// A new name is durable only when its folder is.
pub(super) fn sync_parent(path: &Path) -> Result<(), LocalArbiterError> {
    let parent = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let sync = || File::open(parent)?.sync_all();
    sync().map_err(|error| LocalArbiterError::io(parent, error))
}
