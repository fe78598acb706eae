//! Passing over what lies before a place that no dump can begin at.
//!
//! A server is asked for an offset of 32 bits. In a file beyond 4 GiB the dump begins at the file's
//! beginning, and what lies before the place is counted and not read.

use otter_core::FilePlace;

use super::Assembler;
use crate::event::{EventKind, RawEvent};
use crate::selector::error::SelectError;

impl Assembler {
    /// Reads nothing of what lies before this place.
    pub(crate) fn pass_over(&mut self, ahead: Option<FilePlace>) {
        self.ahead = ahead;
    }

    /// Whether an event that the tape has passed lies before the place where reading begins.
    pub(super) fn passes_over(&mut self, event: &RawEvent<'_>) -> Result<bool, SelectError> {
        let kind = event.header.kind;
        let is_made_up = event.header.has(crate::event::frame::flag::ARTIFICIAL);
        // What tells how events look and where the stream is; but the end of the file is too far.
        if matches!(kind, EventKind::HEARTBEAT | EventKind::HEARTBEAT_V2)
            || kind == EventKind::ROTATE && is_made_up
        {
            return Ok(false);
        }
        let here = self.tape.here();
        let Some(ahead) = &self.ahead else { return Ok(false) };
        if here.file != ahead.file || here.offset > ahead.offset {
            return Err(SelectError::OtherHistory {
                what: format!("no event begins at {ahead} any more"),
            });
        }
        if here.offset == ahead.offset {
            self.ahead = None;
        }
        Ok(kind != EventKind::FORMAT_DESCRIPTION)
    }
}
