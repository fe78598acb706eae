//! How a table of the target and the source's tables that flow into it are compared.
//!
//! Pure: made of the definitions of both sides.

use std::sync::Arc;

use otter_core::TableName;

use super::canonical::{Canonical, Shape, canonical};
use super::mapped::{MappedTable, Shows};
use super::report::SourceKey;
use super::side::{KeyPart, KeyText, Side};
use crate::mysql::names::qualified;
use crate::mysql::target::TargetTable;

/// How a table is compared.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) target: Side,
    /// At least one.
    pub(super) sources: Vec<Side>,
    /// The target's columns that are compared.
    pub(super) columns: Vec<Column>,
    /// What tells rows apart; `None` where only equal rows can be counted.
    pub(super) key: Option<Key>,
    /// The key's columns at the source, where that is one table.
    pub(super) source_key: Option<(TableName, Arc<[Arc<str>]>)>,
    /// Columns of the target that no source fills, and the target does not compute.
    pub(super) only_at_target: Vec<Arc<str>>,
}

impl Plan {
    /// The key of a row as the source's table has it.
    pub(super) fn at_source(&self, key: &KeyText) -> Option<SourceKey> {
        let (table, columns) = self.source_key.clone()?;
        let [side] = self.sources.as_slice() else { return None };
        Some(SourceKey { table, columns, values: side.written_key(key)? })
    }
}

/// A column that is compared.
#[derive(Debug)]
pub(super) struct Column {
    pub(super) name: Arc<str>,
    pub(super) document: bool,
}

/// What tells rows apart.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Key {
    pub(super) names: Vec<Arc<str>>,
    /// Which of them are fetched in hexadecimal.
    pub(super) hex: Vec<bool>,
    /// How many of its columns, from the first on, ranges are made of; 0 for one range of all rows.
    pub(super) ranged: usize,
    /// Whether ranges are made of one whole number, so that their borders can be calculated.
    pub(super) is_number: bool,
}

/// The source's tables of one target table, with their definitions.
pub(super) type Defined<'a> = (&'a MappedTable, &'a TargetTable);

/// Makes the plan.
///
/// # Errors
/// Why the servers cannot compare these tables.
pub(super) fn plan(
    sources: &[Defined<'_>],
    target: &TargetTable,
    cross: bool,
) -> Result<Plan, String> {
    let pairs = sources.iter().map(|source| columns(source, target, cross));
    let pairs: Vec<Vec<Canonical>> = pairs.collect::<Result<_, _>>()?;
    let Some(first) = pairs.first() else { return Err("no source table is left".to_owned()) };
    if first.is_empty() {
        return Err("they have no column in common".to_owned());
    }
    let shapes = common_shapes(&pairs)?;
    let key = choose_key(sources, target, &pairs);
    let has_document = shapes.iter().any(|shape| shape.document);
    if key.is_none() && has_document {
        return Err("it has JSON documents and no key to compare them by".to_owned());
    }
    let names: Vec<Arc<str>> = key.iter().flat_map(|key| key.names.clone()).collect();
    let source_key = source_key(sources, &names);
    let source_side = |((mapped, _), columns): (&Defined<'_>, &Vec<Canonical>)| {
        let parts = names.iter().filter_map(|name| source_part(find(columns, name)?));
        let values = columns.iter().map(|it| (it.source.clone(), it.source_name.clone()));
        let values: Vec<_> = values.collect();
        let quoted = qualified(&mapped.source.database, &mapped.source.table);
        Side::new(quoted, &values, &shapes, parts.collect())
    };
    let parts = names.iter().filter_map(|name| target_part(find(first, name)?));
    let values: Vec<_> =
        first.iter().map(|it| (it.target.clone(), it.target_name.clone())).collect();
    let quoted = qualified(&target.name.database, &target.name.table);
    Ok(Plan {
        target: Side::new(quoted, &values, &shapes, parts.collect()),
        sources: sources.iter().zip(&pairs).map(source_side).collect(),
        columns: first
            .iter()
            .zip(&shapes)
            .map(|(column, shape)| Column {
                name: Arc::clone(&column.name),
                document: shape.document,
            })
            .collect(),
        key,
        source_key,
        only_at_target: only_at_target(sources, target),
    })
}

/// The columns that an inserted row gets from the target alone.
fn only_at_target(sources: &[Defined<'_>], target: &TargetTable) -> Vec<Arc<str>> {
    let is_filled = |name: &Arc<str>| {
        let mut columns = sources.iter().flat_map(|(mapped, _)| &mapped.columns);
        columns.any(|column| column.name.eq_ignore_ascii_case(name))
    };
    let columns = target.columns.iter().filter(|it| !it.generated && !is_filled(&it.name));
    columns.map(|column| Arc::clone(&column.name)).collect()
}

/// The source's columns behind these of the target, without constants.
fn source_key(sources: &[Defined<'_>], names: &[Arc<str>]) -> Option<(TableName, Arc<[Arc<str>]>)> {
    let [(mapped, _)] = sources else { return None };
    let shown = |name: &Arc<str>| {
        let column = mapped.columns.iter().find(|it| it.name.eq_ignore_ascii_case(name))?;
        match &column.shows {
            Shows::Column(name) => Some(Arc::clone(name)),
            Shows::Constant(_) => None,
        }
    };
    let columns: Arc<[Arc<str>]> = names.iter().filter_map(shown).collect();
    (!columns.is_empty()).then(|| (mapped.source.clone(), columns))
}

/// The columns that a source table fills, in the target's order.
fn columns(
    (mapped, source): &Defined<'_>,
    target: &TargetTable,
    cross: bool,
) -> Result<Vec<Canonical>, String> {
    for column in &mapped.columns {
        if target.column(&column.name).is_none() {
            return Err(format!("the target has no column {}", column.name));
        }
    }
    let shown = target.columns.iter().filter_map(|column| {
        let found = mapped.columns.iter().find(|it| it.name.eq_ignore_ascii_case(&column.name))?;
        Some(canonical(&found.shows, source, column, cross))
    });
    shown.collect()
}

/// How columns take part in checksums, where all source tables agree in that.
fn common_shapes(pairs: &[Vec<Canonical>]) -> Result<Vec<Shape>, String> {
    let differ = || "the source's tables that flow into it differ in their columns".to_owned();
    let Some((first, rest)) = pairs.split_first() else { return Err(differ()) };
    let mut shapes: Vec<Shape> = first.iter().map(|column| column.shape).collect();
    for columns in rest {
        if columns.len() != first.len() {
            return Err(differ());
        }
        for ((column, like), shape) in columns.iter().zip(first).zip(&mut shapes) {
            shape.nullable |= column.shape.nullable;
            let as_nullable = Shape { nullable: shape.nullable, ..column.shape };
            if column.name != like.name || column.target != like.target || as_nullable != *shape {
                return Err(differ());
            }
        }
    }
    Ok(shapes)
}

/// The best key: one that is a key at the source as well, so that ranges are found by an index.
fn choose_key(
    sources: &[Defined<'_>],
    target: &TargetTable,
    pairs: &[Vec<Canonical>],
) -> Option<Key> {
    let keys = target.identities.iter().filter_map(|key| usable(&key.columns, pairs));
    let mut keys: Vec<Key> = keys.collect();
    let is_at_source = |key: &Key| {
        sources.iter().all(|(mapped, source)| {
            let shown = |name: &Arc<str>| {
                let column = mapped.columns.iter().find(|it| it.name.eq_ignore_ascii_case(name))?;
                match &column.shows {
                    Shows::Column(name) => Some(name.to_string()),
                    Shows::Constant(_) => None,
                }
            };
            let wanted: Vec<String> = key.names.iter().filter_map(shown).collect();
            source.identities.iter().any(|own| {
                own.columns.len() == wanted.len()
                    && own.columns.iter().zip(&wanted).all(|(a, b)| a.eq_ignore_ascii_case(b))
            })
        })
    };
    let best = keys.iter().position(is_at_source).unwrap_or(0);
    if best < keys.len() { Some(keys.swap_remove(best)) } else { None }
}

/// A key of the target, with the constants of the mappings behind it, where every side can look rows
/// up by it.
fn usable(columns: &[String], pairs: &[Vec<Canonical>]) -> Option<Key> {
    let first = pairs.first()?;
    let is_constant =
        |column: &Canonical| column.lookup.as_ref().is_some_and(|lookup| lookup.source.is_none());
    let mut names: Vec<Arc<str>> = Vec::with_capacity(columns.len());
    for name in columns {
        names.push(Arc::clone(&find(first, name)?.name));
    }
    let more = first.iter().filter(|column| {
        is_constant(column) && !column.shape.nullable && !names.contains(&column.name)
    });
    let more: Vec<Arc<str>> = more.map(|column| Arc::clone(&column.name)).collect();
    names.extend(more);
    let mut ranged = None;
    let mut is_number = true;
    for (place, name) in names.iter().enumerate() {
        let mut constant = false;
        for columns in pairs {
            let column = find(columns, name)?;
            column.lookup.as_ref()?;
            // A NULL finds nothing.
            if column.shape.nullable {
                return None;
            }
            constant |= is_constant(column);
            is_number &= constant || column.whole;
        }
        if constant && ranged.is_none() {
            ranged = Some(place);
        }
    }
    let ranged = ranged.unwrap_or(names.len());
    // Constants alone tell no rows apart.
    let tells = names.iter().any(|name| find(first, name).is_some_and(|it| !is_constant(it)));
    let is_hex = |name: &Arc<str>| {
        find(first, name).and_then(|it| it.lookup.as_ref()).is_some_and(|lookup| lookup.hex)
    };
    let hex = names.iter().map(is_hex).collect();
    tells.then_some(Key { names, hex, ranged, is_number: is_number && ranged == 1 })
}

fn find<'c>(columns: &'c [Canonical], name: &str) -> Option<&'c Canonical> {
    columns.iter().find(|column| column.name.eq_ignore_ascii_case(name))
}

fn source_part(column: &Canonical) -> Option<KeyPart> {
    let lookup = column.lookup.as_ref()?;
    let literal = lookup.source.clone();
    Some(KeyPart::new(&column.source, column.source_name.clone(), literal, lookup.hex))
}

fn target_part(column: &Canonical) -> Option<KeyPart> {
    let lookup = column.lookup.as_ref()?;
    let literal = Some(lookup.target.clone());
    Some(KeyPart::new(&column.target, column.target_name.clone(), literal, lookup.hex))
}

#[cfg(test)]
mod tests;
