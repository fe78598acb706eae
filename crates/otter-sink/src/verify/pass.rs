//! One pass over a table with a key: ranges of rows are summed up on both sides, and rows are looked
//! at where the sums differ.

mod borders;

use std::collections::HashMap;

use borders::Borders;

use super::error::{Database, VerifyError};
use super::line::Line;
use super::pace::Pace;
use super::plan::{Key, Plan};
use super::report::TableReport;
use super::side::{KeyText, Range, Side, TOO_LARGE};
use super::stand::Stand;
use super::{Progress, VerifyOptions};
use crate::mysql::conn::TextRow;

/// The most rows of a range whose keys are fetched; a larger one is divided first.
const MOST_LISTED: u64 = 100_000;
/// The most rows that are listed of a range that cannot be divided: some hundred bytes for each.
const MOST_AT_ONCE: u64 = 2_000_000;

/// What a table is compared by.
pub(super) struct Pass<'a> {
    pub(super) plan: &'a Plan,
    pub(super) estimated_rows: u64,
    pub(super) source: &'a mut Line,
    pub(super) target: &'a mut Line,
    pub(super) stand: &'a mut Stand,
    pub(super) pace: &'a mut Pace,
    pub(super) options: &'a VerifyOptions,
    pub(super) report: &'a mut TableReport,
    pub(super) progress: &'a mut (dyn FnMut(&Progress) + Send),
}

/// Rows and the sum of their checksums.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Sums {
    pub(super) rows: u64,
    pub(super) sum: u128,
}

/// The checksums of the rows of each key, in order.
type Listed = HashMap<KeyText, Vec<String>>;

const UNREADABLE_KEY: &str = "a key's value";
const UNREADABLE_SUM: &str = "a sum of checksums";

impl Pass<'_> {
    /// Compares all rows.
    pub(super) async fn run(&mut self, key: &Key) -> Result<(), VerifyError> {
        let mut borders = Borders::begin(self, key).await?;
        let mut after = None;
        loop {
            let through = borders.next(self, after.as_ref()).await?;
            let range = Range { after, through };
            let (source, target) = self.sums(&range).await?;
            borders.learn(source.rows.max(target.rows));
            self.report.source_rows += source.rows;
            self.report.target_rows += target.rows;
            self.report.chunks += 1;
            if source != target {
                self.drill(key, range.clone(), (source, target)).await?;
            }
            self.tell();
            self.pay().await?;
            if range.through.is_none() {
                return Ok(());
            }
            after = range.through;
        }
    }

    /// Waits until what was read is paid for.
    pub(super) async fn pay(&mut self) -> Result<(), VerifyError> {
        pay(self.pace, (self.source, self.target)).await
    }

    pub(super) fn tell(&mut self) {
        let report = &self.report;
        (self.progress)(&Progress {
            target: report.target.clone(),
            rows: report.source_rows.max(report.target_rows),
            estimated_rows: self.estimated_rows,
            chunks: report.chunks,
            differences: report.missing + report.extra + report.different,
        });
    }

    /// Finds the rows that differ in a range whose sums differ.
    async fn drill(
        &mut self,
        key: &Key,
        range: Range,
        sums: (Sums, Sums),
    ) -> Result<(), VerifyError> {
        let mut open = vec![(range, sums)];
        while let Some((range, sums)) = open.pop() {
            if sums.0.rows.max(sums.1.rows) > MOST_LISTED
                && let Some((low, high)) = self.divide(key, &range, sums).await?
            {
                for part in [high, low] {
                    let (source, target) = self.sums(&part).await?;
                    if source != target {
                        open.push((part, (source, target)));
                    }
                }
                continue;
            }
            if sums.0.rows.max(sums.1.rows) > MOST_AT_ONCE {
                self.report.reason = Some(format!(
                    "a range of {} rows differs in its sums and cannot be divided, so that its rows \
                     are too many to be compared one by one",
                    sums.0.rows.max(sums.1.rows)
                ));
                continue;
            }
            self.pay().await?;
            let (source, target) = self.list(&range).await?;
            let mut differing: Vec<KeyText> = Vec::new();
            for (key, sums) in &source {
                if target.get(key) != Some(sums) {
                    differing.push(key.clone());
                }
            }
            differing.extend(target.into_keys().filter(|key| !source.contains_key(key)));
            differing.sort_unstable();
            self.settle(key, differing).await?;
        }
        Ok(())
    }

    /// Divides a range in its middle; `None` where it cannot be divided.
    async fn divide(
        &mut self,
        key: &Key,
        range: &Range,
        (source, target): (Sums, Sums),
    ) -> Result<Option<(Range, Range)>, VerifyError> {
        if key.ranged == 0 {
            return Ok(None);
        }
        let guide = if target.rows > source.rows { Database::Target } else { Database::Source };
        let half = source.rows.max(target.rows) / 2;
        let middle = self.border(key, range, (guide, half)).await?;
        let Some(middle) = middle.filter(|middle| range.through.as_ref() != Some(middle)) else {
            return Ok(None);
        };
        let low = Range { after: range.after.clone(), through: Some(middle.clone()) };
        Ok(Some((low, Range { after: Some(middle), through: range.through.clone() })))
    }

    /// The key of the row that is so many rows behind the beginning of a range; `None` where it has
    /// no more.
    async fn border(
        &mut self,
        key: &Key,
        range: &Range,
        (guide, offset): (Database, u64),
    ) -> Result<Option<KeyText>, VerifyError> {
        let (line, side) = self.guide(guide);
        let text = side.border(range, offset, key.ranged).ok_or(line.answer(UNREADABLE_KEY))?;
        let rows = line.rows(&text).await?;
        self.pace.owe(offset);
        let Some(row) = rows.into_iter().next() else { return Ok(None) };
        let key = row.into_iter().collect::<Option<KeyText>>();
        key.map(Some).ok_or(self.guide(guide).0.answer(UNREADABLE_KEY))
    }

    /// Where borders are asked for: there, or where all tables of the source come together.
    fn guide(&mut self, guide: Database) -> (&mut Line, &Side) {
        match (self.plan.sources.as_slice(), guide) {
            ([only], Database::Source) => (&mut *self.source, only),
            (_, Database::Source | Database::Target) => (&mut *self.target, &self.plan.target),
        }
    }

    /// The sums of both sides, which are at work at once.
    pub(super) async fn sums(&mut self, range: &Range) -> Result<(Sums, Sums), VerifyError> {
        let (plan, source, target) = (self.plan, &mut *self.source, &mut *self.target);
        let at_source = async {
            let mut all = Sums::default();
            for side in &plan.sources {
                all = all.and(sums(source, side, range).await?);
            }
            Ok::<_, VerifyError>(all)
        };
        let (source, target) = tokio::join!(at_source, sums(target, &plan.target, range));
        let (source, target) = (source?, target?);
        self.pace.owe(source.rows.max(target.rows));
        if source.sum.max(target.sum) >= TOO_LARGE {
            self.note("a row has a value that is too large for a server to compute its checksum");
            // Whatever else is equal: it is not said to be.
            self.report.unsettled = self.report.unsettled.max(1);
        }
        Ok((source, target))
    }

    /// Says why not all can be said.
    pub(super) fn note(&mut self, why: &str) {
        self.report.reason.get_or_insert_with(|| why.to_owned());
    }

    async fn list(&mut self, range: &Range) -> Result<(Listed, Listed), VerifyError> {
        let (plan, source, target) = (self.plan, &mut *self.source, &mut *self.target);
        let at_source = async {
            let mut all = Listed::new();
            for side in &plan.sources {
                list(source, side, range, &mut all).await?;
            }
            Ok::<_, VerifyError>(all)
        };
        let at_target = async {
            let mut all = Listed::new();
            list(target, &plan.target, range, &mut all).await?;
            Ok::<_, VerifyError>(all)
        };
        let (source, target) = tokio::join!(at_source, at_target);
        let (source, target) = (in_order(source?), in_order(target?));
        let rows = source.len().max(target.len());
        self.pace.owe(u64::try_from(rows).unwrap_or(u64::MAX));
        Ok((source, target))
    }
}

/// Waits until what was read is paid for, and keeps the connections meanwhile.
pub(super) async fn pay(
    pace: &mut Pace,
    (source, target): (&mut Line, &mut Line),
) -> Result<(), VerifyError> {
    while !pace.pay_some().await {
        let (at_source, at_target) = tokio::join!(source.ping(), target.ping());
        at_source.and(at_target)?;
    }
    Ok(())
}

impl Sums {
    pub(super) fn and(self, other: Self) -> Self {
        Self { rows: self.rows + other.rows, sum: self.sum + other.sum }
    }

    /// Reads the number of rows and their sum.
    pub(super) fn read(rows: Option<&String>, sum: Option<&String>) -> Option<Self> {
        Some(Self { rows: rows?.parse().ok()?, sum: sum?.parse().ok()? })
    }
}

async fn sums(line: &mut Line, side: &Side, range: &Range) -> Result<Sums, VerifyError> {
    let text = side.sums(range).ok_or(line.answer(UNREADABLE_KEY))?;
    let rows = line.rows(&text).await?;
    let Some([count, sum]) = rows.first().map(Vec::as_slice) else {
        return Err(line.answer(UNREADABLE_SUM));
    };
    Sums::read(count.as_ref(), sum.as_ref()).ok_or(line.answer(UNREADABLE_SUM))
}

async fn list(
    line: &mut Line,
    side: &Side,
    range: &Range,
    all: &mut Listed,
) -> Result<(), VerifyError> {
    let text = side.list(range).ok_or(line.answer(UNREADABLE_KEY))?;
    for mut row in line.rows(&text).await? {
        let sum = row.pop().flatten().unwrap_or_default();
        let key = key_of(row).ok_or(line.answer(UNREADABLE_KEY))?;
        all.entry(key).or_default().push(sum);
    }
    Ok(())
}

/// A key's values, none of which is NULL.
pub(super) fn key_of(row: TextRow) -> Option<KeyText> {
    row.into_iter().collect()
}

fn in_order(mut all: Listed) -> Listed {
    for sums in all.values_mut() {
        sums.sort_unstable();
    }
    all
}
