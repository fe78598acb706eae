use std::io::ErrorKind;
use std::sync::atomic::Ordering;

use otter_core::testkit::arbiter::{ArbiterFixture, Node};
use otter_core::testkit::suite::Fixture;
use otter_core::{Fault, PipelineId, Term};
use tempfile::TempDir;

use super::hold::RenewError;
use super::record::LeaseRecord;
use super::*;
use crate::machine::BootTime;

struct Directory(TempDir);

struct Process(LocalArbiter);

/// Long enough to be renewed on a busy machine, short enough for a suite.
const LEASE: Duration = Duration::from_millis(1_500);

#[async_trait]
impl Fixture for Directory {
    async fn start() -> Self {
        Self(tempfile::tempdir().unwrap())
    }
}

#[async_trait]
impl ArbiterFixture for Directory {
    async fn node(&self) -> Box<dyn Node> {
        Box::new(Process(self.open()))
    }
}

#[async_trait]
impl Node for Process {
    fn arbiter(&self) -> Arc<dyn Arbiter> {
        Arc::new(self.0.clone())
    }
    async fn freeze(&self) {
        self.0.world.frozen.store(true, Ordering::Release);
    }
    async fn thaw(&self) {
        self.0.world.frozen.store(false, Ordering::Release);
    }
}

impl Directory {
    fn open(&self) -> LocalArbiter {
        LocalArbiter::open(self.0.path()).unwrap().with_lease(LEASE)
    }

    fn files(&self) -> SideFiles {
        SideFiles::new(self.0.path(), &side())
    }
}

fn side() -> Side {
    Side::target(PipelineId::new("shop"))
}

mod suite {
    otter_core::arbiter_suite!(super::Directory);
}

#[tokio::test]
async fn the_directory_is_made_with_its_parents() {
    let directory = Directory::start().await;
    let state = directory.0.path().join("a/b/c");
    let arbiter = LocalArbiter::open(&state).unwrap();
    assert_eq!(LocalArbiter::open(&state).unwrap().id(), arbiter.id());
    assert_ne!(directory.open().id(), arbiter.id());
}

#[tokio::test]
async fn a_state_directory_that_is_a_file_is_refused_with_the_remedy() {
    let directory = Directory::start().await;
    let file = directory.0.path().join("file");
    std::fs::write(&file, "").unwrap();
    let error = LocalArbiter::open(file.join("state")).unwrap_err();
    assert!(matches!(error, LocalArbiterError::NotWritable { .. }), "{error}");
    assert!(error.to_string().contains("choose another state directory"), "{error}");
}

#[tokio::test]
async fn a_full_disk_refuses_the_grant_and_names_the_file() {
    let directory = Directory::start().await;
    let arbiter = directory.open();
    drop(arbiter.campaign(&side()).await.unwrap());
    std::os::unix::fs::symlink("/dev/full", directory.files().record_temp()).unwrap();
    let error = arbiter.campaign(&side()).await.unwrap_err();
    assert_eq!(error.fault(), Fault::Fatal);
    assert!(matches!(error.cause(), Some(LocalArbiterError::DiskFull { path, .. })
        if *path == directory.files().record_temp()));
    // What could not be written is not left behind.
    assert!(std::fs::symlink_metadata(directory.files().record_temp()).is_err());
    // The term that was not granted is not missing either.
    assert_eq!(arbiter.campaign(&side()).await.unwrap().term(), Term(2));
}

#[tokio::test]
async fn a_damaged_record_is_refused_and_no_term_is_granted_again() {
    let directory = Directory::start().await;
    let arbiter = directory.open();
    drop(arbiter.campaign(&side()).await.unwrap());
    let record = directory.files().record();
    let text = std::fs::read_to_string(&record).unwrap();
    for damage in ["", "otter", &text.replace("term 1", "term 0")] {
        std::fs::write(&record, damage).unwrap();
        let error = arbiter.campaign(&side()).await.unwrap_err();
        assert_eq!(error.fault(), Fault::Fatal);
        assert!(error.to_string().contains("position adopt"), "{error}");
    }
    std::fs::remove_file(&record).unwrap();
    let error = arbiter.campaign(&side()).await.unwrap_err();
    assert!(error.to_string().contains("it is missing"), "{error}");
}

#[tokio::test]
async fn whoever_holds_is_told_to_those_who_only_ask() {
    let directory = Directory::start().await;
    let world = Arc::clone(&directory.open().world);
    let holder = || grant::holder(&directory.files(), &side(), &world.boot).unwrap();
    assert_eq!(holder(), None);
    // What a grant has left that did not end is taken away by the next.
    let files = directory.files();
    durable::create_folder(files.folder()).unwrap();
    std::fs::create_dir(files.holder_temp()).unwrap();
    let error = grant::ask(&files, &side(), &world).unwrap_err();
    assert!(error.to_string().contains("holder-new"), "{error}");
    std::fs::remove_dir(files.holder_temp()).unwrap();
    let Asked::Granted(_granted) = grant::ask(&files, &side(), &world).unwrap() else {
        panic!("a free side is granted")
    };
    assert_eq!(holder().map(|holder| holder.name), Some(world.holder.clone()));
}

#[tokio::test]
async fn a_record_of_an_earlier_boot_has_no_living_holder() {
    let directory = Directory::start().await;
    let arbiter = directory.open();
    drop(arbiter.campaign(&side()).await.unwrap());
    let path = directory.files().record();
    let mut record = LeaseRecord::read(&path, &side()).unwrap().unwrap();
    record.boot = "an earlier one".to_owned();
    std::fs::write(&path, record.to_text()).unwrap();
    // The expiry in the holder's file is in the future, and means nothing.
    assert_eq!(arbiter.campaign(&side()).await.unwrap().term(), Term(2));
}

#[tokio::test]
async fn a_lock_of_another_machine_is_refused() {
    let directory = Directory::start().await;
    let arbiter = directory.open();
    let _lease = arbiter.campaign(&side()).await.unwrap();
    let path = directory.files().record();
    let mut record = LeaseRecord::read(&path, &side()).unwrap().unwrap();
    record.boot = "another machine's".to_owned();
    std::fs::write(&path, record.to_text()).unwrap();
    let error = arbiter.campaign(&side()).await.unwrap_err();
    assert!(matches!(error.cause(), Some(LocalArbiterError::Shared { .. })), "{error}");
}

#[tokio::test]
async fn a_holder_notices_that_a_higher_term_was_granted() {
    let directory = Directory::start().await;
    let lease = directory.open().campaign(&side()).await.unwrap();
    let path = directory.files().record();
    let mut record = LeaseRecord::read(&path, &side()).unwrap().unwrap();
    record.term = Term(2);
    std::fs::write(&path, record.to_text()).unwrap();
    lease.lost().await;
    assert!(!lease.is_held());
}

#[tokio::test]
async fn a_holder_notices_that_the_state_is_gone() {
    let directory = Directory::start().await;
    let lease = directory.open().campaign(&side()).await.unwrap();
    std::fs::remove_dir_all(directory.0.path()).unwrap();
    lease.lost().await;
    assert!(!lease.is_held());
}

#[tokio::test]
async fn old_holders_leave_no_files_behind() {
    let directory = Directory::start().await;
    let arbiter = directory.open();
    for _ in 0..5 {
        drop(arbiter.campaign(&side()).await.unwrap());
    }
    let lease = arbiter.campaign(&side()).await.unwrap();
    let mut names: Vec<_> = std::fs::read_dir(directory.files().folder())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names, ["guard", "holder.6", "lease"]);
    drop(lease);
}

#[tokio::test]
async fn a_failing_disk_costs_the_lease_only_when_its_time_is_over() {
    let directory = Directory::start().await;
    let side = side();
    let world = Arc::clone(&directory.open().world);
    let Asked::Granted(granted) = grant::ask(&directory.files(), &side, &world).unwrap() else {
        panic!("a free side is granted")
    };
    let expires = BootTime::now().after(LEASE);
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let record = LeaseRecord::read(&directory.files().record(), &side).unwrap().unwrap();
    let hold = hold::Hold::new(full, directory.files(), record, expires);
    let error = hold.renew(&side, LEASE).unwrap_err();
    assert!(matches!(error, RenewError::Failed(LocalArbiterError::DiskFull { ref source, .. })
        if source.kind() == ErrorKind::StorageFull));
    assert!(hold.is_valid());
    let lease = hold.into_lease(side, world);
    assert!(lease.is_held());
    lease.lost().await;
    assert!(BootTime::now() >= expires);
    drop(granted);
}
