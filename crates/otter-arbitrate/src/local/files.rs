//! Which files a side has, and how its name becomes a folder's.

use std::ffi::OsStr;
use std::fmt::Write;
use std::fs::File;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use otter_core::{Role, Side, Term};

use super::error::LocalArbiterError;

/// File names have at most 255 bytes on every usual file system; longer names become several
/// folders.
const LONGEST_NAME_BYTES: usize = 200;

/// The files of one side.
#[derive(Debug, Clone)]
pub(super) struct SideFiles {
    folder: PathBuf,
}

impl SideFiles {
    pub(super) fn new(state: &Path, side: &Side) -> Self {
        let mut folder = state.join("sides");
        let mut name = String::new();
        for byte in side.pipeline.as_str().bytes() {
            if name.len() > LONGEST_NAME_BYTES {
                folder.push(std::mem::take(&mut name));
            }
            // Upper case is escaped, since some file systems do not tell it from lower case.
            if byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_') {
                name.push(char::from(byte));
            } else {
                // Writing to a string cannot fail.
                let _ = write!(name, "%{byte:02x}");
            }
        }
        folder.push(name);
        // No escaped name begins with this letter, so that a role is never part of a name.
        folder.push(match side.role {
            Role::Source => "@source",
            Role::Target => "@target",
        });
        Self { folder }
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The record of the last grant.
    pub(super) fn record(&self) -> PathBuf {
        self.folder.join("lease")
    }

    pub(super) fn record_temp(&self) -> PathBuf {
        self.folder.join("lease.new")
    }

    /// Locked by whoever is granting; never by a holder.
    pub(super) fn guard(&self) -> PathBuf {
        self.folder.join("guard")
    }

    /// Locked by the holder of this term as long as it lives; holds when its lease ends.
    pub(super) fn holder(&self, term: Term) -> PathBuf {
        self.folder.join(format!("holder.{term}"))
    }

    pub(super) fn holder_temp(&self) -> PathBuf {
        self.folder.join("holder-new")
    }

    /// The holders' files but that of `kept`.
    pub(super) fn other_holders(
        &self,
        kept: Option<Term>,
    ) -> Result<Vec<PathBuf>, LocalArbiterError> {
        let failed = |error| LocalArbiterError::io(&self.folder, error);
        let kept = kept.map(|term| self.holder(term));
        let mut others = Vec::new();
        for entry in std::fs::read_dir(&self.folder).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            let name = path.file_name().and_then(OsStr::to_str).unwrap_or_default();
            if name.starts_with("holder.") && kept.as_ref() != Some(&path) {
                others.push(path);
            }
        }
        Ok(others)
    }

    /// Opens the file of this term's holder; `None` where there is none.
    pub(super) fn open_holder(&self, term: Term) -> Result<Option<File>, LocalArbiterError> {
        let path = self.holder(term);
        match File::open(&path) {
            Ok(file) => Ok(Some(file)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(LocalArbiterError::io(&path, error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use otter_core::PipelineId;

    use super::*;

    #[test]
    fn odd_and_long_names_have_folders_of_their_own() {
        let long = "x".repeat(1_000);
        let longer = "x".repeat(1_001);
        let names =
            ["", "a", "A", "a/b", "a%2fb", "..", ".", "@target", "täglich", "a\0b", &long, &longer];
        let mut folders = BTreeSet::new();
        for name in names {
            for role in [Role::Source, Role::Target] {
                let side = Side { pipeline: PipelineId::new(name), role };
                let files = SideFiles::new(Path::new("/s"), &side);
                assert!(files.folder().starts_with("/s/sides"));
                let is_short = files.folder().iter().all(|part| part.len() < 255);
                assert!(is_short, "{}", files.folder().display());
                folders.insert(files.folder().to_owned());
            }
        }
        assert_eq!(folders.len(), 2 * names.len());
    }
}
