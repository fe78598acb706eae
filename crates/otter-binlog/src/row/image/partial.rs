//! Updates whose JSON documents may be logged as differences (`PARTIAL_UPDATE_ROWS_EVENT`).

use otter_core::{RowArenaBuilder, Value, rows::BytesKind};

use super::{ImageError, RowPlan, Shape, value_error};
use crate::cursor::{Cursor, Short};
use crate::event::table_map::is_set;
use crate::row::codec::{Codec, ValueError, read_value};
use crate::row::json::{write_changed_json, write_json_changes};

/// The only option of an image so far: it has a bit per JSON column.
const PARTIAL_JSON: u64 = 1;

/// The documents before the change: one per JSON column of the table.
type Documents<'a> = Vec<Option<&'a [u8]>>;

enum Failure {
    Value(ValueError),
    NoDocument,
}

impl From<ValueError> for Failure {
    fn from(source: ValueError) -> Self {
        Self::Value(source)
    }
}

impl From<Short> for Failure {
    fn from(_: Short) -> Self {
        Self::Value(ValueError::Short)
    }
}

pub(super) fn read_row<'a>(
    plan: &RowPlan,
    first: Shape<'_>,
    second: Shape<'_>,
    rows: &mut Cursor<'a>,
    arena: &mut RowArenaBuilder,
) -> Result<(), ImageError> {
    let cut = || ImageError::Cut { table: plan.table.name.clone() };
    let mut documents = Documents::new();
    let nulls = rows.bytes(first.count.div_ceil(8)).map_err(|_| cut())?;
    read_columns(plan, first, nulls, arena, |codec, is_there, arena| {
        if let Codec::Json { prefix } = codec {
            // The value itself is read from where the cursor stays.
            let mut ahead = *rows;
            let document = is_there.then(|| ahead.prefixed(usize::from(prefix)));
            documents.push(document.transpose()?);
        }
        if is_there { Ok(read_value(codec, rows, arena)?) } else { Ok(()) }
    })?;
    let options = rows.packed().map_err(|_| cut())?;
    let is_json = |codec: &&Codec| matches!(codec, Codec::Json { .. });
    let partial = match options {
        0 => &[][..],
        PARTIAL_JSON => {
            let columns = plan.codecs.iter().filter(is_json).count();
            rows.bytes(columns.div_ceil(8)).map_err(|_| cut())?
        }
        options => {
            let table = plan.table.name.clone();
            return Err(ImageError::UnknownOptions { table, options });
        }
    };
    let nulls = rows.bytes(second.count.div_ceil(8)).map_err(|_| cut())?;
    let mut documents = documents.into_iter().enumerate();
    read_columns(plan, second, nulls, arena, |codec, is_there, arena| {
        let Codec::Json { prefix } = codec else {
            return if is_there { Ok(read_value(codec, rows, arena)?) } else { Ok(()) };
        };
        // There is a bit for each JSON column of the table, whether the image holds it or not.
        let (place, before) = documents.next().ok_or(ValueError::Short)?;
        if !is_there {
            return Ok(());
        }
        if !is_set(partial, place) {
            return Ok(read_value(codec, rows, arena)?);
        }
        let differences = rows.prefixed(usize::from(prefix))?;
        let Some(before) = before else {
            if !plan.takes_changes {
                return Err(Failure::NoDocument);
            }
            return Ok(arena.push_with(BytesKind::JsonChanges, |output| {
                write_json_changes(differences, output)
            })?);
        };
        Ok(arena
            .push_with(BytesKind::Json, |output| write_changed_json(before, differences, output))?)
    })
}

/// Goes through the columns of an image; `read` is told of all of them, and appends the value of
/// those that are there and not NULL.
fn read_columns(
    plan: &RowPlan,
    shape: Shape<'_>,
    nulls: &[u8],
    arena: &mut RowArenaBuilder,
    mut read: impl FnMut(Codec, bool, &mut RowArenaBuilder) -> Result<(), Failure>,
) -> Result<(), ImageError> {
    // NULLs are counted among the columns that are there.
    let mut place = 0;
    for (index, codec) in plan.codecs.iter().enumerate() {
        let missing = if !is_set(shape.present, index) {
            Some(None)
        } else {
            place += 1;
            is_set(nulls, place - 1).then_some(Some(Value::Null))
        };
        let result = read(*codec, missing.is_none(), arena).and_then(|()| match missing {
            Some(value) => arena.push(value).map_err(|full| ValueError::from(full).into()),
            None => Ok(()),
        });
        result.map_err(|failure| match failure {
            Failure::Value(source) => value_error(plan, index, source),
            Failure::NoDocument => {
                let column = plan.table.columns.get(index);
                let column = column.map_or_else(|| "?".into(), |it| it.name.clone());
                ImageError::NoDocument { table: plan.table.name.clone(), column }
            }
        })?;
    }
    Ok(())
}
