//! Settling rows that were seen to differ: they may just be on their way.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use super::document::canonical_document;
use super::error::VerifyError;
use super::line::Line;
use super::pass::{Pass, key_of};
use super::plan::Key;
use super::report::DifferenceKind;
use super::side::{KeyText, Side};
use super::stand::Reached;
use super::trial::{Judgement, Look, Trial};

/// Rounds until a row that changes all the while is given up.
pub(super) const ROUNDS: u32 = 12;
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// Keys in one statement: far below what makes servers give an index up.
const KEYS: usize = 250;

/// Keys in one round: their rows are in memory three times.
const KEYS_AT_ONCE: usize = 5_000;

/// What is compared of a row: its checksum, and its documents in their one form.
type Print = Vec<Option<String>>;

/// The rows of each key; usually one.
type Prints = HashMap<KeyText, Vec<Print>>;

/// What is left of a row that differs.
pub(super) type Found = (KeyText, DifferenceKind);

/// Waits between two rounds, longer each time.
pub(super) async fn pause(round: u32) {
    if round > 0 {
        let pause = FIRST_PAUSE.saturating_mul(1 << (round - 1).min(10)).min(LONGEST_PAUSE);
        sleep_until(Instant::now() + pause).await;
    }
}

impl Pass<'_> {
    /// Settles rows, and puts into the report what is left.
    pub(super) async fn settle(
        &mut self,
        key: &Key,
        mut keys: Vec<KeyText>,
    ) -> Result<(), VerifyError> {
        while !keys.is_empty() {
            let rest = keys.split_off(keys.len().min(KEYS_AT_ONCE));
            let found = self.settle_some(keys).await?;
            self.add(key, found).await?;
            keys = rest;
        }
        Ok(())
    }

    async fn settle_some(&mut self, keys: Vec<KeyText>) -> Result<Vec<Found>, VerifyError> {
        let mut open: Vec<(KeyText, Trial<Vec<Print>>)> =
            keys.into_iter().map(|key| (key, Trial::default())).collect();
        let mut found = Vec::new();
        let none: Vec<Print> = Vec::new();
        for round in 0..ROUNDS {
            pause(round).await;
            self.pay().await?;
            let keys: Vec<&KeyText> = open.iter().map(|(key, _)| key).collect();
            let before = self.source_prints(&keys).await?;
            let place = self.source.end().await?;
            if let Reached::No(why) = self.stand.reach(self.target, &place).await? {
                self.note(&format!("{why}: rows that differ may be on their way"));
                break;
            }
            let target = prints(self.target, &self.plan.target, &keys).await?;
            let after = self.source_prints(&keys).await?;
            let still = self.source.end().await? == place;
            self.pace.owe(u64::try_from(2 * keys.len()).unwrap_or(u64::MAX));
            let mut left = Vec::new();
            for (key, mut trial) in open {
                let of = |all: &Prints| all.get(&key).cloned().unwrap_or_default();
                let (before, target, after) = (of(&before), of(&target), of(&after));
                let look = Look { before: &before, target: &target, after: &after, still };
                match trial.judge(&look) {
                    Judgement::Equal => {}
                    Judgement::Again => left.push((key, trial)),
                    Judgement::Differs => {
                        let kind = match (after == none, target == none) {
                            (false, true) => DifferenceKind::Missing,
                            (true, false) => DifferenceKind::Extra,
                            (true, true) | (false, false) => DifferenceKind::Different,
                        };
                        found.push((key, kind));
                    }
                }
            }
            open = left;
            if open.is_empty() {
                break;
            }
        }
        if !open.is_empty() {
            self.note("rows changed all the while");
        }
        found.extend(open.into_iter().map(|(key, _)| (key, DifferenceKind::Unsettled)));
        Ok(found)
    }

    async fn source_prints(&mut self, keys: &[&KeyText]) -> Result<Prints, VerifyError> {
        let mut all = Prints::new();
        for side in &self.plan.sources {
            for (key, rows) in prints(self.source, side, keys).await? {
                all.entry(key).or_default().extend(rows);
            }
        }
        for rows in all.values_mut() {
            rows.sort_unstable();
        }
        Ok(all)
    }
}

/// The rows with these keys; one whose key is only equal by the collation is another row.
async fn prints(line: &mut Line, side: &Side, keys: &[&KeyText]) -> Result<Prints, VerifyError> {
    let width = keys.first().map_or(0, |key| key.len());
    let mut all = Prints::new();
    for some in keys.chunks(KEYS) {
        // By the collation a statement may find rows of keys that another one asks for.
        let wanted: HashSet<&KeyText> = some.iter().copied().collect();
        let text = side.rows(some).ok_or(line.answer("a key's value"))?;
        for mut row in line.rows(&text).await? {
            let print = row.split_off(width.min(row.len()));
            let key = key_of(row).ok_or(line.answer("a key's value"))?;
            if wanted.contains(&key) {
                all.entry(key).or_default().push(in_one_form(print));
            }
        }
    }
    for rows in all.values_mut() {
        rows.sort_unstable();
    }
    Ok(all)
}

/// Behind the checksum stand the documents.
fn in_one_form(print: Print) -> Print {
    let forms = print.into_iter().enumerate().map(|(place, value)| match place {
        0 => value,
        _ => value.map(|document| canonical_document(&document)),
    });
    forms.collect()
}
