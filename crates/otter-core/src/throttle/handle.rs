//! Changes what a throttle allows while it runs.

use std::sync::Arc;

use tokio::sync::watch;

use super::ThrottleLimits;

/// Changes what a [`Throttle`](super::Throttle) allows while it runs.
///
/// Whatever is set holds at once, also for what waits. Without any handle left, it stays.
#[derive(Debug, Clone)]
pub struct ThrottleHandle(Arc<watch::Sender<Control>>);

/// What holds now.
#[derive(Debug, Clone, Copy)]
pub(super) struct Control {
    pub(super) limits: ThrottleLimits,
    pub(super) is_held: bool,
    pub(super) has_ended: bool,
}

impl ThrottleHandle {
    pub(super) fn new(limits: ThrottleLimits) -> (Self, watch::Receiver<Control>) {
        let control = Control { limits, is_held: false, has_ended: false };
        let (sender, receiver) = watch::channel(control);
        (Self(Arc::new(sender)), receiver)
    }

    /// Sets other limits.
    pub fn set(&self, limits: ThrottleLimits) {
        self.0.send_modify(|control| control.limits = limits);
    }

    /// Holds everything back until [`release`](Self::release), whatever the limits. A transaction
    /// that has begun is loaded to its end.
    pub fn hold(&self) {
        self.0.send_modify(|control| control.is_held = true);
    }

    /// Lets loading go on within the limits.
    pub fn release(&self) {
        self.0.send_modify(|control| control.is_held = false);
    }

    /// Lets nobody wait any more: what would have to is refused as
    /// [`Fault::Transient`](crate::Fault::Transient), for a pipeline that is to stop. What was not
    /// loaded is read again by the next run.
    pub fn end(&self) {
        self.0.send_modify(|control| control.has_ended = true);
    }

    /// The limits.
    #[must_use]
    pub fn limits(&self) -> ThrottleLimits {
        self.0.borrow().limits
    }

    /// Whether everything is held back.
    #[must_use]
    pub fn is_held(&self) -> bool {
        self.0.borrow().is_held
    }
}
