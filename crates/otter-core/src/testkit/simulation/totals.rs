//! What has happened in the stories of some seeds, so that nobody believes a quiet one.

use std::fmt;
use std::ops::AddAssign;

macro_rules! totals {
    ($($(#[$doc:meta])* $name:ident: $label:literal,)*) => {
        /// Counts of what has happened.
        #[derive(Debug, Clone, Default, PartialEq, Eq)]
        pub struct Totals {
            $($(#[$doc])* pub $name: u64,)*
        }

        impl Totals {
            /// Each count with its name, in a fixed order.
            #[must_use]
            pub fn list(&self) -> Vec<(&'static str, u64)> {
                vec![$(($label, self.$name),)*]
            }
        }

        impl AddAssign<&Self> for Totals {
            fn add_assign(&mut self, other: &Self) {
                $(self.$name += other.$name;)*
            }
        }
    };
}

totals! {
    /// Stories told.
    seeds: "seeds",
    /// Source transactions that arrived.
    transactions: "source transactions",
    /// Source transactions too large for one batch.
    huge: "huge source transactions",
    /// Target transactions committed.
    commits: "target transactions",
    /// Nodes killed.
    crashes: "crashes",
    /// Nodes frozen for a while.
    freezes: "freezes",
    /// Leases ended by the arbiter.
    expired: "leases expired",
    /// Leases granted a second time while the first was believed in.
    doubled: "leases granted twice",
    /// Connections to the source cut.
    cuts: "source connections cut",
    /// Times the source could not be reached for a while.
    outages: "source outages",
    /// Connections to the target lost before anything happened.
    lost_before: "target answers lost, nothing done",
    /// Connections to the target lost after it happened.
    lost_after: "target answers lost, all done",
    /// Commits that the target decided later.
    in_doubt: "target commits in doubt",
    /// Slow answers of the target.
    slow: "target answers slow",
    /// Answers of the target that never came.
    hung: "target answers never given",
    /// Runs that ended because another node had taken over.
    fenced: "runs fenced",
    /// Runs that ended at a row that the target refused.
    poisoned: "runs halted by poison",
    /// Runs that gave up at their start.
    gave_up: "runs given up at the start",
    /// Runs that were asked to stop and did.
    stopped: "runs stopped in order",
}

impl fmt::Display for Totals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (label, count) in self.list() {
            writeln!(f, "{count:>12}  {label}")?;
        }
        Ok(())
    }
}
