//! Growing waits between two tries.

use std::time::Duration;

use tokio::time::sleep;

const FIRST: Duration = Duration::from_millis(200);
/// Whoever waits for a server wants to go on soon after it is back.
const LONGEST: Duration = Duration::from_secs(5);

/// The waits of somebody who tries again and again.
#[derive(Debug)]
pub(super) struct Waits(Duration);

impl Waits {
    pub(super) fn new() -> Self {
        Self(FIRST)
    }

    /// Waits, each time twice as long, up to some seconds. Cancel safe.
    pub(super) async fn next(&mut self) {
        sleep(self.0).await;
        self.0 = (self.0 * 2).min(LONGEST);
    }
}
