//! A text of statements under construction, with what each must answer.

use std::fmt;

use otter_core::RowKind;

/// What the server must answer to a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Expect {
    /// Any number of matched rows.
    Nothing,
    /// One matched row for each row of the source.
    Rows(RowsOf),
    /// Each row was there and has changed, which counts two.
    Upserted(RowsOf),
    /// No row matches.
    Absent(RowsOf),
    /// One matched row, or a value was changed on its way into the column.
    Unchanged(RowsOf),
    /// One matched row, or the checkpoint is no longer ours.
    Checkpoint,
}

/// Which rows of the source a statement is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RowsOf {
    /// The index of the table's plan.
    pub(crate) table: usize,
    /// The index of the transaction among those planned.
    pub(crate) transaction: usize,
    /// The first row's number in its transaction, from 1.
    pub(crate) ordinal: u64,
    pub(crate) kind: RowKind,
    /// How many rows.
    pub(crate) rows: u64,
}

/// Statements on their way to the server; the buffers are used again and again.
#[derive(Default)]
pub(crate) struct Script {
    text: String,
    expects: Vec<Expect>,
}

// The text holds row values (SECRET-1).
impl fmt::Debug for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Script({} statements, {} bytes)", self.expects.len(), self.text.len())
    }
}

/// A point to which a script can return.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ScriptMark {
    length: usize,
    statements: usize,
    last: Option<Expect>,
}

impl Script {
    /// Starts a statement and gives the text to which it is written.
    pub(crate) fn push(&mut self, expect: Expect) -> &mut String {
        if !self.expects.is_empty() {
            self.text.push_str("; ");
        }
        self.expects.push(expect);
        &mut self.text
    }

    /// The text, to go on with the last statement.
    pub(crate) fn text(&mut self) -> &mut String {
        &mut self.text
    }

    /// Counts one more row into the last statement.
    pub(crate) fn count_row(&mut self) {
        if let Some(Expect::Rows(of) | Expect::Upserted(of) | Expect::Absent(of)) =
            self.expects.last_mut()
        {
            of.rows += 1;
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.text.len()
    }

    pub(crate) fn expects(&self) -> &[Expect] {
        &self.expects
    }

    pub(crate) fn mark(&self) -> ScriptMark {
        ScriptMark {
            length: self.text.len(),
            statements: self.expects.len(),
            last: self.expects.last().copied(),
        }
    }

    /// Whether rows were written before the mark.
    pub(crate) fn has_rows_before(&self, mark: ScriptMark) -> bool {
        self.expects
            .iter()
            .take(mark.statements)
            .any(|expect| !matches!(expect, Expect::Nothing | Expect::Checkpoint))
    }

    /// Forgets what was written since the mark.
    pub(crate) fn return_to(&mut self, mark: ScriptMark) {
        self.text.truncate(mark.length);
        self.expects.truncate(mark.statements);
        if let (Some(slot), Some(last)) = (self.expects.last_mut(), mark.last) {
            *slot = last;
        }
    }

    /// Empties the script and gives its text away.
    pub(crate) fn take_text(&mut self) -> String {
        std::mem::take(&mut self.text)
    }

    /// Takes a text's buffer back and starts anew.
    pub(crate) fn reuse(&mut self, mut text: String) {
        text.clear();
        self.text = text;
        self.expects.clear();
    }

    /// Starts anew.
    pub(crate) fn clear(&mut self) {
        self.text.clear();
        self.expects.clear();
    }
}
