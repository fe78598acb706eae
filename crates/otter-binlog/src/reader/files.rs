//! Which files there are, and in which order.
//!
//! A file by itself, a server's index, or a folder: the files whose names end in numbers, in the
//! order of these, without a gap (LOSS-1).

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::error::ReadError;
use crate::event::head::{Head, HeadReader};
use crate::event::{EventError, EventKind};
use crate::file::FileError;
use crate::file::frames::{ENCRYPTED, Frames, MAGIC};

/// Binlog files of one series, oldest first.
///
/// ```
/// use otter_binlog::reader::BinlogFiles;
///
/// # let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/binlogs");
/// let files = BinlogFiles::find(folder)?;
/// assert!(files.paths()[0].ends_with("shop.000001"));
/// # Ok::<(), otter_binlog::reader::ReadError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BinlogFiles {
    /// Invariant: not empty.
    paths: Vec<PathBuf>,
}

impl BinlogFiles {
    /// Finds the files at a path: a binlog file, an index (`NAME.index`, as servers keep it; the
    /// files are looked for beside it first), or a folder, where files that are no binlogs do not
    /// matter. Blocking.
    ///
    /// # Errors
    /// Where there are none, where they are of several series, or where the numbers in their names
    /// leave a gap.
    pub fn find(path: impl AsRef<Path>) -> Result<Self, ReadError> {
        let path = path.as_ref();
        let about = fs::metadata(path).map_err(|error| failed(path, error))?;
        let paths = if about.is_dir() {
            of_folder(path)?
        } else if path.extension().is_some_and(|extension| extension == "index")
            && !is_binlog(path)?
        {
            of_index(path)?
        } else {
            vec![path.to_owned()]
        };
        if paths.is_empty() {
            return Err(ReadError::NoBinlogs { path: path.to_owned() });
        }
        check_gaps(&paths)?;
        Ok(Self { paths })
    }

    /// The files' paths, oldest first.
    #[must_use]
    pub fn paths(&self) -> &[PathBuf] {
        &self.paths
    }

    /// The name of a file, without its folder: what places carry.
    pub(super) fn name(&self, index: usize) -> String {
        self.paths.get(index).map(|path| name_of(path)).unwrap_or_default()
    }

    pub(super) fn last(&self) -> usize {
        self.paths.len().saturating_sub(1)
    }

    /// The index of the file with this name.
    pub(super) fn index_of(&self, name: &str) -> Option<usize> {
        self.paths.iter().position(|path| name_of(path) == name)
    }

    pub(super) fn size(&self, index: usize) -> Result<u64, ReadError> {
        let Some(path) = self.paths.get(index) else { return Ok(0) };
        Ok(fs::metadata(path).map_err(|error| failed(path, error))?.len())
    }

    /// Opens a file at its first event; `None` behind the last one.
    pub(super) fn open(
        &self,
        index: usize,
        max_event: usize,
    ) -> Result<Option<Frames<File>>, ReadError> {
        let Some(path) = self.paths.get(index) else { return Ok(None) };
        let file = File::open(path).map_err(|error| failed(path, error))?;
        let frames = Frames::new(&name_of(path), file, max_event);
        frames.map(Some).map_err(|source| self.file_error(index, source))
    }

    /// Reads a file's first events.
    pub(super) fn head(&self, index: usize, max_event: usize) -> Result<Head, ReadError> {
        let Some(frames) = self.open(index, max_event)? else { return Ok(Head::default()) };
        let head = read_head(frames).map_err(|source| self.file_error(index, source))?;
        if head.is_encrypted {
            return Err(self.file_error(index, FileError::Encrypted));
        }
        Ok(head)
    }

    pub(super) fn file_error(&self, index: usize, source: FileError) -> ReadError {
        let path = self.paths.get(index).cloned().unwrap_or_default();
        ReadError::File { path, source }
    }
}

fn read_head<R: Read>(mut frames: Frames<R>) -> Result<Head, FileError> {
    let mut reader = HeadReader::default();
    loop {
        let place = frames.place();
        let Some(bytes) = frames.next()? else { break };
        let kind = EventKind(bytes.get(4).copied().unwrap_or(0));
        let fail = |source: EventError| FileError::Event { place, kind, source };
        if !reader.take(bytes).map_err(fail)? {
            break;
        }
    }
    Ok(reader.finish())
}

fn failed(path: &Path, source: io::Error) -> ReadError {
    let path = path.to_owned();
    if source.kind() == io::ErrorKind::NotFound {
        return ReadError::Missing { path };
    }
    ReadError::Io { path, source }
}

fn name_of(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

/// Whether a file begins as a binlog does, encrypted ones included: those are refused when they
/// are read, not overlooked.
fn is_binlog(path: &Path) -> Result<bool, ReadError> {
    let mut magic = Vec::with_capacity(MAGIC.len());
    let file = File::open(path).map_err(|error| failed(path, error))?;
    let read = file.take(4).read_to_end(&mut magic);
    read.map_err(|source| ReadError::Io { path: path.to_owned(), source })?;
    Ok(magic == MAGIC || magic == ENCRYPTED)
}

/// A name as its series and number.
fn series_of(name: &str) -> Option<(&str, u64)> {
    let (series, number) = name.rsplit_once('.')?;
    let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    Some((series, number.parse().ok().filter(|_| is_number)?))
}

fn of_folder(folder: &Path) -> Result<Vec<PathBuf>, ReadError> {
    let mut found: Vec<(String, u64, PathBuf)> = Vec::new();
    for entry in fs::read_dir(folder).map_err(|error| failed(folder, error))? {
        let path = entry.map_err(|error| failed(folder, error))?.path();
        let name = name_of(&path);
        // Other files are numbered too: aria_log.00000001.
        if let Some((series, number)) = series_of(&name)
            && path.is_file()
            && is_binlog(&path)?
        {
            found.push((series.to_owned(), number, path));
        }
    }
    found.sort();
    let mut series: Vec<&str> = found.iter().map(|(series, ..)| series.as_str()).collect();
    series.dedup();
    if series.len() > 1 {
        let (path, series) = (folder.to_owned(), series.join(", "));
        return Err(ReadError::Several { path, series });
    }
    Ok(found.into_iter().map(|(_, _, path)| path).collect())
}

fn of_index(index: &Path) -> Result<Vec<PathBuf>, ReadError> {
    let folder = index.parent().unwrap_or(Path::new(""));
    let text = fs::read_to_string(index).map_err(|error| failed(index, error))?;
    let mut paths = Vec::new();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let listed = Path::new(line);
        // A copied index still names the folders of its server.
        let beside = folder.join(listed.file_name().unwrap_or_default());
        let path = if beside.is_file() { beside } else { folder.join(listed) };
        if !path.is_file() {
            return Err(ReadError::Missing { path });
        }
        paths.push(path);
    }
    Ok(paths)
}

fn check_gaps(paths: &[PathBuf]) -> Result<(), ReadError> {
    let names: Vec<String> = paths.iter().map(|path| name_of(path)).collect();
    for (before, after) in names.iter().zip(names.iter().skip(1)) {
        let follows = match (series_of(before), series_of(after)) {
            (Some((series, number)), Some((next_series, next))) => {
                series == next_series && number.checked_add(1) == Some(next)
            }
            _ => false,
        };
        if !follows {
            return Err(ReadError::Gap { before: before.clone(), after: after.clone() });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(files: &[(&str, &[u8])]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, bytes) in files {
            fs::write(folder.path().join(name), bytes).unwrap();
        }
        folder
    }

    fn names(files: &BinlogFiles) -> Vec<String> {
        files.paths().iter().map(|path| name_of(path)).collect()
    }

    const BINLOG: &[u8] = b"\xfebin";

    #[test]
    fn a_folder_gives_its_binlogs_in_the_order_of_their_numbers() {
        let folder = folder(&[
            ("b.1000000", BINLOG),
            ("b.999999", BINLOG),
            ("b.index", b"./b.000001\n"),
            ("aria_log.00000001", b"\xfe\xfe\x09\x01"),
            ("ibdata1", b""),
        ]);
        let files = BinlogFiles::find(folder.path()).unwrap();
        assert_eq!(names(&files), ["b.999999", "b.1000000"]);
    }

    #[test]
    fn a_missing_number_is_refused() {
        let folder = folder(&[("b.000001", BINLOG), ("b.000003", BINLOG)]);
        let error = BinlogFiles::find(folder.path()).unwrap_err();
        assert!(error.to_string().starts_with("between b.000001 and b.000003"), "{error}");
        assert!(error.is_of_path());
        let one = BinlogFiles::find(folder.path().join("b.000003")).unwrap();
        assert_eq!(names(&one), ["b.000003"]);
    }

    #[test]
    fn several_series_are_refused_and_an_index_chooses_one() {
        let folder = folder(&[
            ("b.000001", BINLOG),
            ("relay.000007", BINLOG),
            ("relay.000008", BINLOG),
            ("relay.index", b"/var/lib/mysql/relay.000007\n./relay.000008\n"),
        ]);
        let error = BinlogFiles::find(folder.path()).unwrap_err();
        assert!(error.to_string().contains("(b, relay)"), "{error}");
        let files = BinlogFiles::find(folder.path().join("relay.index")).unwrap();
        assert_eq!(names(&files), ["relay.000007", "relay.000008"]);
    }

    #[test]
    fn what_is_not_there_is_told() {
        let folder = folder(&[("b.index", b"./b.000001\n"), ("empty.index", b"\n")]);
        for (name, words) in
            [("b.index", "b.000001: name a binlog"), ("empty.index", "no binlogs"), ("x", "no ")]
        {
            let error = BinlogFiles::find(folder.path().join(name)).unwrap_err();
            assert!(error.to_string().contains(words), "{error}");
        }
        let error = BinlogFiles::find(folder.path()).unwrap_err();
        assert!(error.to_string().contains("holds no binlogs"), "{error}");
    }
}
