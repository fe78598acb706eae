//! Puts rows that differ into the report: counts of all, and of the first ones which columns differ.

use std::collections::HashMap;
use std::sync::Arc;

use super::document::canonical_document;
use super::error::VerifyError;
use super::line::Line;
use super::pass::{Pass, key_of};
use super::plan::{Column, Key};
use super::report::{ColumnDifference, Difference, DifferenceKind, Shown, TableReport};
use super::settle::Found;
use super::side::{KeyText, Side};

/// Rows that are fetched at once to be shown: each may be as large as a packet.
const ROWS: usize = 20;

/// The values of a row, in hexadecimal.
type Values = Vec<Option<String>>;

impl TableReport {
    /// Counts a difference.
    pub(super) fn count(&mut self, kind: DifferenceKind, times: u64) {
        match kind {
            DifferenceKind::Missing => self.missing += times,
            DifferenceKind::Extra => self.extra += times,
            DifferenceKind::Different => self.different += times,
            DifferenceKind::Unsettled => self.unsettled += times,
        }
    }
}

impl Pass<'_> {
    /// Takes rows that differ into the report.
    pub(super) async fn add(&mut self, key: &Key, found: Vec<Found>) -> Result<(), VerifyError> {
        for (_, kind) in &found {
            self.report.count(*kind, 1);
        }
        let has = self.report.differences.len();
        let room = self.options.shown_rows.saturating_sub(has);
        let shown: Vec<Found> = found.into_iter().take(room).collect();
        let with_values = self.options.rows_with_values.saturating_sub(has);
        let (shown, keys_alone) = shown.split_at(with_values.min(shown.len()));
        for some in shown.chunks(ROWS) {
            self.show(key, some).await?;
        }
        for (values, kind) in keys_alone {
            self.push(key, (values, *kind), Vec::new());
        }
        Ok(())
    }

    /// Shows a row that differs by its key, and these of its columns.
    fn push(
        &mut self,
        key: &Key,
        (values, kind): (&KeyText, DifferenceKind),
        columns: Vec<ColumnDifference>,
    ) {
        let key = key.names.iter().zip(&key.hex).zip(values).map(|((name, hex), value)| {
            let value = match hex {
                true => Shown::of_hex(Some(value)),
                false => Shown::Text(value.clone()),
            };
            (Arc::clone(name), value)
        });
        let key = key.collect();
        let at_source = self.plan.at_source(values);
        self.report.differences.push(Difference { kind, key, columns, times: 1, at_source });
    }

    async fn show(&mut self, key: &Key, found: &[Found]) -> Result<(), VerifyError> {
        let whole = self.options.whole_rows;
        let is_different = |found: &&Found| match found.1 {
            DifferenceKind::Different => true,
            DifferenceKind::Missing => whole,
            DifferenceKind::Extra | DifferenceKind::Unsettled => false,
        };
        let keys: Vec<&KeyText> = found.iter().filter(is_different).map(|(key, _)| key).collect();
        let (mut source, mut target) = (HashMap::new(), HashMap::new());
        if !keys.is_empty() {
            for side in &self.plan.sources {
                values(self.source, side, &keys, &mut source).await?;
            }
            values(self.target, &self.plan.target, &keys, &mut target).await?;
        }
        for (values, kind) in found {
            let columns = match (source.get(values), target.get(values)) {
                (Some(source), Some(target)) => differing(&self.plan.columns, source, target),
                (Some(source), None) if *kind == DifferenceKind::Missing => {
                    all_of(&self.plan.columns, source)
                }
                (None, _) | (_, None) => Vec::new(),
            };
            self.push(key, (values, *kind), columns);
        }
        Ok(())
    }
}

/// All columns of a row that the target lacks.
fn all_of(columns: &[Column], source: &Values) -> Vec<ColumnDifference> {
    let shown = columns.iter().zip(source).map(|(column, value)| ColumnDifference {
        name: Arc::clone(&column.name),
        source: Shown::of_hex(value.as_deref()),
        target: Shown::Absent,
    });
    shown.collect()
}

/// The columns whose values differ.
fn differing(columns: &[Column], source: &Values, target: &Values) -> Vec<ColumnDifference> {
    let mut all = Vec::new();
    for ((column, source), target) in columns.iter().zip(source).zip(target) {
        let (source, target) = (Shown::of_hex(source.as_deref()), Shown::of_hex(target.as_deref()));
        let is_same = match (&source, &target) {
            (Shown::Text(source), Shown::Text(target)) if column.document => {
                canonical_document(source) == canonical_document(target)
            }
            _ => source == target,
        };
        if !is_same {
            all.push(ColumnDifference { name: Arc::clone(&column.name), source, target });
        }
    }
    all
}

async fn values(
    line: &mut Line,
    side: &Side,
    keys: &[&KeyText],
    all: &mut HashMap<KeyText, Values>,
) -> Result<(), VerifyError> {
    let width = keys.first().map_or(0, |key| key.len());
    let text = side.shown_rows(keys).ok_or(line.answer("a key's value"))?;
    for mut row in line.rows(&text).await? {
        let values = row.split_off(width.min(row.len()));
        all.insert(key_of(row).ok_or(line.answer("a key's value"))?, values);
    }
    Ok(())
}
