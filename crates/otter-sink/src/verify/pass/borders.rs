//! Where ranges of rows end. Of a key that is one whole number borders are calculated, since finding
//! them by counting rows reads the table once more.

use super::{Pass, UNREADABLE_KEY};
use crate::verify::error::{Database, VerifyError};
use crate::verify::plan::Key;
use crate::verify::side::{KeyText, Range};

/// How much the width of a range grows at most from one to the next.
const MOST_GROWTH: i128 = 8;

/// Ends one range after the other.
#[derive(Debug)]
pub(super) enum Borders<'k> {
    /// One range of all rows.
    None,
    /// By counting rows.
    Counted(&'k Key, u64),
    /// By calculating.
    Numbers { key: &'k Key, last: i128, max: i128, width: i128, wanted: i128 },
}

impl<'k> Borders<'k> {
    pub(super) async fn begin(pass: &mut Pass<'_>, key: &'k Key) -> Result<Self, VerifyError> {
        let rows = pass.options.range_rows();
        if key.ranged == 0 {
            return Ok(Self::None);
        }
        if !key.is_number {
            return Ok(Self::Counted(key, rows));
        }
        let (line, side) = pass.guide(Database::Source);
        let text = side.ends().ok_or(line.answer(UNREADABLE_KEY))?;
        let answer = line.rows(&text).await?;
        let ends = answer.first().map(Vec::as_slice);
        let Some([Some(min), Some(max)]) = ends else { return Ok(Self::None) };
        let number = |text: &String| text.parse::<i128>().ok();
        let (Some(min), Some(max)) = (number(min), number(max)) else {
            return Err(line.answer(UNREADABLE_KEY));
        };
        let wanted = i128::from(rows);
        Ok(Self::Numbers { key, last: min - 1, max, width: wanted, wanted })
    }

    /// The end of the range that begins here; `None` where it is the last one.
    pub(super) async fn next(
        &mut self,
        pass: &mut Pass<'_>,
        after: Option<&KeyText>,
    ) -> Result<Option<KeyText>, VerifyError> {
        match self {
            Self::None => Ok(None),
            Self::Counted(key, rows) => {
                let rest = Range { after: after.cloned(), through: None };
                pass.border(key, &rest, (Database::Source, *rows - 1)).await
            }
            Self::Numbers { key, last, max, width, wanted } => {
                let mut end = *last + *width;
                // Behind a gap many rows may lie close together.
                if *width > *wanted * MOST_GROWTH {
                    let through = (end < *max).then(|| vec![end.to_string()]);
                    let range = Range { after: after.cloned(), through };
                    let rows = u64::try_from(*wanted).unwrap_or(u64::MAX);
                    let at = pass.border(key, &range, (Database::Source, rows - 1)).await?;
                    let at = at.and_then(|at| at.first()?.parse::<i128>().ok());
                    end = at.unwrap_or(end);
                }
                *last = end;
                Ok((end < *max).then(|| vec![end.to_string()]))
            }
        }
    }

    /// Takes in how many rows the range had, so that the next one has as many as are wanted.
    pub(super) fn learn(&mut self, rows: u64) {
        let Self::Numbers { width, wanted, .. } = self else { return };
        let most = *width * MOST_GROWTH;
        let rows = i128::from(rows.max(1));
        *width = (*width * *wanted / rows).clamp(1, most);
    }
}
