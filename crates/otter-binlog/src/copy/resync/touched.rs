//! What the stream has touched while rows were being read: by bytes, and for keys that the source may
//! hold equal to others also by a form that is coarser than any collation.

use std::collections::{HashMap, HashSet};

use otter_core::{ColumnType, RowsEvent, Value};

use crate::copy::definition::Definition;
use crate::copy::key::{Key, push_bytes};
use crate::copy::window::{Untaken, Window};

/// The keys that were touched since a place in the stream.
#[derive(Debug, Default)]
pub(super) struct Touched {
    pub(super) window: Window,
    /// The coarse forms of those that the snapshot may lack, where they are needed.
    coarse: HashMap<Box<[u8]>, Texts>,
}

/// Whether a key that the source did not have may have been touched since.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Untouched,
    /// The stream has brought what became of it.
    Touched,
    /// It cannot be told: it is to be read again.
    Unknown,
}

/// Which rows of the stream a coarse form is wanted of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Coarse {
    No,
    Yes,
}

/// The texts of keys whose other values are the same.
#[derive(Debug, Default)]
struct Texts {
    known: HashSet<Box<[u8]>>,
    /// Some may be equal to any.
    has_any: bool,
}

/// A key as it may be equal to others.
#[derive(Debug, Default, PartialEq, Eq)]
struct Form {
    /// Values that are equal only where their bytes are.
    exact: Vec<u8>,
    /// What equal texts have in common; `None` where it may be anything.
    texts: Option<Vec<u8>>,
}

impl Touched {
    /// Takes the keys of rows before and after their changes.
    pub(super) fn touch(
        &mut self,
        rows: &RowsEvent,
        key: &Key,
        coarse: Coarse,
    ) -> Result<(), Untaken> {
        self.window.touch(rows, key)?;
        if coarse == Coarse::No {
            return Ok(());
        }
        for change in rows.changes() {
            for row in [change.before(), change.after()].into_iter().flatten() {
                let values = key.columns.iter().map(|column| row.by_name(&column.name));
                let form = form(values).ok_or(Untaken::OtherKey)?;
                let texts = self.coarse.entry(form.exact.into()).or_default();
                match form.texts {
                    Some(text) => {
                        texts.known.insert(text.into());
                    }
                    None => texts.has_any = true,
                }
            }
        }
        Ok(())
    }

    /// What has become of a key that was not there.
    pub(super) fn judge<'v>(
        &self,
        key: &Key,
        value_of: impl Fn(usize) -> Option<Value<'v>>,
    ) -> Verdict {
        let places = 0..key.columns.len();
        let bytes = key.bytes_of_values(places.clone().map(&value_of));
        if bytes.is_some_and(|bytes| self.window.has_touched(&bytes)) {
            return Verdict::Touched;
        }
        let Some(form) = form(places.map(value_of)) else { return Verdict::Unknown };
        let Some(texts) = self.coarse.get(&*form.exact) else { return Verdict::Untouched };
        match form.texts {
            Some(text) if !texts.has_any && !texts.known.contains(&*text) => Verdict::Untouched,
            Some(_) | None => Verdict::Unknown,
        }
    }
}

/// Whether the source may hold values of a key equal whose bytes differ.
pub(super) fn is_inexact(definition: &Definition, key: &Key) -> bool {
    let is_exact = |column_type: &ColumnType| {
        matches!(
            column_type,
            ColumnType::Integer { .. }
                | ColumnType::Decimal { .. }
                | ColumnType::Bit { .. }
                | ColumnType::Year
                | ColumnType::Date
                | ColumnType::Time { .. }
                | ColumnType::DateTime { .. }
                | ColumnType::Timestamp { .. }
                | ColumnType::Bytes { .. }
                | ColumnType::Enum { .. }
                | ColumnType::Set { .. }
        )
    };
    !key.columns.iter().all(|column| definition.types.get(column.index).is_some_and(is_exact))
}

/// What keys that are equal have in common; `None` where a value is missing.
fn form<'v>(values: impl Iterator<Item = Option<Value<'v>>>) -> Option<Form> {
    let mut form = Form { exact: Vec::new(), texts: Some(Vec::new()) };
    for value in values {
        let value = value?;
        if let Value::Text(text) = value {
            // Letters beyond ASCII may be equal to many others.
            form.texts = form.texts.filter(|_| text.is_ascii()).map(|mut texts| {
                let letters = text.iter().filter(|byte| byte.is_ascii_alphanumeric());
                texts.extend(letters.map(u8::to_ascii_lowercase));
                texts.push(0);
                texts
            });
        } else if matches!(value, Value::Float(_) | Value::Double(_)) {
            // Nobody knows how they were rounded.
            form.texts = None;
        } else {
            push_bytes(&mut form.exact, value);
        }
    }
    Some(form)
}

#[cfg(test)]
mod tests;
