//! Waiting for a condition with a deadline: no test sleeps and hopes.

use std::time::Duration;

use tokio::time::{self, Instant, MissedTickBehavior};

/// How often a condition is looked at: often enough that a wait ends soon after
/// it has come true, rarely enough that looking does not become the load.
const POLL: Duration = Duration::from_millis(20);

/// Waits until a condition is true.
///
/// # Panics
/// Where it is not true within `deadline`; the message names `what`.
pub async fn wait_until(what: &str, deadline: Duration, mut condition: impl AsyncFnMut() -> bool) {
    wait_for(what, deadline, async || condition().await.then_some(())).await;
}

/// Waits until there is a value and returns it.
///
/// # Panics
/// Where there is none within `deadline`; the message names `what`.
pub async fn wait_for<T>(
    what: &str,
    deadline: Duration,
    mut look: impl AsyncFnMut() -> Option<T>,
) -> T {
    let began = Instant::now();
    let mut poll = time::interval(POLL);
    poll.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        poll.tick().await;
        // A look that hangs must not outlast the deadline either.
        match time::timeout_at(began + deadline, look()).await {
            Ok(Some(value)) => return value,
            Ok(None) if began.elapsed() < deadline => {}
            Ok(None) | Err(_) => panic!("not within {deadline:?}: {what}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_wait_ends_as_soon_as_the_condition_is_true() {
        let mut looks = 0;
        let value = wait_for("the third look", Duration::from_secs(1), async || {
            looks += 1;
            (looks == 3).then_some("here")
        });
        assert_eq!(value.await, "here");
        assert_eq!(looks, 3);
    }

    #[tokio::test(start_paused = true)]
    #[should_panic(expected = "not within 1s: the moon is green")]
    async fn a_wait_that_is_too_long_says_for_what() {
        wait_until("the moon is green", Duration::from_secs(1), async || false).await;
    }

    #[tokio::test(start_paused = true)]
    #[should_panic(expected = "not within 1s: an answer")]
    async fn a_look_that_hangs_ends_with_the_deadline() {
        wait_until("an answer", Duration::from_secs(1), std::future::pending).await;
    }
}
