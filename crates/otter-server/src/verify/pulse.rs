//! How far `verify` is.

use otter_core::TableName;
use otter_sink::verify::Progress;

use crate::live::{Amount, Live, Meter, how_far};

/// What is told while tables are compared.
#[derive(Debug)]
pub(super) struct Pulse {
    live: Live,
    meter: Meter,
    /// What the meter is of.
    table: Option<TableName>,
}

impl Pulse {
    pub(super) fn new() -> Self {
        Self { live: Live::new(), meter: Meter::default(), table: None }
    }

    pub(super) fn beat(&mut self, progress: &Progress) {
        let Progress { target, rows, chunks, differences, estimated_rows, .. } = progress;
        if self.table.as_ref() != Some(target) {
            self.meter = Meter::default();
            self.table = Some(target.clone());
        }
        let amount = Amount::of_rows(*rows);
        self.meter.take(amount);
        let rate = self.meter.rate();
        self.live.show(|with_bar| {
            let far = how_far(amount, *estimated_rows, rate, with_bar);
            vec![format!("{target}: {differences} differences in {chunks} chunks, {far}")]
        });
    }
}
