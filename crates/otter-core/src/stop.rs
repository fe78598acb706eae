//! An orderly stop: one handle asks, many places listen.
//!
//! Dropping every handle is a stop as well, so that a forgotten handle cannot leave a pipeline
//! running for ever.

use tokio::sync::watch;

/// Asks for an orderly stop.
#[derive(Debug)]
pub struct StopHandle(watch::Sender<bool>);

/// Listens for an orderly stop.
#[derive(Debug, Clone)]
pub struct Stop(watch::Receiver<bool>);

impl StopHandle {
    /// Makes a handle and its first listener.
    #[must_use]
    pub fn new() -> (Self, Stop) {
        let (sender, receiver) = watch::channel(false);
        (Self(sender), Stop(receiver))
    }

    /// Asks all listeners to stop; asking again changes nothing.
    pub fn stop(&self) {
        self.0.send_replace(true);
    }
}

impl Stop {
    /// Whether the stop has been asked for.
    #[must_use]
    pub fn is_asked(&self) -> bool {
        *self.0.borrow() || self.0.has_changed().is_err()
    }

    /// Returns when the stop is asked for.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn asked(&self) {
        let mut receiver = self.0.clone();
        // An error means that the handle is gone, which is a stop.
        let _ = receiver.wait_for(|asked| *asked).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_stop_reaches_every_listener_and_a_dropped_handle_is_a_stop() {
        let (handle, stop) = StopHandle::new();
        let other = stop.clone();
        assert!(!stop.is_asked());
        handle.stop();
        stop.asked().await;
        assert!(other.is_asked());

        let (handle, stop) = StopHandle::new();
        drop(handle);
        stop.asked().await;
        assert!(stop.is_asked());
    }
}
