//! A table without a key: how many rows there are of each checksum, on both sides.
//!
//! Every question reads the whole table. Rows are parted by their checksums, so that only the parts
//! that differ are looked at.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::error::VerifyError;
use super::line::Line;
use super::pass::{Pass, Sums};
use super::report::{ColumnDifference, Difference, DifferenceKind, Shown};
use super::settle::{ROUNDS, pause};
use super::side::{Range, Side};
use super::stand::Reached;
use super::trial::{Judgement, Look, Trial};

/// Rows in one part, about: their checksums are in memory.
const PART_ROWS: u64 = 50_000;
const MOST_PARTS: u64 = 1_000;

/// Checksums in one statement.
const SUMS: usize = 1_000;

/// How many rows there are of each checksum.
type Counts = HashMap<u64, u64>;

const UNREADABLE: &str = "a checksum";

impl Pass<'_> {
    /// Compares all rows of tables without a key.
    pub(super) async fn run_without_key(&mut self) -> Result<(), VerifyError> {
        let (source, target) = self.sums(&Range::default()).await?;
        self.report.source_rows = source.rows;
        self.report.target_rows = target.rows;
        self.report.chunks = 1;
        if source != target {
            self.compare_parts(source.rows.max(target.rows)).await?;
        }
        self.tell();
        self.pay().await
    }

    /// Waits for what a question costs, whatever it asks for.
    async fn pay_for_all(&mut self) -> Result<(), VerifyError> {
        self.pace.owe(self.report.source_rows.max(self.report.target_rows));
        self.pay().await
    }

    async fn compare_parts(&mut self, rows: u64) -> Result<(), VerifyError> {
        self.pay_for_all().await?;
        let count = (rows / PART_ROWS + 1).min(MOST_PARTS);
        let (plan, source, target) = (self.plan, &mut *self.source, &mut *self.target);
        let at_source = async {
            let mut all = BTreeMap::new();
            for side in &plan.sources {
                parts(source, side, count, &mut all).await?;
            }
            Ok::<_, VerifyError>(all)
        };
        let at_target = async {
            let mut all = BTreeMap::new();
            parts(target, &plan.target, count, &mut all).await?;
            Ok::<_, VerifyError>(all)
        };
        let (source, target) = tokio::join!(at_source, at_target);
        let (source, target) = (source?, target?);
        for part in 0..count {
            if source.get(&part) != target.get(&part) {
                self.compare_part(part, count).await?;
            }
            self.report.chunks += 1;
            self.tell();
        }
        Ok(())
    }

    async fn compare_part(&mut self, part: u64, count: u64) -> Result<(), VerifyError> {
        self.pay_for_all().await?;
        let (plan, source, target) = (self.plan, &mut *self.source, &mut *self.target);
        let write = |side: &Side| side.groups(&[part], count);
        let (source, target) = tokio::join!(
            counts(source, &plan.sources, &write),
            counts(target, std::slice::from_ref(&plan.target), &write)
        );
        let (source, target) = (source?, target?);
        let mut differing: Vec<u64> = source
            .keys()
            .chain(target.keys())
            .filter(|sum| source.get(sum) != target.get(sum))
            .copied()
            .collect();
        differing.sort_unstable();
        differing.dedup();
        for sums in differing.chunks(SUMS) {
            self.settle_sums(sums).await?;
        }
        Ok(())
    }

    async fn settle_sums(&mut self, sums: &[u64]) -> Result<(), VerifyError> {
        let mut open: Vec<(u64, Trial<u64>)> =
            sums.iter().map(|sum| (*sum, Trial::default())).collect();
        for round in 0..ROUNDS {
            pause(round).await;
            self.pay_for_all().await?;
            let sums: Vec<u64> = open.iter().map(|(sum, _)| *sum).collect();
            let write = |side: &Side| side.counts(&sums);
            let before = counts(self.source, &self.plan.sources, &write).await?;
            let place = self.source.end().await?;
            if let Reached::No(why) = self.stand.reach(self.target, &place).await? {
                self.note(&format!("{why}: rows that differ may be on their way"));
                break;
            }
            let here = std::slice::from_ref(&self.plan.target);
            let target = counts(self.target, here, &write).await?;
            let after = counts(self.source, &self.plan.sources, &write).await?;
            let still = self.source.end().await? == place;
            let mut left = Vec::new();
            for (sum, mut trial) in open {
                let of = |all: &Counts| all.get(&sum).copied().unwrap_or(0);
                let (before, target, after) = (of(&before), of(&target), of(&after));
                let look = Look { before: &before, target: &target, after: &after, still };
                match trial.judge_count(&look) {
                    Judgement::Equal => {}
                    Judgement::Again => left.push((sum, trial)),
                    Judgement::Differs => self.add_rows(sum, after, target).await?,
                }
            }
            open = left;
            if open.is_empty() {
                return Ok(());
            }
        }
        self.note("rows changed all the while");
        let count = u64::try_from(open.len()).unwrap_or(u64::MAX);
        self.report.count(DifferenceKind::Unsettled, count);
        Ok(())
    }

    /// Takes rows of one checksum into the report, of which the two sides have so many.
    async fn add_rows(&mut self, sum: u64, source: u64, target: u64) -> Result<(), VerifyError> {
        let (kind, times) = match source.checked_sub(target) {
            Some(more) => (DifferenceKind::Missing, more),
            None => (DifferenceKind::Extra, target - source),
        };
        self.report.count(kind, times);
        // One at least, which tells whether any row can be asked for.
        let most = self.options.shown_rows.min(self.options.rows_with_values.max(1));
        if self.report.differences.len() >= most {
            return Ok(());
        }
        let is_missing = kind == DifferenceKind::Missing;
        let values = match is_missing {
            true => sample(self.source, &self.plan.sources, sum).await?,
            false => sample(self.target, std::slice::from_ref(&self.plan.target), sum).await?,
        };
        let columns = self.plan.columns.iter().zip(values).map(|(column, value)| {
            let value = Shown::of_hex(value.as_deref());
            let name = Arc::clone(&column.name);
            match is_missing {
                true => ColumnDifference { name, source: value, target: Shown::Absent },
                false => ColumnDifference { name, source: Shown::Absent, target: value },
            }
        });
        let columns = columns.collect();
        self.report.differences.push(Difference {
            kind,
            key: Vec::new(),
            columns,
            times,
            at_source: None,
        });
        Ok(())
    }
}

async fn parts(
    line: &mut Line,
    side: &Side,
    count: u64,
    all: &mut BTreeMap<u64, Sums>,
) -> Result<(), VerifyError> {
    for row in line.rows(&side.parts(count)).await? {
        let [Some(part), rows, sum] = row.as_slice() else { return Err(line.answer(UNREADABLE)) };
        let part = part.parse().map_err(|_| line.answer(UNREADABLE))?;
        let sums = Sums::read(rows.as_ref(), sum.as_ref()).ok_or(line.answer(UNREADABLE))?;
        let before = all.remove(&part).unwrap_or_default();
        all.insert(part, before.and(sums));
    }
    Ok(())
}

/// How many rows there are of checksums, in all tables of a side.
async fn counts(
    line: &mut Line,
    sides: &[Side],
    write: &(dyn Fn(&Side) -> String + Sync),
) -> Result<Counts, VerifyError> {
    let mut all = Counts::new();
    for side in sides {
        for row in line.rows(&write(side)).await? {
            let number = |place: usize| row.get(place)?.as_ref()?.parse::<u64>().ok();
            let (Some(sum), Some(count)) = (number(0), number(1)) else {
                return Err(line.answer(UNREADABLE));
            };
            *all.entry(sum).or_default() += count;
        }
    }
    Ok(all)
}

/// The values of a row with this checksum, in hexadecimal; none where it is gone meanwhile.
async fn sample(
    line: &mut Line,
    sides: &[Side],
    sum: u64,
) -> Result<Vec<Option<String>>, VerifyError> {
    for side in sides {
        if let Some(row) = line.rows(&side.sample(sum)).await?.into_iter().next() {
            return Ok(row);
        }
    }
    Ok(Vec::new())
}
