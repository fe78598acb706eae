//! Differences of JSON documents (`binlog_row_value_options = PARTIAL_JSON`), applied to the
//! document before the change.
//!
//! A difference that does not fit its document is an error, as on MySQL's own replicas: the
//! document would be another one than the source's.
//!
//! MySQL: `Json_diff_vector::write_binary` describes the format, `apply_json_diffs` the effect.

use std::borrow::Cow;

use super::path::{Leg, parse};
use super::scalar::write_string;
use super::tree::{Node, key_order};
use super::{GREATEST_GROWTH, write_json};
use crate::cursor::Cursor;
use crate::row::codec::ValueError;

mod operation {
    pub(super) const REPLACE: u8 = 0;
    pub(super) const INSERT: u8 = 1;
    pub(super) const REMOVE: u8 = 2;
}

const UNFITTING: ValueError =
    ValueError::Malformed("a difference does not fit the JSON document before the change");

const UNKNOWN: ValueError =
    ValueError::Malformed("a difference of JSON documents is of an unknown kind");

const TOO_MUCH: ValueError =
    ValueError::Malformed("the differences of a JSON document take too long to apply");

/// How many members may be looked at and elements be moved, in all differences of a document
/// together: some seconds' work. The server writes one difference per path in a statement.
const MOST_STEPS: usize = 1 << 29;

/// Appends the text of the document that the differences make of `document`.
pub(crate) fn write_changed_json(
    document: &[u8],
    differences: &[u8],
    output: &mut Vec<u8>,
) -> Result<(), ValueError> {
    if differences.is_empty() {
        return write_json(document, output);
    }
    let bytes = document.len().saturating_add(differences.len());
    let limit = bytes.saturating_mul(GREATEST_GROWTH).saturating_add(output.len() + 64);
    let mut root = Node::parse(document, 0)?;
    apply_all(&mut root, differences, MOST_STEPS)?;
    root.write(limit, output)
}

/// Appends the differences themselves, as a JSON array.
pub(crate) fn write_json_changes(
    differences: &[u8],
    output: &mut Vec<u8>,
) -> Result<(), ValueError> {
    let limit = differences.len().saturating_mul(GREATEST_GROWTH).saturating_add(output.len() + 64);
    let mut rest = Cursor::new(differences);
    output.push(b'[');
    let mut separator: &[u8] = b"{\"op\": \"";
    while !rest.is_empty() {
        let operation = rest.u8()?;
        let path = rest.packed_bytes()?;
        let depth = parse(path)?.len();
        let (name, has_value): (&[u8], _) = match operation {
            operation::REPLACE => (b"replace", true),
            operation::INSERT => (b"insert", true),
            operation::REMOVE => (b"remove", false),
            _ => return Err(UNKNOWN),
        };
        output.extend_from_slice(separator);
        separator = b", {\"op\": \"";
        output.extend_from_slice(name);
        output.extend_from_slice(b"\", \"path\": ");
        write_string(path, output)?;
        if has_value {
            output.extend_from_slice(b", \"value\": ");
            Node::parse(rest.packed_bytes()?, depth)?.write(limit, output)?;
        }
        output.push(b'}');
        // Each step's own words are many times as long as it may be.
        if output.len() > limit.saturating_add(64 * differences.len()) {
            return Err(TOO_MUCH);
        }
    }
    output.push(b']');
    Ok(())
}

fn apply_all<'a>(
    root: &mut Node<'a>,
    differences: &'a [u8],
    mut steps_left: usize,
) -> Result<(), ValueError> {
    let mut rest = Cursor::new(differences);
    while !rest.is_empty() {
        apply_next(root, &mut rest, &mut steps_left)?;
    }
    Ok(())
}

fn apply_next<'a>(
    root: &mut Node<'a>,
    rest: &mut Cursor<'a>,
    steps_left: &mut usize,
) -> Result<(), ValueError> {
    let operation = rest.u8()?;
    let path = parse(rest.packed_bytes()?)?;
    // The whole document is never replaced by a difference.
    let (last, above) = path.split_last().ok_or(UNFITTING)?;
    let mut parent = root;
    for leg in above {
        spend(steps_left, parent, false)?;
        parent = step(parent, leg)?;
    }
    spend(steps_left, parent, operation != operation::REPLACE)?;
    match operation {
        operation::REPLACE => {
            *step(parent, last)? = Node::parse(rest.packed_bytes()?, path.len())?;
            Ok(())
        }
        operation::INSERT => insert(parent, last, Node::parse(rest.packed_bytes()?, path.len())?),
        operation::REMOVE => remove(parent, last),
        _ => Err(UNKNOWN),
    }
}

/// Pays for a look at a value's members, or for a move of its elements.
fn spend(steps_left: &mut usize, node: &Node<'_>, moves: bool) -> Result<(), ValueError> {
    let count = match node {
        Node::Object(members) => members.len(),
        Node::Array(elements) if moves => elements.len(),
        Node::Array(_) | Node::Scalar { .. } => 0,
    };
    *steps_left = steps_left.checked_sub(count).ok_or(TOO_MUCH)?;
    Ok(())
}

/// The value that a leg leads to.
fn step<'n, 'a>(node: &'n mut Node<'a>, leg: &Leg) -> Result<&'n mut Node<'a>, ValueError> {
    let value = match (node, leg) {
        (Node::Object(members), Leg::Member(name)) => {
            members.iter_mut().find_map(|(key, value)| (**key == *name.as_bytes()).then_some(value))
        }
        (Node::Array(elements), _) => {
            let place = leg.place(elements.len());
            place.filter(|(_, is_there)| *is_there).and_then(|(at, _)| elements.get_mut(at))
        }
        (Node::Object(_) | Node::Scalar { .. }, _) => None,
    };
    value.ok_or(UNFITTING)
}

fn insert<'a>(parent: &mut Node<'a>, leg: &Leg, value: Node<'a>) -> Result<(), ValueError> {
    match (parent, leg) {
        (Node::Object(members), Leg::Member(name)) => {
            if members.iter().any(|(key, _)| **key == *name.as_bytes()) {
                return Err(UNFITTING);
            }
            let key = name.as_bytes();
            let at = members.partition_point(|(other, _)| key_order(other) < key_order(key));
            members.insert(at, (Cow::Owned(key.to_vec()), value));
        }
        (Node::Array(elements), _) => {
            let (at, _) = leg.place(elements.len()).ok_or(UNFITTING)?;
            elements.insert(at, value);
        }
        (Node::Object(_) | Node::Scalar { .. }, _) => return Err(UNFITTING),
    }
    Ok(())
}

fn remove(parent: &mut Node<'_>, leg: &Leg) -> Result<(), ValueError> {
    match (parent, leg) {
        (Node::Object(members), Leg::Member(name)) => {
            let at = members.iter().position(|(key, _)| **key == *name.as_bytes());
            members.remove(at.ok_or(UNFITTING)?);
        }
        (Node::Array(elements), _) => {
            let place = leg.place(elements.len()).filter(|(_, is_there)| *is_there);
            let (at, _) = place.ok_or(UNFITTING)?;
            elements.remove(at);
        }
        (Node::Object(_) | Node::Scalar { .. }, _) => return Err(UNFITTING),
    }
    Ok(())
}

#[cfg(test)]
mod tests;
