//! This machine and process: the boot clock, which boot it counts from, and what people call us.
//!
//! All processes of one machine read the same clock, and it goes on while the machine sleeps or a
//! process is frozen. No clock of another machine is ever compared with it (CLOCK-1).

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

#[cfg(any(target_os = "linux", target_os = "android", target_os = "openbsd"))]
const CLOCK: ClockId = ClockId::Boottime;
// Other systems' monotonic clocks are the nearest there is; some stop while the machine sleeps,
// and then every process of the machine sleeps with them.
#[cfg(not(any(target_os = "linux", target_os = "android", target_os = "openbsd")))]
const CLOCK: ClockId = ClockId::Monotonic;

/// Milliseconds since the machine booted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct BootTime(pub(crate) u64);

impl BootTime {
    /// The time now.
    pub(crate) fn now() -> Self {
        #[cfg(all(test, feature = "sql"))]
        if let Some(now) = simulated::now() {
            return now;
        }
        let now = clock_gettime(CLOCK);
        // The clock begins at boot, so that neither number is negative.
        let seconds = u64::try_from(now.tv_sec).unwrap_or(0);
        let milliseconds = u64::try_from(now.tv_nsec / 1_000_000).unwrap_or(0);
        Self(seconds.saturating_mul(1_000).saturating_add(milliseconds))
    }

    /// This time plus a duration.
    pub(crate) fn after(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)))
    }

    /// How long it is until this time; zero where it has come.
    pub(crate) fn remaining(self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(Self::now().0))
    }
}

/// The name of this boot; two boots, and two machines, have different ones. Empty on systems that
/// have none, where a lock alone tells whether a holder lives.
pub(crate) fn boot_id() -> String {
    let id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    id.trim().to_owned()
}

/// This process for people: `host db7, process 4711`.
pub(crate) fn holder_name() -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let process = std::process::id();
    match host.trim() {
        "" => format!("process {process}"),
        host => format!("host {host}, process {process}"),
    }
}

/// A boot clock that a test moves: tokio's, which may be paused.
#[cfg(test)]
#[cfg(feature = "sql")]
pub(crate) mod simulated {
    use std::cell::Cell;

    use tokio::time::Instant;

    use super::BootTime;

    /// Whoever subtracts a lease from the time must not fall below zero.
    const BOOTED_BEFORE_MS: u64 = 1_000_000;

    thread_local! {
        static BEGAN: Cell<Option<Instant>> = const { Cell::new(None) };
    }

    /// Lets this thread's clock be tokio's until it is dropped.
    pub(crate) struct Simulated(());

    /// Begins it; within a runtime.
    pub(crate) fn begin() -> Simulated {
        BEGAN.set(Some(Instant::now()));
        Simulated(())
    }

    pub(super) fn now() -> Option<BootTime> {
        let passed = BEGAN.get()?.elapsed().as_millis();
        Some(BootTime(BOOTED_BEFORE_MS + u64::try_from(passed).unwrap_or(u64::MAX)))
    }

    impl Drop for Simulated {
        fn drop(&mut self) {
            BEGAN.set(None);
        }
    }
}
