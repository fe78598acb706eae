//! How far long work is, on stderr: a picture that is drawn again and again where a person looks, else a
//! line now and then.

use std::collections::VecDeque;
use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

use crate::retention::span;

const A_PICTURE: Duration = Duration::from_millis(100);
const A_LINE: Duration = Duration::from_secs(10);
/// How fast it goes is what it did in this time.
const WINDOW: Duration = Duration::from_secs(10);
/// Before that nothing is said of it.
const LEAST: Duration = Duration::from_secs(1);
const BAR: usize = 24;

/// What is shown while something is at work.
#[derive(Debug)]
pub(crate) struct Live {
    is_terminal: bool,
    shown_at: Option<Instant>,
    /// The lines of the picture that stands there.
    lines: usize,
}

/// So much of something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Amount {
    pub(crate) rows: u64,
    /// `None` where nobody counts them.
    pub(crate) bytes: Option<u64>,
}

/// How fast something goes, and when it will be there.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    /// How much there was at a time, oldest first.
    seen: VecDeque<(Instant, Amount)>,
}

impl Live {
    pub(crate) fn new() -> Self {
        Self { is_terminal: io::stderr().is_terminal(), shown_at: None, lines: 0 }
    }

    /// Shows how far it is, where it is time to.
    pub(crate) fn show(&mut self, picture: impl FnOnce(bool) -> Vec<String>) {
        let pause = if self.is_terminal { A_PICTURE } else { A_LINE };
        match self.shown_at {
            Some(shown) if shown.elapsed() < pause => return,
            // Work that is soon done says nothing.
            None if !self.is_terminal => {
                self.shown_at = Some(Instant::now());
                return;
            }
            _ => {}
        }
        self.shown_at = Some(Instant::now());
        let lines = picture(self.is_terminal);
        let mut err = io::stderr().lock();
        let _ = match self.is_terminal {
            true => {
                let drawn = drawn(&lines, self.lines);
                self.lines = lines.len();
                err.write_all(drawn.as_bytes()).and_then(|()| err.flush())
            }
            false => lines.iter().try_for_each(|line| writeln!(err, "{line}")),
        };
    }

    /// Takes the picture away.
    pub(crate) fn end(&mut self) {
        if self.lines > 0 {
            let mut err = io::stderr().lock();
            let _ = err.write_all(drawn(&[], self.lines).as_bytes()).and_then(|()| err.flush());
            self.lines = 0;
        }
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.end();
    }
}

/// A picture over one of so many lines: to its beginning, and what stood there is gone. Lines that
/// are too long are cut by the terminal.
fn drawn(lines: &[String], before: usize) -> String {
    let mut text = String::new();
    if before > 0 {
        text.push_str(&format!("\x1b[{before}A"));
    }
    text.push_str("\r\x1b[J\x1b[?7l");
    for line in lines {
        text.push_str(line);
        text.push('\n');
    }
    text.push_str("\x1b[?7h");
    text
}

impl Meter {
    /// Takes in how much there is now.
    pub(crate) fn take(&mut self, amount: Amount) {
        self.take_at(Instant::now(), amount);
    }

    fn take_at(&mut self, now: Instant, amount: Amount) {
        // What has begun anew, such as another table, has a speed of its own.
        if self.seen.back().is_some_and(|(_, before)| before.rows > amount.rows) {
            self.seen.clear();
        }
        self.seen.push_back((now, amount));
        while self.seen.len() > 2
            && self.seen.get(1).is_some_and(|(when, _)| now.duration_since(*when) >= WINDOW)
        {
            self.seen.pop_front();
        }
    }

    /// How much in a second of late; `None` where nothing can be said yet.
    pub(crate) fn rate(&self) -> Option<Amount> {
        let ((first, before), (last, now)) = (self.seen.front()?, self.seen.back()?);
        let time = last.duration_since(*first);
        (time >= LEAST).then(|| now.less(*before).per_second(time))
    }
}

impl Amount {
    /// Rows whose bytes nobody counts.
    pub(crate) fn of_rows(rows: u64) -> Self {
        Self { rows, bytes: None }
    }

    fn less(self, before: Self) -> Self {
        let less = |now: u64, before: u64| now.saturating_sub(before);
        let bytes = self.bytes.zip(before.bytes).map(|(now, before)| less(now, before));
        Self { rows: less(self.rows, before.rows), bytes }
    }

    /// So much in a time, per second.
    pub(crate) fn per_second(self, time: Duration) -> Self {
        let per = |of: u64| {
            let per = u128::from(of) * 1_000 / time.as_millis().max(1);
            u64::try_from(per).unwrap_or(u64::MAX)
        };
        Self { rows: per(self.rows), bytes: self.bytes.map(per) }
    }
}

/// So many bytes in the unit that leaves the fewest digits.
pub(crate) fn size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    if bytes < 1 << 10 {
        return format!("{bytes} B");
    }
    let (mut tenths, mut unit) = (u128::from(bytes) * 10 / 1_024, UNITS[0]);
    for larger in UNITS.into_iter().skip(1) {
        if tenths < 10_240 {
            break;
        }
        (tenths, unit) = (tenths / 1_024, larger);
    }
    format!("{}.{} {unit}", tenths / 10, tenths % 10)
}

/// How far something is of about so many rows, how fast it goes, and when it will be there; with a bar
/// for whoever looks.
pub(crate) fn how_far(
    Amount { rows, bytes }: Amount,
    estimated: u64,
    rate: Option<Amount>,
    with_bar: bool,
) -> String {
    let mut text = String::new();
    // An estimate that was too low says nothing.
    let percent = match estimated {
        0 => None,
        _ if rows > estimated => None,
        _ => Some(u128::from(rows) * 100 / u128::from(estimated)),
    };
    match percent {
        Some(percent) => text.push_str(&format!("{rows} of about {estimated} rows ({percent} %)")),
        None => text.push_str(&format!("{rows} rows")),
    }
    if let Some(bytes) = bytes {
        text.push_str(&format!(", {}", size(bytes)));
    }
    if let Some(rate) = rate {
        text.push_str(&format!(", {} rows/s", rate.rows));
        if let Some(bytes) = rate.bytes {
            text.push_str(&format!(", {}/s", size(bytes)));
        }
        if percent.is_some() && rate.rows > 0 {
            let left = Duration::from_secs(estimated.saturating_sub(rows).div_ceil(rate.rows));
            text.push_str(&format!(", about {} left", span(left)));
        }
    }
    // The last, since a narrow terminal cuts the line.
    if with_bar && let Some(percent) = percent {
        let full = usize::try_from(percent).unwrap_or(0) * BAR / 100;
        text.push_str(&format!(" [{}{}]", "#".repeat(full), "·".repeat(BAR - full)));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_meter_tells_how_fast_it_goes_of_late() {
        let mut meter = Meter::default();
        let begun = Instant::now();
        let at = |seconds| begun + Duration::from_secs(seconds);
        let some = |rows| Amount { rows, bytes: Some(rows * 100) };
        meter.take_at(at(0), some(0));
        assert_eq!(meter.rate(), None);
        for second in 1..=30 {
            // Twice as fast from the twentieth second on.
            let rows = if second <= 20 { second * 10 } else { second * 20 - 200 };
            meter.take_at(at(second), some(rows));
        }
        assert_eq!(meter.rate(), Some(some(20)));
        // Another table.
        meter.take_at(at(31), some(5));
        assert_eq!(meter.rate(), None);
        meter.take_at(at(33), some(105));
        assert_eq!(meter.rate(), Some(some(50)));
    }

    #[test]
    fn how_far_it_is_says_no_more_than_is_known() {
        let rows = Amount::of_rows;
        assert_eq!(how_far(rows(7), 0, None, true), "7 rows");
        assert_eq!(how_far(rows(70), 60, Some(rows(5)), true), "70 rows, 5 rows/s");
        assert_eq!(how_far(rows(1_005), 1_000, Some(rows(5)), true), "1005 rows, 5 rows/s");
        assert_eq!(
            how_far(rows(50), 200, Some(rows(3)), false),
            "50 of about 200 rows (25 %), 3 rows/s, about 50 s left"
        );
        assert_eq!(
            how_far(rows(50), 200, Some(rows(0)), true),
            "50 of about 200 rows (25 %), 0 rows/s [######··················]"
        );
        let with_bytes = |rows, bytes| Amount { rows, bytes: Some(bytes) };
        assert_eq!(
            how_far(with_bytes(50, 7 << 20), 200, Some(with_bytes(3, 1_500)), false),
            "50 of about 200 rows (25 %), 7.0 MiB, 3 rows/s, 1.4 KiB/s, about 50 s left"
        );
    }

    #[test]
    fn sizes_have_the_unit_that_leaves_the_fewest_digits() {
        let sizes = [0, 1_023, 1_024, (1 << 20) - 1, 1 << 20, 3 << 29, u64::MAX].map(size);
        let text = ["0 B", "1023 B", "1.0 KiB", "1023.9 KiB", "1.0 MiB", "1.5 GiB", "16383.9 PiB"];
        assert_eq!(sizes, text);
    }

    #[test]
    fn a_picture_is_drawn_over_the_one_before() {
        let lines = ["one".to_owned(), "two".to_owned()];
        assert_eq!(drawn(&lines, 0), "\r\x1b[J\x1b[?7lone\ntwo\n\x1b[?7h");
        assert_eq!(drawn(&[], 2), "\x1b[2A\r\x1b[J\x1b[?7l\x1b[?7h");
    }
}
