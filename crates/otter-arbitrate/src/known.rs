//! What a machine remembers of an arbiter that is elsewhere: its id, in a small file.
//!
//! Whoever deletes an arbiter's records deletes its id. Processes that run know it; this file knows it
//! while none does. It is apart from the records, since it must be right only about this: which id, on
//! which servers, and how far they had counted. Holds no password.

use std::fs::File;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use otter_core::{ArbiterId, Causes};
use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tokio::time::timeout;
use tracing::warn;

use crate::local::{LocalArbiterError, durable};
use crate::random::random_name;

/// What is behind the name of a file that was found to be about another arbiter. Only people read it.
#[cfg(feature = "zookeeper")]
const REFUTED: &str = "refuted";

/// What is behind the name of the file that is locked while the other is written.
const LOCK: &str = "lock";

/// How often it is looked whether there is something to write: as often as a session is renewed.
const WRITES_PER_LEASE: u32 = 3;

/// Where an arbiter is, and where this machine remembers it.
#[derive(Debug, Clone)]
pub(crate) struct Spot {
    /// The folder; none where nothing shall be remembered.
    pub(crate) folder: Option<PathBuf>,
    /// The file's name; other kinds of arbiters have other names for theirs.
    pub(crate) file: &'static str,
    /// What tells arbiters of the same servers apart.
    pub(crate) root: String,
    pub(crate) servers: Vec<String>,
}

/// An arbiter as a machine remembers it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Known {
    pub(crate) id: ArbiterId,
    /// The highest number that was seen, from which terms are made.
    pub(crate) seen: u64,
    root: String,
    servers: Vec<String>,
}

impl Spot {
    fn path(&self) -> Option<PathBuf> {
        Some(self.folder.as_ref()?.join(self.file))
    }

    /// Puts what was found to be about another arbiter aside, so that it is not tried again when its
    /// servers have counted further. What is remembered of any other stays.
    #[cfg(feature = "zookeeper")]
    pub(crate) async fn refute(&self, id: &ArbiterId) {
        let (Some(path), id) = (self.path(), id.clone()) else { return };
        if let Ok(Err(error)) = spawn_blocking(move || put_aside(&path, &id)).await {
            warn!(
                error = %Causes(&error),
                "what is remembered of another arbiter cannot be put aside"
            );
        }
    }
}

impl Known {
    pub(crate) fn new(spot: &Spot, id: ArbiterId, seen: u64) -> Self {
        Self { id, seen, root: spot.root.clone(), servers: spot.servers.clone() }
    }

    /// What a machine remembers about a spot. A file that cannot be read is as good as none, but for
    /// a warning.
    pub(crate) async fn of(spot: &Spot) -> Option<Self> {
        let file = spot.path()?;
        let shown = file.clone();
        let read = spawn_blocking(move || read(&file)).await.ok()?;
        let known = match read {
            Ok(known) => known?,
            Err(why) => {
                warn!(file = %shown.display(), why, "what is remembered of the arbiter cannot be \
                     read, and is not used");
                return None;
            }
        };
        if known.is_about(spot) {
            return Some(known);
        }
        warn!(
            file = %shown.display(), remembered = %known.servers.join(","), root = %known.root,
            "the arbiter that is remembered is in another place: none of its servers is configured, \
             or its part of them is another; it is not used"
        );
        None
    }

    /// Whether it may be the arbiter of a spot: the root is the same, and a server.
    fn is_about(&self, spot: &Spot) -> bool {
        let is_ours = |server: &String| spot.servers.contains(server);
        self.root == spot.root && self.servers.iter().any(is_ours)
    }

    fn text(&self) -> String {
        let Self { id, seen, root, servers } = self;
        format!("arbiter {id}\nseen {seen}\nroot {root}\nservers {}\n", servers.join(","))
    }

    fn parse(text: &str) -> Option<Self> {
        let mut lines = text.strip_suffix('\n')?.split('\n');
        let mut value = |name: &str| lines.next()?.strip_prefix(name)?.strip_prefix(' ');
        let id = value("arbiter").filter(|id| !id.is_empty())?;
        let seen = value("seen")?.parse().ok()?;
        let root = value("root")?.to_owned();
        let servers = value("servers")?.split(',').map(str::to_owned).collect();
        lines.next().is_none().then(|| Self { id: ArbiterId::new(id), seen, root, servers })
    }
}

fn read(file: &Path) -> Result<Option<Known>, String> {
    match std::fs::read_to_string(file) {
        Ok(text) => match Known::parse(&text) {
            Some(known) => Ok(Some(known)),
            None => Err("it is damaged".to_owned()),
        },
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error.to_string()),
    }
}

/// Keeps the file of one arbiter up to date.
#[derive(Debug)]
pub(crate) struct Record {
    file: Option<PathBuf>,
    known: Known,
    written: Option<u64>,
    is_failing: bool,
}

impl Record {
    pub(crate) fn new(spot: &Spot, id: ArbiterId) -> Self {
        let known = Known::new(spot, id, 0);
        Self { file: spot.path(), known, written: None, is_failing: false }
    }

    /// Writes as the servers count on, until everybody who held the sender has gone, or one says
    /// that it is enough.
    pub(crate) async fn follow(
        mut self,
        seen: impl Fn() -> u64,
        lease: Duration,
        mut stop: watch::Receiver<bool>,
    ) {
        // An error means that nobody is left.
        while timeout(lease / WRITES_PER_LEASE, stop.wait_for(|stop| *stop)).await.is_err() {
            self.keep(seen()).await;
        }
        self.keep(seen()).await;
    }

    /// Writes how far the servers have counted, where that is new. What cannot be written is told
    /// once: nothing depends on it while a process runs.
    pub(crate) async fn keep(&mut self, seen: u64) {
        if self.written == Some(seen) {
            return;
        }
        let Some(file) = self.file.clone() else { return };
        self.known.seen = seen;
        let (known, is_first) = (self.known.clone(), self.written.is_none());
        let writing = spawn_blocking(move || write(&file, known, is_first));
        let Ok(wrote) = writing.await else { return };
        match wrote {
            Ok(()) => {
                self.written = Some(seen);
                self.is_failing = false;
            }
            Err(error) if !self.is_failing => {
                self.is_failing = true;
                warn!(
                    error = %Causes(&error),
                    "the arbiter cannot be remembered: where its records are deleted while no \
                     process runs, `otter-server position adopt` will be needed"
                );
            }
            Err(_) => {}
        }
    }
}

/// Keeps the other processes of this machine from the file until the answer is dropped.
fn locked(file: &Path) -> Result<File, LocalArbiterError> {
    if let Some(folder) = file.parent() {
        durable::create_folder(folder)?;
    }
    let path = file.with_extension(LOCK);
    let io = |error| LocalArbiterError::io(&path, error);
    let lock = File::options().create(true).append(true).open(&path).map_err(io)?;
    lock.lock().map_err(io)?;
    Ok(lock)
}

#[cfg(feature = "zookeeper")]
fn put_aside(file: &Path, id: &ArbiterId) -> Result<(), LocalArbiterError> {
    let _lock = locked(file)?;
    match read(file) {
        Ok(Some(there)) if there.id == *id => std::fs::rename(file, file.with_extension(REFUTED))
            .map_err(|error| LocalArbiterError::io(file, error)),
        Ok(_) | Err(_) => Ok(()),
    }
}

/// Writes how far the servers have counted. Whoever begins with an arbiter has just been told by it
/// that it is the one; later another process may know better.
fn write(file: &Path, mut known: Known, is_first: bool) -> Result<(), LocalArbiterError> {
    let _lock = locked(file)?;
    if let Ok(Some(there)) = read(file) {
        if there.id == known.id {
            // Another process of this machine may have seen more.
            known.seen = known.seen.max(there.seen);
        } else if !is_first {
            return Ok(());
        }
    }
    let random = random_name().map_err(LocalArbiterError::NoRandomness)?;
    durable::replace(file, &file.with_extension(format!("new.{random}")), &known.text())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spot(servers: &[&str], root: &str, folder: Option<&Path>) -> Spot {
        let servers = servers.iter().map(ToString::to_string).collect();
        let folder = folder.map(Path::to_owned);
        Spot { folder, file: "test-arbiter", root: root.to_owned(), servers }
    }

    fn known() -> Known {
        let spot = spot(&["a:1", "b:2"], "/otter", None);
        Known::new(&spot, ArbiterId::new("zookeeper-1"), 4_294_967_301)
    }

    #[test]
    fn what_is_remembered_reads_back_and_nothing_else_does() {
        let text = known().text();
        assert_eq!(text, "arbiter zookeeper-1\nseen 4294967301\nroot /otter\nservers a:1,b:2\n");
        assert_eq!(Known::parse(&text), Some(known()));
        for cut in 0..text.len() {
            assert_eq!(Known::parse(&text[..cut]), None, "{cut}");
        }
        for bad in ["arbiter \nseen 1\nroot /a\nservers a\n", &format!("{text}more\n")] {
            assert_eq!(Known::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn it_is_about_a_spot_with_the_same_root_and_a_server_in_common() {
        for (servers, root, is_about) in [
            (["b:2", "c:3"], "/otter", true),
            (["c:3", "d:4"], "/otter", false),
            (["a:1", "b:2"], "/other", false),
        ] {
            let spot = spot(&servers, root, None);
            assert_eq!(known().is_about(&spot), is_about, "{servers:?} {root}");
        }
    }

    #[tokio::test]
    async fn the_highest_number_is_kept_whoever_writes_last() {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("state");
        let here = spot(&["a:1"], "/otter", Some(&folder));
        assert_eq!(Known::of(&here).await, None);
        for (seen, expected) in [(7, 7), (5, 7), (9, 9)] {
            Record::new(&here, ArbiterId::new("zookeeper-1")).keep(seen).await;
            assert_eq!(Known::of(&here).await.unwrap().seen, expected);
        }
        // Of another arbiter nothing counts.
        Record::new(&here, ArbiterId::new("zookeeper-2")).keep(3).await;
        let known = Known::of(&here).await.unwrap();
        assert_eq!((known.id.as_str(), known.seen), ("zookeeper-2", 3));
        assert_eq!(Known::of(&spot(&["b:1"], "/otter", Some(&folder))).await, None);
        #[cfg(feature = "zookeeper")]
        {
            here.refute(&ArbiterId::new("zookeeper-1")).await;
            assert!(Known::of(&here).await.is_some(), "of another one");
            here.refute(&ArbiterId::new("zookeeper-2")).await;
            assert_eq!(Known::of(&here).await, None);
            assert!(folder.join("test-arbiter.refuted").exists());
        }
    }

    #[tokio::test]
    async fn whoever_began_with_a_former_arbiter_leaves_the_new_one_alone() {
        let folder = tempfile::tempdir().unwrap();
        let here = spot(&["a:1"], "/otter", Some(folder.path()));
        let mut former = Record::new(&here, ArbiterId::new("zookeeper-1"));
        former.keep(7).await;
        Record::new(&here, ArbiterId::new("zookeeper-2")).keep(3).await;
        former.keep(8).await;
        assert_eq!(Known::of(&here).await.unwrap().id.as_str(), "zookeeper-2");
    }

    #[tokio::test]
    async fn several_that_write_at_once_lose_no_number() {
        let folder = tempfile::tempdir().unwrap();
        let here = spot(&["a:1"], "/otter", Some(folder.path()));
        let mut writing = tokio::task::JoinSet::new();
        for number in 1..=20 {
            let mut record = Record::new(&here, ArbiterId::new("zookeeper-1"));
            writing.spawn(async move { record.keep(number).await });
        }
        writing.join_all().await;
        assert_eq!(Known::of(&here).await.unwrap().seen, 20);
    }

    #[tokio::test(start_paused = true)]
    async fn it_is_written_while_the_servers_count_and_once_more_at_the_end() {
        let folder = tempfile::tempdir().unwrap();
        let here = spot(&["a:1"], "/otter", Some(folder.path()));
        let record = Record::new(&here, ArbiterId::new("zookeeper-1"));
        let count = std::sync::Arc::new(std::sync::atomic::AtomicU64::new(1));
        let (stop, stopped) = watch::channel(false);
        let seen = std::sync::Arc::clone(&count);
        let lease = Duration::from_secs(9);
        let following = tokio::spawn(record.follow(
            move || seen.load(std::sync::atomic::Ordering::Relaxed),
            lease,
            stopped,
        ));
        tokio::time::sleep(lease / 2).await;
        let is_written = async || Known::of(&here).await.is_some_and(|known| known.seen == 1);
        for _ in 0..100 {
            if is_written().await {
                break;
            }
            tokio::time::sleep(lease / WRITES_PER_LEASE).await;
        }
        assert!(is_written().await);
        count.store(2, std::sync::atomic::Ordering::Relaxed);
        stop.send_replace(true);
        following.await.unwrap();
        assert_eq!(Known::of(&here).await.unwrap().seen, 2);
    }

    #[test]
    fn a_file_that_is_not_there_is_none_and_one_that_cannot_be_read_is_told() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(read(&folder.path().join("none")), Ok(None));
        assert!(read(folder.path()).is_err());
    }

    #[tokio::test]
    async fn a_damaged_file_is_as_good_as_none() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("test-arbiter"), "arbiter zoo").unwrap();
        let here = spot(&["a:1"], "/otter", Some(folder.path()));
        assert_eq!(Known::of(&here).await, None);
        Record::new(&here, ArbiterId::new("zookeeper-1")).keep(3).await;
        assert!(Known::of(&here).await.is_some());
    }
}
