//! Questions whose answers survive that whoever waits for them is cancelled.

use std::fmt;

use tokio::task::JoinHandle;

/// One question at a time, asked in a task of its own: a call of `next` that is cancelled every few
/// milliseconds, as beside a copy or a resync, comes to the answer all the same. Dropping it ends the task.
pub(crate) struct Errand<T, E = otter_core::Error>(Option<JoinHandle<Result<T, E>>>);

impl<T, E> Default for Errand<T, E> {
    fn default() -> Self {
        Self(None)
    }
}

impl<T, E> fmt::Debug for Errand<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Errand").field(&self.is_under_way()).finish()
    }
}

impl<T, E> Drop for Errand<T, E> {
    fn drop(&mut self) {
        if let Some(task) = &self.0 {
            task.abort();
        }
    }
}

impl<T: Send + 'static, E: Send + 'static> Errand<T, E> {
    /// The answer to the question that is under way, or to this one. Cancel safe: the question goes on.
    ///
    /// # Errors
    /// Those of the question.
    pub(crate) async fn wait<F>(&mut self, ask: impl FnOnce() -> F) -> Result<T, E>
    where
        F: Future<Output = Result<T, E>> + Send + 'static,
    {
        let task = self.0.get_or_insert_with(|| tokio::spawn(ask()));
        let answer = task.await;
        self.0 = None;
        match answer {
            Ok(answer) => answer,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                // The runtime is about to end, and whoever waits with it.
                Err(_) => std::future::pending().await,
            },
        }
    }
}

impl<T, E> Errand<T, E> {
    /// Whether a question is under way.
    pub(crate) fn is_under_way(&self) -> bool {
        self.0.is_some()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::time::Duration;

    use tokio::time::{sleep, timeout};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_answer_comes_however_often_whoever_waits_is_cancelled() {
        let asked = Arc::new(AtomicU32::new(0));
        let mut errand: Errand<u32> = Errand::default();
        let ask = || {
            let asked = Arc::clone(&asked);
            async move {
                let number = asked.fetch_add(1, Ordering::Relaxed) + 1;
                sleep(Duration::from_millis(500)).await;
                Ok(number)
            }
        };
        let mut cancelled = 0;
        let answer = loop {
            match timeout(Duration::from_millis(20), errand.wait(ask)).await {
                Ok(answer) => break answer.unwrap(),
                Err(_) => cancelled += 1,
            }
            assert!(errand.is_under_way() && cancelled < 100);
        };
        assert_eq!((answer, asked.load(Ordering::Relaxed)), (1, 1));
        assert!(cancelled >= 20 && !errand.is_under_way());
        assert_eq!(errand.wait(ask).await.unwrap(), 2);
    }
}
