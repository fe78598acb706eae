//! Looking who holds a side, and granting it. All of it blocks, so it runs off the runtime.
//!
//! The record says which term was granted last; that term's holder keeps its own file locked
//! while it lives, and writes into it when its lease ends. Whoever wants the side looks at both
//! without taking anything. Only to grant it takes the guard lock, which excludes others that
//! want to grant and never a holder: a frozen holder cannot stand in the way.

use std::fs::{File, TryLockError};
use std::io::ErrorKind;
use std::sync::Arc;
use std::time::Duration;

use otter_core::{ArbiterId, Holder, Side, Term};

use super::durable;
use super::error::LocalArbiterError;
use super::files::SideFiles;
use super::hold::Hold;
use super::record::{LeaseRecord, read_expiry, write_expiry};
use crate::machine::BootTime;

/// What does not change while an arbiter lives.
#[derive(Debug)]
pub(super) struct World {
    pub(super) arbiter: ArbiterId,
    pub(super) holder: String,
    pub(super) boot: String,
    pub(super) lease: Duration,
    /// Stands for a process that was stopped: nothing is renewed.
    #[cfg(test)]
    pub(super) frozen: std::sync::atomic::AtomicBool,
}

/// The outcome of asking once.
#[derive(Debug)]
pub(super) enum Asked {
    Granted(Hold),
    Held(Holder),
    /// Somebody else is granting right now; the term is the last one granted.
    Busy(Term),
}

enum Seen {
    Free(Option<LeaseRecord>),
    Held(Holder),
}

/// Takes the side if it is free.
pub(super) fn ask(
    files: &SideFiles,
    side: &Side,
    world: &Arc<World>,
) -> Result<Asked, LocalArbiterError> {
    let last = match look(files, side, &world.boot)? {
        Seen::Held(holder) => return Ok(Asked::Held(holder)),
        Seen::Free(last) => last,
    };
    durable::create_folder(files.folder())?;
    let guard_path = files.guard();
    let guard = File::create(&guard_path).map_err(|e| LocalArbiterError::io(&guard_path, e))?;
    match guard.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            return Ok(Asked::Busy(last.map_or(Term(0), |last| last.term)));
        }
        Err(TryLockError::Error(error)) => return Err(LocalArbiterError::io(&guard_path, error)),
    }
    // What was seen before may have changed until the guard was ours.
    let last = match look(files, side, &world.boot)? {
        Seen::Held(holder) => return Ok(Asked::Held(holder)),
        Seen::Free(last) => last,
    };
    grant(files, side, last.as_ref(), world).map(Asked::Granted)
}

/// Who holds the side, without asking for it.
pub(super) fn holder(
    files: &SideFiles,
    side: &Side,
    boot: &str,
) -> Result<Option<Holder>, LocalArbiterError> {
    Ok(match look(files, side, boot)? {
        Seen::Held(holder) => Some(holder),
        Seen::Free(_) => None,
    })
}

fn look(files: &SideFiles, side: &Side, boot: &str) -> Result<Seen, LocalArbiterError> {
    // Before the expiry is read: a holder knows its renewal as seen only where it was written
    // before the old expiry, see `Hold::renew`.
    let now = BootTime::now();
    let Some(record) = LeaseRecord::read(&files.record(), side)? else {
        return Ok(Seen::Free(None));
    };
    let Some(file) = files.open_holder(record.term)? else { return Ok(Seen::Free(Some(record))) };
    let path = files.holder(record.term);
    // A shared lock, so that two that look at once do not take each other for the holder. It is
    // given back when the file is closed.
    match file.try_lock_shared() {
        Ok(()) => return Ok(Seen::Free(Some(record))),
        Err(TryLockError::WouldBlock) => {}
        Err(TryLockError::Error(error)) => return Err(LocalArbiterError::io(&path, error)),
    }
    // After a restart of the machine no lock is left, so that this one is another machine's. Its
    // clock cannot be compared with ours (CLOCK-1).
    if record.boot != boot {
        return Err(LocalArbiterError::Shared { path });
    }
    let expires = read_expiry(&file).map_err(|error| LocalArbiterError::io(&path, error))?;
    // An expiry that is being written shows a holder that lives.
    if expires.is_none_or(|expires| now < expires) {
        return Ok(Seen::Held(record.to_holder()));
    }
    Ok(Seen::Free(Some(record)))
}

/// Grants the next term. The guard must be held.
fn grant(
    files: &SideFiles,
    side: &Side,
    last: Option<&LeaseRecord>,
    world: &Arc<World>,
) -> Result<Hold, LocalArbiterError> {
    if last.is_none() && !files.other_holders(None)?.is_empty() {
        // Terms were granted, but nobody knows how many.
        return Err(LocalArbiterError::corrupt(&files.record(), "it is missing"));
    }
    let record = LeaseRecord::next(last, side, &world.holder, &world.boot).ok_or_else(|| {
        LocalArbiterError::corrupt(&files.record(), "its term is the last number")
    })?;
    // INVARIANT FENCE-1: the term is on the disk before anybody holds it, so that it is never
    // granted twice, whatever crashes.
    durable::replace(&files.record(), &files.record_temp(), &record.to_text())?;
    let expires = BootTime::now().after(world.lease);
    let file = make_holder_file(files, record.term, expires)?;
    for old in files.other_holders(Some(record.term))? {
        // A frozen predecessor goes on with its own, now nameless file. One that cannot be
        // removed is removed by the next grant.
        let _ = std::fs::remove_file(old);
    }
    Ok(Hold::new(file, files.clone(), record, expires))
}

/// Makes the holder's file under its final name only when it is locked and filled, so that
/// nobody sees it otherwise.
fn make_holder_file(
    files: &SideFiles,
    term: Term,
    expires: BootTime,
) -> Result<File, LocalArbiterError> {
    let temp = files.holder_temp();
    let failed = |error| LocalArbiterError::io(&temp, error);
    match std::fs::remove_file(&temp) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(failed(error)),
        Ok(()) | Err(_) => {}
    }
    let file = File::create_new(&temp).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Err(failed(ErrorKind::WouldBlock.into())),
        Err(TryLockError::Error(error)) => return Err(failed(error)),
    }
    write_expiry(&file, expires).map_err(failed)?;
    let path = files.holder(term);
    std::fs::rename(&temp, &path).map_err(|error| LocalArbiterError::io(&path, error))?;
    Ok(file)
}
