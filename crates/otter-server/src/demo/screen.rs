//! What the demo shows while it runs: a box that is drawn again and again on a terminal, one
//! line per second elsewhere.

use std::collections::VecDeque;
use std::time::Duration;

use crate::terminal::{Colour, is_terminal, paint, write};

/// How many bars a history shows: eight seconds at five frames a second, and a line of 80.
const HISTORY: usize = 40;
const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
/// How many of the latest lags the percentiles are of.
const LAGS: usize = 150;

/// Totals at one moment.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Totals {
    pub(super) source_transactions: u64,
    pub(super) source_rows: u64,
    pub(super) inserted: u64,
    pub(super) updated: u64,
    pub(super) deleted: u64,
    pub(super) target_transactions: u64,
    pub(super) target_rows: u64,
    pub(super) groups: u64,
}

/// The picture of the running demo.
#[derive(Debug)]
pub(super) struct Screen {
    route: String,
    seconds: Option<u64>,
    is_terminal: bool,
    lines_drawn: usize,
    last: Option<(Duration, Totals)>,
    source_rate: Rate,
    target_rate: Rate,
    lags: VecDeque<Duration>,
    next_line: u64,
}

/// A rate of one side: smoothed for the eye, with its history.
#[derive(Debug, Default)]
struct Rate {
    transactions: f64,
    rows: f64,
    history: VecDeque<f64>,
}

impl Screen {
    pub(super) fn new(route: String, seconds: Option<u64>) -> Self {
        Self {
            route,
            seconds,
            is_terminal: is_terminal(),
            lines_drawn: 0,
            last: None,
            source_rate: Rate::default(),
            target_rate: Rate::default(),
            lags: VecDeque::new(),
            next_line: 1,
        }
    }

    /// Takes a measured lag into the picture.
    pub(super) fn lag(&mut self, lag: Duration) {
        if self.lags.len() == LAGS {
            self.lags.pop_front();
        }
        self.lags.push_back(lag);
    }

    /// Draws the totals `elapsed` after the start.
    pub(super) fn draw(&mut self, elapsed: Duration, totals: Totals) {
        if let Some((before, last)) = self.last {
            let seconds = elapsed.saturating_sub(before).as_secs_f64();
            self.source_rate.add(
                totals.source_transactions.saturating_sub(last.source_transactions),
                totals.source_rows.saturating_sub(last.source_rows),
                seconds,
            );
            self.target_rate.add(
                totals.target_transactions.saturating_sub(last.target_transactions),
                totals.target_rows.saturating_sub(last.target_rows),
                seconds,
            );
        }
        self.last = Some((elapsed, totals));
        if self.is_terminal {
            let lines = self.frame(elapsed, &totals);
            self.redraw(&lines);
        } else if elapsed.as_secs() >= self.next_line {
            self.next_line = elapsed.as_secs() + 1;
            write(&self.line(elapsed, &totals));
        }
    }

    /// Leaves the last picture where it is and goes on below it.
    pub(super) fn finish(&mut self) {
        self.lines_drawn = 0;
    }

    fn redraw(&mut self, lines: &[String]) {
        let mut text = String::new();
        if self.lines_drawn > 0 {
            text.push_str(&format!("\x1b[{}A", self.lines_drawn));
        }
        // A narrow window cuts lines off: wrapped ones would push the box down.
        text.push_str("\x1b[?7l");
        for line in lines {
            // Erase what a longer line has left.
            text.push_str(&format!("\r\x1b[2K{line}\n"));
        }
        text.push_str("\x1b[?7h");
        self.lines_drawn = lines.len();
        write(&text);
    }

    fn line(&self, elapsed: Duration, totals: &Totals) -> String {
        format!(
            "{:>4} s  source {:>6.0} tx/s  target {:>6.0} tx/s {:>7.0} rows/s  lag p50 {} p99 {}  \
             total {} tx {} rows\n",
            elapsed.as_secs(),
            self.source_rate.transactions,
            self.target_rate.transactions,
            self.target_rate.rows,
            milliseconds(self.percentile(50)),
            milliseconds(self.percentile(99)),
            grouped(totals.target_transactions),
            grouped(totals.target_rows),
        )
    }

    fn frame(&self, elapsed: Duration, totals: &Totals) -> Vec<String> {
        let dim = |text: &str| paint(Colour::Dim, text, true);
        let most = self.source_rate.most().max(self.target_rate.most());
        let side = |name: &str, colour, rate: &Rate| {
            format!(
                "  {name}  {}  {:>6.0} tx/s  {:>7.0} rows/s",
                paint(colour, &bars(&rate.history, most), true),
                rate.transactions,
                rate.rows
            )
        };
        let lags: VecDeque<f64> =
            self.lags.iter().rev().take(HISTORY).rev().map(Duration::as_secs_f64).collect();
        let worst = lags.iter().copied().fold(0.0, f64::max);
        vec![
            format!("  {}  {}", paint(Colour::Bold, "Otter", true), self.route),
            String::new(),
            side("source", Colour::Cyan, &self.source_rate),
            side("target", Colour::Green, &self.target_rate),
            format!(
                "  lag     {}  p50 {}  p99 {}",
                paint(Colour::Yellow, &bars(&lags, worst), true),
                milliseconds(self.percentile(50)),
                milliseconds(self.percentile(99)),
            ),
            String::new(),
            format!(
                "  {} transactions with {} rows have arrived",
                grouped(totals.target_transactions),
                grouped(totals.target_rows),
            ),
            dim(&format!(
                "  {} inserted, {} updated, {} deleted by the shop",
                grouped(totals.inserted),
                grouped(totals.updated),
                grouped(totals.deleted)
            )),
            dim(&format!("  {}", self.clock(elapsed, totals))),
        ]
    }

    fn clock(&self, elapsed: Duration, totals: &Totals) -> String {
        let time = |seconds: u64| format!("{}:{:02}", seconds / 60, seconds % 60);
        let groups = grouped(totals.groups);
        match self.seconds {
            Some(seconds) => {
                format!(
                    "{} of {}, {groups} target transactions; Ctrl-C ends sooner",
                    time(elapsed.as_secs()),
                    time(seconds)
                )
            }
            None => {
                format!("{}, {groups} target transactions; Ctrl-C ends", time(elapsed.as_secs()))
            }
        }
    }

    fn percentile(&self, percent: usize) -> Option<Duration> {
        let mut sorted: Vec<Duration> = self.lags.iter().copied().collect();
        sorted.sort_unstable();
        let index = (sorted.len() * percent).div_ceil(100).saturating_sub(1);
        sorted.get(index).copied()
    }

    /// The median and the 99th percentile of the latest lags, for the summary.
    pub(super) fn lag_summary(&self) -> String {
        format!(
            "p50 {}, p99 {}",
            milliseconds(self.percentile(50)).trim_start(),
            milliseconds(self.percentile(99)).trim_start()
        )
    }
}

impl Rate {
    fn add(&mut self, transactions: u64, rows: u64, seconds: f64) {
        /// How much of a new value shows at once: numbers that jump cannot be read.
        const FRESH: f64 = 0.3;
        let per_second =
            |count: u64| f64::from(u32::try_from(count).unwrap_or(u32::MAX)) / seconds.max(0.001);
        let smooth = |old: f64, new: f64| if old == 0.0 { new } else { old + (new - old) * FRESH };
        self.transactions = smooth(self.transactions, per_second(transactions));
        self.rows = smooth(self.rows, per_second(rows));
        if self.history.len() == HISTORY {
            self.history.pop_front();
        }
        self.history.push_back(per_second(transactions));
    }

    fn most(&self) -> f64 {
        self.history.iter().copied().fold(0.0, f64::max)
    }
}

/// A history as bars of the same width, the newest at the right.
fn bars(history: &VecDeque<f64>, most: f64) -> String {
    let mut text = " ".repeat(HISTORY.saturating_sub(history.len()));
    for value in history {
        let bar = BARS
            .iter()
            .zip(1_u8..)
            .find(|(_, eighths)| value * 8.0 <= most * f64::from(*eighths))
            .map_or('█', |(bar, _)| *bar);
        text.push(bar);
    }
    text
}

fn milliseconds(lag: Option<Duration>) -> String {
    lag.map_or_else(|| "      –".to_owned(), |lag| format!("{:>4.1} ms", lag.as_secs_f64() * 1e3))
}

/// A number with commas between its thousands.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_by_thousands() {
        for (number, text) in [(0, "0"), (999, "999"), (1000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(grouped(number), text);
        }
    }

    #[test]
    fn percentiles_are_lags_that_were_measured() {
        let mut screen = Screen::new("a → b".to_owned(), None);
        assert_eq!(screen.percentile(99), None);
        for ms in 1..=100 {
            screen.lag(Duration::from_millis(ms));
        }
        assert_eq!(screen.percentile(50), Some(Duration::from_millis(50)));
        assert_eq!(screen.percentile(99), Some(Duration::from_millis(99)));
        assert_eq!(screen.lag_summary(), "p50 50.0 ms, p99 99.0 ms");
    }

    #[test]
    fn the_greatest_value_of_a_history_is_a_full_bar() {
        let text = bars(&VecDeque::from([0.0, 50.0, 100.0]), 100.0);
        assert_eq!(text.trim_start(), "▁▄█");
        assert_eq!(text.chars().count(), HISTORY);
    }

    #[test]
    fn every_line_of_a_frame_fits_a_terminal_of_80_columns() {
        let mut screen = Screen::new("MariaDB 10.11.19 → MySQL 9.7.4".to_owned(), Some(20));
        let totals = Totals {
            source_transactions: 1_000_000,
            source_rows: 9_999_999,
            inserted: 1_111_111,
            updated: 2_222_222,
            deleted: 3_333_333,
            target_transactions: 9_999_999,
            target_rows: 99_999_999,
            groups: 1_234_567,
        };
        screen.lag(Duration::from_millis(12));
        screen.draw(Duration::ZERO, Totals::default());
        for line in screen.frame(Duration::from_secs(3), &totals) {
            let mut visible = 0;
            let mut escaped = false;
            for letter in line.chars() {
                match letter {
                    '\x1b' => escaped = true,
                    'm' if escaped => escaped = false,
                    _ if !escaped => visible += 1,
                    _ => {}
                }
            }
            assert!(visible <= 80, "{visible}: {line}");
        }
    }
}
