//! The temporary folder of one server, and the removal of those whose owner was
//! killed before it could clean up.
//!
//! An owner holds a lock on a file in its folder; a folder whose lock can be had
//! has no owner. It must never remove a folder without that file.

use std::env;
use std::fs::{self, DirEntry, File};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Once;

use tempfile::TempDir;

use super::SandboxError;

const PREFIX: &str = "otter-sandbox-";
const OWNER: &str = "owner";
/// Short enough that zeros are found inside InnoDB's files, whose pages have 16 KiB.
const BLOCK: usize = 16 * 1024;
static ZEROS: [u8; BLOCK] = [0; BLOCK];

/// A private folder that is removed when this is dropped, and where its process was killed, by the
/// next process that makes one.
#[derive(Debug)]
pub struct Folder {
    dir: TempDir,
    // Held for its lock.
    _owner: File,
}

impl Folder {
    /// Creates a new folder, after removing those that nobody owns any more.
    ///
    /// # Errors
    /// Where the folder for temporary files cannot be written.
    pub fn create() -> Result<Self, SandboxError> {
        static SWEEP: Once = Once::new();
        SWEEP.call_once(remove_orphans);
        // A sweep of another process may win the lock of a folder that is just
        // being made; then that folder is the sweep's, and the next one ours.
        loop {
            let parent = env::temp_dir();
            let dir = tempfile::Builder::new()
                .prefix(PREFIX)
                .tempdir_in(&parent)
                .map_err(SandboxError::file("create a folder in", &parent))?;
            let path = dir.path().join(OWNER);
            let owner = File::create(&path).map_err(SandboxError::file("create", &path))?;
            if owner.try_lock().is_ok() && path.exists() {
                return Ok(Self { dir, _owner: owner });
            }
        }
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.dir.path()
    }
}

fn remove_orphans() {
    let Ok(entries) = fs::read_dir(env::temp_dir()) else { return };
    for entry in entries.flatten() {
        if !entry.file_name().to_string_lossy().starts_with(PREFIX) || !is_ours(&entry) {
            continue;
        }
        let Ok(owner) = File::open(entry.path().join(OWNER)) else { continue };
        if owner.try_lock().is_ok() {
            // What cannot be removed now is tried again by the next process.
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// Everybody can make folders of any name beside ours, with anything inside.
fn is_ours(entry: &DirEntry) -> bool {
    let own = rustix::process::geteuid().as_raw();
    entry.metadata().is_ok_and(|metadata| metadata.is_dir() && metadata.uid() == own)
}

/// Copies a folder with all it holds, leaving out blocks of zeros: an empty data
/// directory is mostly room for later.
pub(super) fn copy_tree(from: &Path, to: &Path) -> Result<(), SandboxError> {
    fs::create_dir(to).map_err(SandboxError::file("create", to))?;
    for entry in fs::read_dir(from).map_err(SandboxError::file("read", from))? {
        let entry = entry.map_err(SandboxError::file("read", from))?;
        let target = to.join(entry.file_name());
        let kind = entry.file_type().map_err(SandboxError::file("read", from))?;
        if kind.is_dir() {
            copy_tree(&entry.path(), &target)?;
        } else if kind.is_file() {
            copy_file(&entry.path(), &target).map_err(SandboxError::file("write", &target))?;
        }
    }
    let permissions = fs::metadata(from).map_err(SandboxError::file("read", from))?.permissions();
    fs::set_permissions(to, permissions).map_err(SandboxError::file("write", to))
}

fn copy_file(from: &Path, to: &Path) -> io::Result<()> {
    let mut source = File::open(from)?;
    let mut target = File::create(to)?;
    let mut block = vec![0; BLOCK];
    loop {
        let length = read_block(&mut source, &mut block)?;
        let Some(filled) = block.get(..length).filter(|filled| !filled.is_empty()) else { break };
        if ZEROS.starts_with(filled) {
            target.seek_relative(i64::try_from(length).map_err(io::Error::other)?)?;
        } else {
            target.write_all(filled)?;
        }
    }
    let length = target.stream_position()?;
    target.set_len(length)?;
    target.set_permissions(source.metadata()?.permissions())
}

/// Fills the block as far as the file goes.
fn read_block(source: &mut File, block: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while let Some(rest) = block.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match source.read(rest)? {
            0 => break,
            length => filled += length,
        }
    }
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::{BLOCK, Folder, OWNER, PREFIX, copy_tree, remove_orphans};

    #[test]
    fn a_copied_tree_equals_its_original_holes_included() {
        let folder = tempfile::tempdir().unwrap();
        let original = folder.path().join("a");
        fs::create_dir_all(original.join("inner")).unwrap();
        let mut content = vec![0; 3 * BLOCK];
        content.extend(b"after a hole");
        content.extend(vec![0; BLOCK + 5]);
        fs::write(original.join("inner/file"), &content).unwrap();
        fs::write(original.join("empty"), b"").unwrap();
        copy_tree(&original, &folder.path().join("b")).unwrap();
        assert_eq!(fs::read(folder.path().join("b/inner/file")).unwrap(), content);
        assert_eq!(fs::read(folder.path().join("b/empty")).unwrap(), b"");
    }

    #[test]
    fn a_sweep_removes_folders_without_an_owner_and_no_others() {
        let owned = Folder::create().unwrap();
        let orphan = tempfile::Builder::new().prefix(PREFIX).tempdir().unwrap();
        fs::write(orphan.path().join(OWNER), b"").unwrap();
        let foreign = tempfile::Builder::new().prefix(PREFIX).tempdir().unwrap();
        remove_orphans();
        assert!(owned.path().exists());
        assert!(!orphan.path().exists());
        assert!(foreign.path().exists(), "it holds no owner file");
    }

    #[test]
    fn a_dropped_folder_is_gone() {
        let folder = Folder::create().unwrap();
        let path = folder.path().to_owned();
        drop(folder);
        assert!(!path.exists());
    }
}
