//! Runs the cases of a suite: each on a thread and runtime of its own, under a time limit.

use std::future::Future;
use std::pin::Pin;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::task::Poll;
use std::time::Duration;

use async_trait::async_trait;

/// Whose time the cases of a fixture run by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Clock {
    /// The real clock; for everything that talks to something outside.
    Real,
    /// Tokio's paused clock, which jumps to the next timer when nothing else is to do; for parts
    /// that live in memory.
    Paused,
}

/// What every suite needs from a fixture: a fresh world for one case.
#[async_trait]
pub trait Fixture: Sized + Send + Sync + 'static {
    /// Whose time the cases run by.
    const CLOCK: Clock = Clock::Real;
    /// A case that takes longer has failed; starting the fixture counts.
    const LIMIT: Duration = Duration::from_secs(60);

    /// Makes a world in which nothing has happened yet. Each case starts its own; what is shared
    /// between cases, such as a server, must be kept apart by name.
    async fn start() -> Self;
}

/// A case under way.
pub type Running<'a> = Pin<Box<dyn Future<Output = ()> + 'a>>;

/// Runs one case. The suites' macros call this.
///
/// # Panics
/// Where the case panics or takes longer than the fixture allows.
pub fn run<F: Fixture>(
    name: &'static str,
    case: impl for<'a> FnOnce(&'a F) -> Running<'a> + Send + 'static,
) {
    let (ended, wait) = channel();
    let body = move || {
        // Dropped when the case has ended, however it ends.
        let _ended = ended;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .start_paused(F::CLOCK == Clock::Paused)
            .build()
            .expect("the system has room for one more runtime");
        runtime.block_on(async {
            let limited = tokio::time::timeout(F::LIMIT, async {
                let fixture = F::start().await;
                case(&fixture).await;
            });
            assert!(limited.await.is_ok(), "{name} took longer than {:?}", F::LIMIT);
        });
    };
    let thread = std::thread::Builder::new()
        .name(name.to_owned())
        .spawn(body)
        .expect("the system has room for one more thread");
    // Twice the limit: the case's own limit speaks first unless the case blocks its thread.
    match wait.recv_timeout(2 * F::LIMIT) {
        Err(RecvTimeoutError::Timeout) => panic!("{name} blocks its thread"),
        Ok(()) | Err(RecvTimeoutError::Disconnected) => {}
    }
    if let Err(panic) = thread.join() {
        std::panic::resume_unwind(panic);
    }
}

/// Polls a future this many times at most, then drops it: a caller that gives up at that moment.
/// `None` where it was dropped. Only for futures that end by themselves: each poll but the first
/// waits to be woken.
pub async fn poll_times<F: Future>(times: usize, future: F) -> Option<F::Output> {
    let mut future = std::pin::pin!(future);
    let mut left = times;
    std::future::poll_fn(move |context| {
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        match future.as_mut().poll(context) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending if left == 0 => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

/// Defines the cases of a suite and the macro that makes tests of them: what is defined is
/// registered. The first argument is a dollar sign, for the macro that this macro writes.
macro_rules! define_suite {
    (
        $dollar:tt
        $(#[$suite_doc:meta])*
        suite $suite:ident in $topic:ident::cases;
        $(
            $(#[$case_doc:meta])*
            async fn $case:ident($fixture:ident: &impl $trait:ident) $body:block
        )*
    ) => {
        $(
            $(#[$case_doc])*
            pub async fn $case($fixture: &impl $trait) $body
        )*

        $(#[$suite_doc])*
        #[macro_export]
        macro_rules! $suite {
            ($dollar fixture:ty) => {
                $(
                    #[test]
                    fn $case() {
                        $crate::testkit::suite::run::<$dollar fixture>(
                            stringify!($case),
                            |fixture| Box::pin($crate::testkit::$topic::cases::$case(fixture)),
                        );
                    }
                )*
            };
        }
    };
}
pub(crate) use define_suite;
