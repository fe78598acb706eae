//! What every transform must keep, asserted over a history.
//!
//! ```
//! use otter_core::testkit::history::History;
//! use otter_core::testkit::item::{insert, update};
//! use otter_core::testkit::transform::assert_keeps_promises;
//! use otter_core::{Batch, Result, Transform};
//!
//! #[derive(Debug)]
//! struct Nothing;
//!
//! impl Transform for Nothing {
//!     fn transform(&self, batch: Batch) -> Result<Batch> {
//!         Ok(batch)
//!     }
//! }
//!
//! let mut history = History::new();
//! history.commit(vec![insert(1, "a"), insert(2, "b")]);
//! history.commit(vec![update(1, "a", "c")]);
//! assert_keeps_promises(&Nothing, &history);
//! ```

use super::history::{History, Step};
use super::memory::{Stored, image};
use crate::batch::{Batch, Transaction};
use crate::event::{Event, RowKind};
use crate::fault::Fault;
use crate::stage::Transform;
use crate::table::TableName;

/// One changed row, or a statement, as it comes out.
#[derive(Debug, PartialEq)]
enum Out {
    Row { table: TableName, kind: RowKind, images: Vec<Vec<Option<Stored>>> },
    Statement(String),
}

/// Asserts that a transform keeps spans, transactions and their ends, that it does the same each
/// time, and that it does not matter how transactions are put into batches and fragments. Let the
/// history hold what the transform is about.
///
/// # Panics
/// Where it does not, or where it fails other than with [`Fault::Poison`].
pub fn assert_keeps_promises(transform: &dyn Transform, history: &History) {
    let mut alone = Vec::new();
    for step in 0..history.len() {
        let out = run(transform, || history.batch(step..step + 1));
        if let Some(Step::Transaction(edits)) = history.step(step)
            && !edits.is_empty()
        {
            let mut pieces = Vec::new();
            let mut has_failed = out.is_none();
            for piece in 0..edits.len() {
                let fragment = || history.fragment(step, 1, piece).expect("a piece for each row");
                let out = run(transform, fragment);
                has_failed |= out.is_none();
                pieces.extend(out.unwrap_or_default());
            }
            if let Some(out) = &out {
                assert!(!has_failed, "step {step} fails in fragments only");
                assert_eq!(*out, pieces, "fragments of step {step} become other rows");
            }
        }
        let Some(out) = out else { return };
        alone.extend(out);
    }
    let together = run(transform, || history.batch(0..history.len()));
    let together = together.expect("the batch fails, but none of its steps");
    assert_eq!(together, alone, "steps in one batch become other rows");
}

/// Transforms twice and returns the rows; `None` where the batch is refused.
fn run(transform: &dyn Transform, batch: impl Fn() -> Batch) -> Option<Vec<Out>> {
    let once = || match transform.transform(batch()) {
        Ok(out) => Some(out),
        Err(error) => {
            assert_eq!(error.fault(), Fault::Poison, "{error}");
            None
        }
    };
    let (given, out, again) = (batch(), once(), once());
    assert_eq!(out.is_some(), again.is_some(), "the second time is another");
    let (out, again) = (out?, again?);
    assert_eq!((&out.after, &out.through), (&given.after, &given.through), "the span changes");
    let shapes = |batch: &Batch| -> Vec<Transaction> {
        let shape =
            |transaction: &Transaction| Transaction { events: Vec::new(), ..transaction.clone() };
        batch.transactions.iter().map(shape).collect()
    };
    // Without events a transaction's `Debug` shows all that must stay, and no value.
    assert_eq!(
        format!("{:?}", shapes(&out)),
        format!("{:?}", shapes(&given)),
        "transactions change beside their events"
    );
    let (out, again) = (rows(&out), rows(&again));
    assert_eq!(out, again, "the second time is another");
    Some(out)
}

fn rows(batch: &Batch) -> Vec<Out> {
    let mut out = Vec::new();
    for event in batch.transactions.iter().flat_map(|transaction| &transaction.events) {
        match event {
            Event::Copy(_) | Event::Resync(_) => {}
            Event::Ddl(ddl) => out.push(Out::Statement(ddl.statement.to_string())),
            Event::Rows(rows) => out.extend(rows.changes().map(|change| Out::Row {
                table: rows.table().name.clone(),
                kind: rows.kind(),
                images: change.before().into_iter().chain(change.after()).map(image).collect(),
            })),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::super::item::{delete, insert, update};
    use super::*;
    use crate::fault::{Error, Result};

    fn history() -> History {
        let mut history = History::new();
        history.commit(vec![insert(1, "a"), insert(2, "b")]);
        history.progress();
        history.commit(vec![update(1, "a", "c"), delete(2, "b")]);
        history
    }

    /// A transform made of a function.
    struct By<F>(F);

    impl<F> std::fmt::Debug for By<F> {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("By")
        }
    }

    impl<F: Fn(Batch) -> Result<Batch> + Send + Sync> Transform for By<F> {
        fn transform(&self, batch: Batch) -> Result<Batch> {
            self.0(batch)
        }
    }

    fn is_refused(by: impl Fn(Batch) -> Result<Batch> + Send + Sync) -> bool {
        let check = || assert_keeps_promises(&By(by), &history());
        catch_unwind(AssertUnwindSafe(check)).is_err()
    }

    #[test]
    fn filtering_rows_is_fine_and_so_is_refusing_them() {
        assert!(!is_refused(|mut batch| {
            for transaction in &mut batch.transactions {
                transaction.events.clear();
            }
            Ok(batch)
        }));
        assert!(!is_refused(|_| Err(Error::new(Fault::Poison, "transform", "no"))));
    }

    #[test]
    fn dropping_a_transaction_is_refused() {
        assert!(is_refused(|mut batch| {
            batch.transactions.clear();
            Ok(batch)
        }));
    }

    #[test]
    fn moving_the_end_is_refused() {
        assert!(is_refused(|mut batch| {
            batch.through = Some(batch.after.clone());
            Ok(batch)
        }));
    }

    #[test]
    fn depending_on_what_came_before_is_refused() {
        let is_second = AtomicBool::new(false);
        assert!(is_refused(move |mut batch| {
            if is_second.fetch_xor(true, Ordering::Relaxed) {
                for transaction in &mut batch.transactions {
                    transaction.events.clear();
                }
            }
            Ok(batch)
        }));
    }

    #[test]
    fn failing_for_the_world_s_sake_is_refused() {
        assert!(is_refused(|_| Err(Error::new(Fault::Transient, "transform", "later"))));
    }
}
