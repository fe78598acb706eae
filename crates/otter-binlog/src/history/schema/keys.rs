//! The list of a table's keys while a statement changes it: names, and what foreign keys imply.

use std::sync::Arc;

use otter_core::TableName;

use super::ApplyError;
use super::columns::unknown_column;
use super::names::same;
use super::table::{ColumnSchema, Key};
use crate::history::statement::{KeyDefinition, KeyKind, KeyPart};
use crate::history::types::DataType;

/// The name of every primary key.
pub(super) const PRIMARY: &str = "PRIMARY";

/// Servers allow 64 or 128, and foreign keys beside them. Each key is compared with the others.
const MOST_KEYS: usize = 1024;

/// Keys in order; those without a name get theirs at the end.
#[derive(Default)]
pub(super) struct KeyList {
    keys: Vec<Draft>,
}

struct Draft {
    name: Option<Arc<str>>,
    key: Key,
}

impl KeyList {
    /// Keeps a key that was there; its parts are those of columns that are left.
    pub(super) fn keep(&mut self, key: Key) {
        if !key.parts.is_empty() {
            self.keys.push(Draft { name: Some(Arc::clone(&key.name)), key });
        }
    }

    /// Adds a key over columns that must be there.
    pub(super) fn add(
        &mut self,
        definition: &KeyDefinition,
        columns: &[ColumnSchema],
        table: &TableName,
    ) -> Result<(), ApplyError> {
        let is_known = |name: &Arc<str>| columns.iter().any(|column| same(&column.name, name));
        let mut named = definition.parts.iter().filter_map(|part| part.column.as_ref());
        if let Some(missing) = named.find(|name| !is_known(name)) {
            return Err(unknown_column(table, missing));
        }
        self.add_known(definition, columns, table)
    }

    /// Adds a key, or nothing where a column of it is not known.
    pub(super) fn add_known(
        &mut self,
        definition: &KeyDefinition,
        columns: &[ColumnSchema],
        table: &TableName,
    ) -> Result<(), ApplyError> {
        if definition.if_not_exists && self.has_key_for(definition) {
            return Ok(());
        }
        if self.keys.len() >= MOST_KEYS {
            return Err(ApplyError::TooLarge { table: table.clone() });
        }
        let mut parts = definition.parts.clone();
        for part in &mut parts {
            let Some(name) = &part.column else { continue };
            let Some(column) = columns.iter().find(|column| same(&column.name, name)) else {
                return Ok(());
            };
            part.column = Some(Arc::clone(&column.name));
        }
        if definition.kind == KeyKind::Special {
            // Servers index the whole column, whatever length is given.
            parts.iter_mut().for_each(|part| part.prefix = None);
        }
        let is_foreign = definition.kind == KeyKind::Foreign;
        let kind = if is_foreign { KeyKind::Index } else { definition.kind };
        let mut name = definition.name.clone();
        if kind == KeyKind::Primary {
            self.remove(PRIMARY);
            name = Some(PRIMARY.into());
        }
        let key = Key { name: "".into(), kind, generated: is_foreign, parts };
        self.keys.push(Draft { name, key });
        Ok(())
    }

    /// What MariaDB's IF NOT EXISTS looks for: the name, or else the first column's.
    fn has_key_for(&self, definition: &KeyDefinition) -> bool {
        if definition.kind == KeyKind::Primary {
            return self.has(PRIMARY);
        }
        let first = definition.parts.first().and_then(|part| part.column.as_ref());
        definition.name.as_ref().or(first).is_some_and(|name| self.has(name))
    }

    fn has(&self, name: &str) -> bool {
        self.keys.iter().any(|draft| draft.name.as_deref().is_some_and(|own| same(own, name)))
    }

    pub(super) fn remove(&mut self, name: &str) {
        self.keys.retain(|draft| !draft.name.as_deref().is_some_and(|own| same(own, name)));
    }

    pub(super) fn rename(&mut self, from: &str, to: &Arc<str>) {
        for draft in &mut self.keys {
            if draft.name.as_deref().is_some_and(|own| same(own, from)) {
                draft.name = Some(Arc::clone(to));
            }
        }
    }

    /// The finished keys. Columns of the primary key become NOT NULL, and prefixes that are whole
    /// columns go.
    pub(super) fn finish(mut self, columns: &mut [ColumnSchema]) -> Vec<Key> {
        self.drop_needless();
        let mut keys: Vec<Key> = Vec::with_capacity(self.keys.len());
        for Draft { name, mut key } in self.keys {
            key.name = name.unwrap_or_else(|| free_name(&key, &keys));
            for part in &mut key.parts {
                let named = part.column.as_deref();
                let column = columns
                    .iter_mut()
                    .find(|column| named.is_some_and(|name| same(name, &column.name)));
                let Some(column) = column else { continue };
                part.prefix = part.prefix.filter(|length| is_prefix(column, *length));
                if key.kind == KeyKind::Primary {
                    column.nullable = false;
                }
            }
            keys.push(key);
        }
        keys
    }

    /// Drops keys made for foreign keys whose columns begin another key.
    fn drop_needless(&mut self) {
        let mut index = 1;
        while index < self.keys.len() {
            match self.needless_up_to(index) {
                Some(needless) => drop(self.keys.remove(needless)),
                None => index += 1,
            }
        }
    }

    /// Compares the key at `index` with those before it; tells which of two is not needed.
    fn needless_up_to(&self, index: usize) -> Option<usize> {
        let key = &self.keys.get(index)?.key;
        (0..index).find_map(|earlier| {
            let other = &self.keys.get(earlier)?.key;
            if !is_covered(key, other) {
                return None;
            }
            let drops_later =
                !other.generated || key.generated && key.parts.len() < other.parts.len();
            Some(if drops_later { index } else { earlier })
        })
    }
}

/// Whether one of two keys was made for a foreign key and begins the other.
fn is_covered(a: &Key, b: &Key) -> bool {
    let (short, long) = match (a.generated, b.generated) {
        (false, false) => return false,
        (true, false) => (a, b),
        (false, true) => (b, a),
        (true, true) if a.parts.len() > b.parts.len() => (b, a),
        (true, true) => (a, b),
    };
    let is_same = |(a, b): (&KeyPart, &KeyPart)| {
        a.prefix == b.prefix
            && match (&a.column, &b.column) {
                (Some(a), Some(b)) => same(a, b),
                _ => false,
            }
    };
    long.kind != KeyKind::Special
        && short.parts.len() <= long.parts.len()
        && short.parts.iter().zip(&long.parts).all(is_same)
}

/// The name that a key gets from its first column: `a`, `a_2`, `a_3`.
fn free_name(key: &Key, before: &[Key]) -> Arc<str> {
    let mut columns = key.parts.iter().map(|part| part.column.as_deref());
    // One expression among the parts is enough.
    let is_functional = columns.clone().any(|column| column.is_none());
    let first = columns.next().flatten().filter(|_| !is_functional);
    let base = first.unwrap_or("functional_index");
    let is_free =
        |name: &str| !same(name, PRIMARY) && !before.iter().any(|other| same(&other.name, name));
    if is_free(base) {
        return base.into();
    }
    // Servers stop at 100 and so have fewer keys than there are names.
    let numbered = (2..).map(|number| format!("{base}_{number}")).find(|name| is_free(name));
    numbered.unwrap_or_default().into()
}

/// Whether a prefix of this many characters is less than the column.
fn is_prefix(column: &ColumnSchema, length: u32) -> bool {
    match column.data_type {
        DataType::Char { chars } | DataType::VarChar { chars } => length < chars,
        DataType::Binary { bytes } | DataType::VarBinary { bytes } => length < bytes,
        DataType::Text(_) | DataType::Blob(_) | DataType::Geometry(_) => true,
        DataType::Integer { .. }
        | DataType::Decimal { .. }
        | DataType::Float { .. }
        | DataType::Double { .. }
        | DataType::Bit { .. }
        | DataType::Year
        | DataType::Date
        | DataType::Time { .. }
        | DataType::DateTime { .. }
        | DataType::Timestamp { .. }
        | DataType::Enum(_)
        | DataType::Set(_)
        | DataType::Json
        | DataType::Vector { .. }
        | DataType::Uuid
        | DataType::Inet4
        | DataType::Inet6 => false,
    }
}
