//! What a machine remembers of an arbiter in ZooKeeper: its id, in a small file.
//!
//! Whoever deletes the subtree deletes the id. Processes that run know it; this file knows it while
//! none does. It is apart from the tree, since it must be right only about this: which id, on which
//! servers, and how far the ensemble had counted. Holds no password.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use otter_core::{ArbiterId, Causes};
use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tokio::time::timeout;
use tracing::warn;

use super::place::ZooKeeperPlace;
use super::tree::Tree;
use crate::local::{LocalArbiterError, durable};
use crate::random::random_name;

/// The file's name; other arbiters of the same folder have other names for theirs.
const FILE: &str = "zookeeper-arbiter";
/// What a file is called that was found to be about another ensemble. Only people read it.
const REFUTED: &str = "zookeeper-arbiter.refuted";

/// How often it is looked whether there is something to write: as often as a session is renewed.
const WRITES_PER_LEASE: u32 = 3;

/// An arbiter as a machine remembers it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Known {
    pub(super) id: ArbiterId,
    /// The highest transaction of the ensemble that was seen.
    pub(super) seen: u64,
    root: String,
    servers: Vec<String>,
}

impl Known {
    pub(super) fn new(place: &ZooKeeperPlace, id: ArbiterId, seen: u64) -> Self {
        Self { id, seen, root: place.root().to_owned(), servers: place.servers().to_vec() }
    }

    /// What the folder of a place remembers about it. A file that cannot be read is as good as none,
    /// but for a warning.
    pub(super) async fn of(place: &ZooKeeperPlace) -> Option<Self> {
        let file = place.state()?.join(FILE);
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
        if known.is_about(place) {
            return Some(known);
        }
        warn!(
            file = %shown.display(), remembered = %known.servers.join(","), root = %known.root,
            "the arbiter that is remembered is in another place: none of its servers is configured, \
             or root is another; it is not used"
        );
        None
    }

    /// Whether it may be the arbiter of a place: the subtree is the same, and a server.
    fn is_about(&self, place: &ZooKeeperPlace) -> bool {
        let is_ours = |server: &String| place.servers().contains(server);
        self.root == place.root() && self.servers.iter().any(is_ours)
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

/// Puts what was found to be about another ensemble aside, so that it is not tried again when the
/// ensemble has counted further.
pub(super) async fn refute(place: &ZooKeeperPlace) {
    let Some(folder) = place.state().map(Path::to_owned) else { return };
    let moved = spawn_blocking(move || std::fs::rename(folder.join(FILE), folder.join(REFUTED)));
    if let Ok(Err(error)) = moved.await {
        warn!(%error, "what is remembered of another arbiter cannot be put aside");
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
pub(super) struct Record {
    folder: Option<PathBuf>,
    known: Known,
    written: Option<u64>,
    is_failing: bool,
}

impl Record {
    pub(super) fn new(place: &ZooKeeperPlace, id: ArbiterId) -> Self {
        let folder = place.state().map(Path::to_owned);
        Self { folder, known: Known::new(place, id, 0), written: None, is_failing: false }
    }

    /// Writes as the ensemble counts on, until everybody who held the sender has gone, or one says
    /// that it is enough.
    pub(super) async fn follow(
        mut self,
        tree: Tree,
        lease: Duration,
        mut stop: watch::Receiver<bool>,
    ) {
        // An error means that nobody is left.
        while timeout(lease / WRITES_PER_LEASE, stop.wait_for(|stop| *stop)).await.is_err() {
            self.keep(tree.seen()).await;
        }
        self.keep(tree.seen()).await;
    }

    /// Writes how far the ensemble has counted, where that is new. What cannot be written is told
    /// once: nothing depends on it while a process runs.
    pub(super) async fn keep(&mut self, seen: u64) {
        if self.written == Some(seen) {
            return;
        }
        let Some(folder) = self.folder.clone() else { return };
        self.known.seen = seen;
        let known = self.known.clone();
        let Ok(wrote) = spawn_blocking(move || write(&folder, known)).await else { return };
        match wrote {
            Ok(()) => {
                self.written = Some(seen);
                self.is_failing = false;
            }
            Err(error) if !self.is_failing => {
                self.is_failing = true;
                warn!(
                    error = %Causes(&error),
                    "the arbiter cannot be remembered: where its nodes are deleted while no process \
                     runs, `otter-server position adopt` will be needed"
                );
            }
            Err(_) => {}
        }
    }
}

fn write(folder: &Path, mut known: Known) -> Result<(), LocalArbiterError> {
    durable::create_folder(folder)?;
    let file = folder.join(FILE);
    // Another process of this machine may have seen more.
    if let Ok(Some(there)) = read(&file)
        && there.id == known.id
    {
        known.seen = known.seen.max(there.seen);
    }
    let random = random_name().map_err(LocalArbiterError::NoRandomness)?;
    durable::replace(&file, &folder.join(format!("{FILE}.new.{random}")), &known.text())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(servers: &[&str], root: &str) -> ZooKeeperPlace {
        ZooKeeperPlace::new(servers, root).unwrap()
    }

    fn known() -> Known {
        Known::new(&place(&["a:1", "b:2"], "/otter"), ArbiterId::new("zookeeper-1"), 4_294_967_301)
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
    fn it_is_about_a_place_with_the_same_root_and_a_server_in_common() {
        for (servers, root, is_about) in [
            (&["b:2", "c:3"], "/otter", true),
            (&["c:3", "d:4"], "/otter", false),
            (&["a:1", "b:2"], "/other", false),
        ] {
            assert_eq!(known().is_about(&place(servers, root)), is_about, "{servers:?} {root}");
        }
    }

    #[tokio::test]
    async fn the_highest_transaction_is_kept_whoever_writes_last() {
        let folder = tempfile::tempdir().unwrap();
        let here = place(&["a:1"], "/otter").with_state(folder.path().join("state"));
        assert_eq!(Known::of(&here).await, None);
        for (seen, expected) in [(7, 7), (5, 7), (9, 9)] {
            Record::new(&here, ArbiterId::new("zookeeper-1")).keep(seen).await;
            assert_eq!(Known::of(&here).await.unwrap().seen, expected);
        }
        // Of another arbiter nothing counts.
        Record::new(&here, ArbiterId::new("zookeeper-2")).keep(3).await;
        let known = Known::of(&here).await.unwrap();
        assert_eq!((known.id.as_str(), known.seen), ("zookeeper-2", 3));
        let elsewhere = place(&["b:1"], "/otter").with_state(folder.path().join("state"));
        assert_eq!(Known::of(&elsewhere).await, None);
        refute(&here).await;
        assert_eq!(Known::of(&here).await, None);
    }

    #[tokio::test]
    async fn a_damaged_file_is_as_good_as_none() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(FILE), "arbiter zoo").unwrap();
        let here = place(&["a:1"], "/otter").with_state(folder.path());
        assert_eq!(Known::of(&here).await, None);
        Record::new(&here, ArbiterId::new("zookeeper-1")).keep(3).await;
        assert!(Known::of(&here).await.is_some());
    }
}
