use otter_core::{Classify, Fault, PipelineId, Side};

use super::*;
use crate::mysql::plan::NewRows;
use crate::mysql::store::FORMAT;

fn row(arbiter: &str, term: u64, holder: &str) -> StoredCheckpoint {
    StoredCheckpoint {
        lane: 0,
        format: FORMAT,
        arbiter: arbiter.to_owned(),
        term,
        holder: holder.to_owned(),
        slots: 1,
        sequence: 7,
        source: None,
        resume_from: None,
        applied_through: None,
        source_time: None,
        applied_time: None,
    }
}

fn fault_after(row: &StoredCheckpoint, term: u64, claimed_before: Option<u64>) -> Option<Fault> {
    let side = Side::target(PipelineId::new("p"));
    let take_over = TakeOver {
        store: &Store::new("otter", "p"),
        facts: &ServerFacts {
            flavour: Flavour::MySql,
            version: String::new(),
            max_packet: 0,
            new_rows: NewRows::Inserts,
            account: String::new(),
        },
        lease: &Lease::for_ever(ArbiterId::new("ours"), side, Term(term)),
        holder: "me",
        slots: 1,
        claimed: &mut claimed_before.map(Term),
        patience: Duration::ZERO,
    };
    take_over.judge_claim(row).err().map(|error| error.fault())
}

fn fault(row: &StoredCheckpoint, term: u64) -> Option<Fault> {
    fault_after(row, term, None)
}

#[test]
fn only_a_higher_term_of_the_same_arbiter_may_follow() {
    assert_eq!(fault(&row("ours", 1, "other"), 2), None);
    assert_eq!(fault(&row("ours", 2, "other"), 1), Some(Fault::Fenced));
    assert_eq!(fault(&row("theirs", 1, "other"), 2), Some(Fault::Fatal));
}

#[test]
fn a_term_granted_twice_goes_to_the_later_loader_and_the_earlier_does_not_come_back() {
    assert_eq!(fault(&row("ours", 2, "other"), 2), None);
    assert_eq!(fault_after(&row("ours", 2, "other"), 2, Some(2)), Some(Fault::Fenced));
    assert_eq!(fault_after(&row("ours", 2, "me"), 2, Some(2)), None);
    assert_eq!(fault_after(&row("ours", 2, "other"), 3, Some(2)), None);
}

#[test]
fn an_adopted_checkpoint_is_free_for_every_term() {
    assert_eq!(fault(&row("ours", 0, ""), 0), None);
    assert_eq!(fault(&row("ours", 0, ""), 1), None);
    assert_eq!(fault_after(&row("ours", 1, ""), 1, Some(1)), None);
}

#[test]
fn lock_names_are_stable_short_and_distinct() {
    assert_eq!(lock_name("otter", "shop", 0), lock_name("otter", "shop", 0));
    assert_eq!(lock_name("otter", "shop", 0).len(), 38);
    assert_ne!(lock_name("otter", "shop", 0), lock_name("otter", "shop", 1));
    assert_ne!(lock_name("ot", "tershop", 0), lock_name("otter", "shop", 0));
}
