//! A text of statements under construction, with what each must answer.

use std::fmt;
use std::sync::Arc;

use otter_core::RowKind;
use otter_mysql::ParameterRows;

use crate::mysql::literal::RowsStatement;

/// What the server must answer to a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Expect {
    /// Any number of matched rows.
    Nothing,
    /// Any number of rows, which are counted.
    Counted,
    /// One matched row for each row of the source.
    Rows(RowsOf),
    /// One row for each of the source's, and not a single warning.
    Loaded(RowsOf),
    /// Each row was there and has changed, which counts two.
    Upserted(RowsOf),
    /// No row matches.
    Absent(RowsOf),
    /// Any number of rows: they may be missing, or be there already.
    Some(RowsOf),
    /// One matched row, or a value was changed on its way into the column.
    Unchanged(RowsOf),
    /// One matched row, or the server has given the change before it up without an error.
    Settled,
    /// So many matched rows, one for each lane, or the checkpoint is no longer ours.
    Checkpoint(u64),
}

impl Expect {
    /// The rows that the statement is about.
    pub(crate) fn rows(self) -> Option<RowsOf> {
        match self {
            Self::Rows(of)
            | Self::Loaded(of)
            | Self::Unchanged(of)
            | Self::Upserted(of)
            | Self::Absent(of)
            | Self::Some(of) => Some(of),
            Self::Nothing | Self::Counted | Self::Settled | Self::Checkpoint(_) => None,
        }
    }
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

/// What is sent and answered before anything else is sent: a text, then rows.
#[derive(Default)]
pub(crate) struct Step {
    /// Statements; may be empty.
    pub(crate) text: String,
    /// The lines for each `LOAD DATA` in the text.
    pub(crate) data: Vec<String>,
    /// One statement for many rows.
    pub(crate) rows: Option<(Arc<RowsStatement>, ParameterRows)>,
}

/// Statements on their way to the server; the buffers are used again and again.
#[derive(Default)]
pub(crate) struct Script {
    /// The steps before the last.
    steps: Vec<Step>,
    last: Step,
    expects: Vec<Expect>,
}

// Steps hold row values (SECRET-1).
impl fmt::Debug for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Script({} statements, {} bytes)", self.expects.len(), self.size())
    }
}

impl fmt::Debug for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Step({} bytes)", self.size())
    }
}

/// A point to which a script can return.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ScriptMark {
    steps: usize,
    text: usize,
    /// How many of the last step's statements have data, and how much the last of them.
    data: (usize, usize),
    rows: Option<usize>,
    statements: usize,
    last: Option<Expect>,
}

impl Step {
    /// Statements without data.
    pub(crate) fn of(text: String) -> Self {
        Self { text, ..Self::default() }
    }

    fn size(&self) -> usize {
        let rows = self.rows.as_ref().map_or(0, |(_, rows)| rows.len());
        self.text.len() + self.data.iter().map(String::len).sum::<usize>() + rows
    }
}

impl Script {
    /// Starts a statement and gives the text to which it is written.
    pub(crate) fn push(&mut self, expect: Expect) -> &mut String {
        self.expects.push(expect);
        self.end_rows();
        let text = &mut self.last.text;
        if !text.is_empty() {
            text.push_str("; ");
        }
        text
    }

    /// Starts a step where the last one has its rows.
    fn end_rows(&mut self) {
        if self.last.rows.is_some() {
            self.steps.push(std::mem::take(&mut self.last));
        }
    }

    /// The text, to go on with the last statement.
    pub(crate) fn text(&mut self) -> &mut String {
        &mut self.last.text
    }

    /// Starts a statement that asks for data; gives the text.
    pub(crate) fn push_with_data(&mut self, expect: Expect) -> &mut String {
        self.end_rows();
        self.last.data.push(String::new());
        self.push(expect)
    }

    /// The data of the last statement that asks for some.
    pub(crate) fn data(&mut self) -> Option<&mut String> {
        self.last.data.last_mut()
    }

    /// Starts a statement for many rows.
    pub(crate) fn push_rows(&mut self, expect: Expect, statement: Arc<RowsStatement>) {
        self.expects.push(expect);
        self.end_rows();
        self.last.rows = Some((statement, ParameterRows::default()));
    }

    /// The rows of the last statement, where it takes some.
    pub(crate) fn rows(&mut self) -> Option<&mut ParameterRows> {
        self.last.rows.as_mut().map(|(_, rows)| rows)
    }

    /// Counts one more row into the last statement.
    pub(crate) fn count_row(&mut self) {
        if let Some(
            Expect::Rows(of)
            | Expect::Loaded(of)
            | Expect::Upserted(of)
            | Expect::Absent(of)
            | Expect::Some(of),
        ) = self.expects.last_mut()
        {
            of.rows += 1;
        }
    }

    /// The bytes of the last packet: those of a text, or of rows.
    pub(crate) fn len(&self) -> usize {
        self.last.rows.as_ref().map_or(self.last.text.len(), |(_, rows)| rows.len())
    }

    /// The bytes of everything.
    pub(crate) fn size(&self) -> usize {
        self.steps.iter().map(Step::size).sum::<usize>() + self.last.size()
    }

    pub(crate) fn expects(&self) -> &[Expect] {
        &self.expects
    }

    pub(crate) fn mark(&self) -> ScriptMark {
        let Step { text, data, rows } = &self.last;
        ScriptMark {
            steps: self.steps.len(),
            text: text.len(),
            data: (data.len(), data.last().map_or(0, String::len)),
            rows: rows.as_ref().map(|(_, rows)| rows.len()),
            statements: self.expects.len(),
            last: self.expects.last().copied(),
        }
    }

    /// Whether rows were written before the mark.
    pub(crate) fn has_rows_before(&self, mark: ScriptMark) -> bool {
        self.expects.iter().take(mark.statements).any(|expect| {
            !matches!(expect, Expect::Nothing | Expect::Counted | Expect::Checkpoint(_))
        })
    }

    /// Forgets what was written since the mark.
    pub(crate) fn return_to(&mut self, mark: ScriptMark) {
        if self.steps.len() > mark.steps {
            self.steps.truncate(mark.steps + 1);
            self.last = self.steps.pop().unwrap_or_default();
        }
        self.last.text.truncate(mark.text);
        let (count, length) = mark.data;
        self.last.data.truncate(count);
        if let Some(data) = self.last.data.last_mut() {
            data.truncate(length);
        }
        match (&mut self.last.rows, mark.rows) {
            (Some((_, rows)), Some(length)) => rows.truncate(length),
            (rows, _) => *rows = None,
        }
        self.expects.truncate(mark.statements);
        if let (Some(slot), Some(last)) = (self.expects.last_mut(), mark.last) {
            *slot = last;
        }
    }

    /// Empties the script and gives its steps away.
    pub(crate) fn take(&mut self) -> Vec<Step> {
        let mut steps = std::mem::take(&mut self.steps);
        steps.push(std::mem::take(&mut self.last));
        steps
    }

    /// Takes the buffer of a text back and starts anew.
    pub(crate) fn reuse(&mut self, steps: Vec<Step>) {
        self.clear();
        if let Some(Step { mut text, .. }) = steps.into_iter().next() {
            text.clear();
            self.last.text = text;
        }
    }

    /// Starts anew.
    pub(crate) fn clear(&mut self) {
        self.steps.clear();
        self.last.text.clear();
        self.last.data.clear();
        self.last.rows = None;
        self.expects.clear();
    }
}
