//! The engine that runs scripts: its limits, and what it does not do.

use std::cell::Cell;
use std::time::Duration;

use rhai::{
    Array, Blob, Dynamic, Engine, EvalAltResult, FLOAT, INT, ImmutableString, Map, Position,
};

use super::exact::{Exact, register as register_exact};

/// Enough for any condition; a row takes some tens.
pub(super) const MOST_OPERATIONS: u64 = 100_000;
/// How much of a processor's time one row may take.
pub(super) const LONGEST_RUN: Duration = Duration::from_millis(250);
/// How deep functions may call each other.
const MOST_CALLS: usize = 32;
/// How deep expressions may be nested, in the script and in its functions.
const MOST_DEPTH: usize = 64;
/// The longest text that a script may make, in bytes.
const LONGEST_TEXT: usize = 1 << 20;
/// The most elements of a list, or entries of a map, that a script may make.
const MOST_ELEMENTS: usize = 10_000;
/// How many operations pass between two looks at the clock.
const OPERATIONS_BETWEEN_LOOKS: u64 = 256;

/// Tells a comparison of different types from other errors of types.
pub(super) const COMPARED: &str = "a comparison of one type";

thread_local! {
    /// The time of this thread's clock at which the script that it runs must end.
    static DEADLINE: Cell<Option<Duration>> = const { Cell::new(None) };
}

/// How much of a processor's time this thread has taken: a script is not late because the machine
/// was busy with something else, or asleep.
#[cfg(unix)]
fn time_taken() -> Duration {
    use rustix::time::{ClockId, clock_gettime};
    // It begins with the thread, so that neither number is negative.
    let taken = clock_gettime(ClockId::ThreadCPUTime);
    let seconds = u64::try_from(taken.tv_sec).unwrap_or(0);
    Duration::new(seconds, u32::try_from(taken.tv_nsec).unwrap_or(0))
}

/// The time since the first script, where a thread's own time cannot be told.
#[cfg(not(unix))]
fn time_taken() -> Duration {
    static BEGAN: std::sync::OnceLock<std::time::Instant> = std::sync::OnceLock::new();
    BEGAN.get_or_init(std::time::Instant::now).elapsed()
}

/// Runs a script within the time that it may take.
pub(super) fn limited<T>(run: impl FnOnce() -> T) -> T {
    DEADLINE.set(time_taken().checked_add(LONGEST_RUN));
    let outcome = run();
    DEADLINE.set(None);
    outcome
}

pub(super) fn engine() -> Engine {
    let mut engine = Engine::new();
    engine
        .set_max_operations(MOST_OPERATIONS)
        .set_max_call_levels(MOST_CALLS)
        .set_max_expr_depths(MOST_DEPTH, MOST_DEPTH)
        .set_max_string_size(LONGEST_TEXT)
        .set_max_array_size(MOST_ELEMENTS)
        .set_max_map_size(MOST_ELEMENTS)
        .set_fail_on_invalid_map_property(true)
        .set_strict_variables(false)
        // Otherwise comparing text with a number is false without an error.
        .set_fast_operators(false)
        .disable_symbol("eval")
        // It compares by hashes, past the comparisons that are refused.
        .disable_symbol("switch")
        // A value that is taken for a function's name would stand in messages (SECRET-1).
        .disable_symbol("Fn")
        .disable_symbol("call")
        .disable_symbol("curry")
        .on_print(|_| {})
        .on_debug(|_, _, _| {});
    engine.on_progress(|operations| {
        let is_late = operations % OPERATIONS_BETWEEN_LOOKS == 0
            && DEADLINE.get().is_some_and(|deadline| time_taken() > deadline);
        is_late.then_some(Dynamic::UNIT)
    });
    // One operation, at which nobody looks at the clock.
    engine.register_fn("sleep", |_: INT| never()).register_fn("sleep", |_: FLOAT| never());
    register_exact(&mut engine);
    refuse_mixed(&mut engine);
    engine
}

/// Makes comparisons of different types errors; the language itself calls them unequal.
fn refuse_mixed(engine: &mut Engine) {
    macro_rules! refuse {
        ($($left:ty, $right:ty;)*) => { $(
            for operator in ["==", "!=", "<", "<=", ">", ">="] {
                engine.register_fn(operator, |_: $left, _: $right| mixed());
                engine.register_fn(operator, |_: $right, _: $left| mixed());
            }
        )* };
    }
    // All pairs but those of numbers with each other, and of a text with one letter.
    refuse! {
        ImmutableString, INT;
        ImmutableString, FLOAT;
        ImmutableString, bool;
        ImmutableString, Exact;
        ImmutableString, Blob;
        ImmutableString, Array;
        ImmutableString, Map;
        bool, INT;
        bool, FLOAT;
        bool, Exact;
        bool, Blob;
        bool, Array;
        bool, Map;
        char, INT;
        char, FLOAT;
        char, bool;
        char, Exact;
        char, Blob;
        char, Array;
        char, Map;
        Blob, INT;
        Blob, FLOAT;
        Blob, Exact;
        Blob, Array;
        Blob, Map;
        Array, INT;
        Array, FLOAT;
        Array, Exact;
        Array, Map;
        Map, INT;
        Map, FLOAT;
        Map, Exact;
    }
}

fn never() -> Result<(), Box<EvalAltResult>> {
    Err(EvalAltResult::ErrorRuntime(Dynamic::UNIT, Position::NONE).into())
}

fn mixed() -> Result<bool, Box<EvalAltResult>> {
    let (one, other) = (COMPARED.to_owned(), String::new());
    Err(EvalAltResult::ErrorMismatchDataType(one, other, Position::NONE).into())
}
