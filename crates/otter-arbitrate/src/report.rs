//! How far pipelines are, as the processes that run them publish it, for people.
//!
//! It is written seldom, however fast a pipeline moves, and decides nothing: where a pipeline goes on
//! is what its checkpoint in the target says.

use std::collections::HashMap;
use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

use otter_core::{Causes, Side, SourceTime, State, Term};
use tokio::sync::watch;
use tokio::time::sleep;
use tracing::{debug, warn};

use crate::name::escape;

/// The longest position that is published, in bytes: sets of GTIDs may be long, and `position show`
/// tells them.
const LONGEST_POSITION: usize = 200;
/// The most that one process publishes: what ZooKeeper takes in one request is 1 MiB.
const MOST_BYTES: usize = 512 << 10;
/// How a position that was cut ends.
const CUT: char = '…';

/// What the process that runs a side tells about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The side.
    pub side: Side,
    /// The term under which it is run.
    pub term: Term,
    /// What its pipeline is doing.
    pub state: State,
    /// How far the target is behind the source, by the clocks of the source and of the process; zero
    /// where nothing waits to be loaded. `None` where it cannot be told.
    pub lag: Option<Duration>,
    /// When the source committed the newest transaction that the target has.
    pub committed_at: Option<SourceTime>,
    /// Rows changed in the target by this run.
    pub rows: u64,
    /// Source transactions committed in the target by this run.
    pub transactions: u64,
    /// How often this run has tried again after a transient fault.
    pub retries: u64,
    /// The position committed in the target, cut after 200 bytes; empty where there is none yet.
    pub position: String,
}

/// Publishes what one process tells. What was published goes when this is dropped, or the process is
/// gone.
#[derive(Debug)]
#[must_use = "what is published goes when this is dropped"]
pub struct Reports(watch::Sender<Published>);

/// All reports of a process, as they are written.
pub(crate) type Published = Arc<str>;

/// Where one process publishes.
pub(crate) trait Place: Send + 'static {
    type Error: std::error::Error + Send + 'static;

    /// Writes what the process tells, unless it stands there already.
    fn write(&mut self, text: &Published) -> impl Future<Output = Result<(), Self::Error>> + Send;

    /// Takes back what was written, where it does not go by itself.
    fn forget(self) -> impl Future<Output = ()> + Send;
}

/// Writes what is published, at most once in the time `every`, until nobody publishes any more.
pub(crate) async fn keep(
    mut place: impl Place,
    mut published: watch::Receiver<Published>,
    every: Duration,
) {
    let mut is_failing = false;
    loop {
        let text = Published::clone(&published.borrow_and_update());
        match place.write(&text).await {
            Ok(()) => is_failing = false,
            Err(error) if is_failing => {
                debug!(error = %Causes(&error), "progress cannot be published");
            }
            Err(error) => {
                warn!(error = %Causes(&error), "progress cannot be published; it is tried again");
                is_failing = true;
            }
        }
        sleep(every).await;
        if published.has_changed().is_err() {
            break;
        }
    }
    place.forget().await;
}

impl Reports {
    pub(crate) fn new() -> (Self, watch::Receiver<Published>) {
        let (sender, receiver) = watch::channel(Published::from(""));
        (Self(sender), receiver)
    }

    /// Replaces what this process has published. It is written soon, and not more often than was
    /// agreed; what does not fit into 512 KiB, some thousands of pipelines, is left out.
    pub fn publish(&self, reports: &[Report]) {
        let text = write(reports);
        self.0.send_if_modified(|known| {
            let differs = **known != *text;
            if differs {
                *known = text.into();
            }
            differs
        });
    }
}

/// The words of all states.
const STATES: [(State, &str); 6] = [
    (State::Idle, "idle"),
    (State::Campaigning, "campaigning"),
    (State::Starting, "starting"),
    (State::Running, "running"),
    (State::Retrying, "retrying"),
    (State::Ended, "ended"),
];

impl Report {
    /// The state as a word, such as `running`.
    #[must_use]
    pub fn state_word(&self) -> &'static str {
        STATES.iter().find(|(state, _)| *state == self.state).map_or("unknown", |(_, word)| word)
    }
}

/// A line for each report, its fields behind tabs; a later version may add some behind the last.
fn write(reports: &[Report]) -> String {
    let mut text = String::new();
    for report in reports {
        let start = text.len();
        let number =
            |number: Option<u64>| number.map_or_else(|| "-".to_owned(), |it| it.to_string());
        let lag = report.lag.map(|lag| u64::try_from(lag.as_millis()).unwrap_or(u64::MAX));
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "{}\t{}\t{}\t{}\t{}\t{}\t{}\t{}\t{}",
            escape(&report.side.to_string()),
            report.term,
            report.state_word(),
            number(lag),
            number(report.committed_at.map(|time| time.0)),
            report.rows,
            report.transactions,
            report.retries,
            cut(&report.position),
        );
        if text.len() > MOST_BYTES {
            text.truncate(start);
            break;
        }
    }
    text
}

/// A position in one line, not too long.
fn cut(position: &str) -> String {
    let mut end = position.len().min(LONGEST_POSITION);
    while !position.is_char_boundary(end) {
        end -= 1;
    }
    let mut cut = position.get(..end).unwrap_or_default().replace(char::is_control, " ");
    if end < position.len() {
        cut.push(CUT);
    }
    cut
}

/// What processes have published, to be asked for sides.
#[derive(Debug, Default)]
pub(crate) struct Found<'a>(HashMap<&'a str, Vec<&'a str>>);

impl<'a> Found<'a> {
    /// Reads what was published. Lines that cannot be read are passed by: somebody else, or another
    /// version, has written them.
    pub(crate) fn read(texts: impl IntoIterator<Item = &'a str>) -> Self {
        let mut found: HashMap<&str, Vec<&str>> = HashMap::new();
        for line in texts.into_iter().flat_map(str::lines) {
            if let Some((side, rest)) = line.split_once('\t') {
                found.entry(side).or_default().push(rest);
            }
        }
        Self(found)
    }

    /// What its holder tells about a side: a former one may not have gone yet.
    pub(crate) fn of(&self, side: &Side, term: Term) -> Option<Report> {
        let told = self.0.get(escape(&side.to_string()).as_str())?;
        told.iter().filter_map(|rest| parse(side, rest)).find(|report| report.term == term)
    }
}

fn parse(side: &Side, rest: &str) -> Option<Report> {
    let mut fields = rest.split('\t');
    let mut next = || fields.next();
    let number = |text: &str| text.parse::<u64>().ok();
    let optional = |text: &str| if text == "-" { Some(None) } else { number(text).map(Some) };
    let term = Term(number(next()?)?);
    let word = next()?;
    let state = STATES.iter().find(|(_, known)| *known == word)?.0;
    let lag = optional(next()?)?.map(Duration::from_millis);
    let committed_at = optional(next()?)?.map(SourceTime);
    let (rows, transactions, retries) = (number(next()?)?, number(next()?)?, number(next()?)?);
    let position = next()?.to_owned();
    let side = side.clone();
    Some(Report { side, term, state, lag, committed_at, rows, transactions, retries, position })
}

#[cfg(test)]
mod tests {
    use otter_core::PipelineId;
    use proptest::prelude::*;

    use super::*;

    fn side(name: &str) -> Side {
        Side::target(PipelineId::new(name))
    }

    fn report(name: &str, term: u64) -> Report {
        Report {
            side: side(name),
            term: Term(term),
            state: State::Running,
            lag: Some(Duration::from_millis(250)),
            committed_at: Some(SourceTime(1_763_712_000_000_000)),
            rows: 7,
            transactions: 3,
            retries: 1,
            position: "mariadb:0-1-7".to_owned(),
        }
    }

    proptest! {
        #[test]
        fn what_is_published_is_read(
            name in ".*",
            term: u64,
            state in 0..STATES.len(),
            lag in proptest::option::of(any::<u32>()),
            committed_at in proptest::option::of(any::<u64>()),
            counts: [u64; 3],
            position in "[ -~]{0,200}",
        ) {
            let [rows, transactions, retries] = counts;
            let one = Report {
                side: side(&name),
                term: Term(term),
                state: STATES[state].0,
                lag: lag.map(|lag| Duration::from_millis(lag.into())),
                committed_at: committed_at.map(SourceTime),
                rows,
                transactions,
                retries,
                position,
            };
            let text = write(&[report("another", 5), one.clone()]);
            prop_assert_eq!(Found::read([text.as_str()]).of(&one.side, one.term), Some(one));
        }

        #[test]
        fn nothing_that_is_found_there_panics(text in ".*", term: u64) {
            let line = format!("shop%2ftarget\t{text}\n{text}");
            let _ = Found::read([line.as_str()]).of(&side("shop"), Term(term));
        }
    }

    #[test]
    fn only_the_holder_is_heard() {
        let (former, now) = (write(&[report("shop", 6)]), write(&[report("shop", 9)]));
        let found = Found::read([former.as_str(), now.as_str()]);
        assert_eq!(found.of(&side("shop"), Term(9)), Some(report("shop", 9)));
        assert_eq!(found.of(&side("shop"), Term(10)), None);
        assert_eq!(found.of(&side("stock"), Term(9)), None);
    }

    #[test]
    fn what_another_version_adds_is_passed_by() {
        let text = write(&[report("shop", 6)]).replace('\n', "\tmore\tyet\n");
        assert_eq!(
            Found::read([text.as_str()]).of(&side("shop"), Term(6)),
            Some(report("shop", 6))
        );
        let text = text.replace("running", "dancing");
        assert_eq!(Found::read([text.as_str()]).of(&side("shop"), Term(6)), None);
    }

    #[test]
    fn long_positions_are_cut_and_take_one_line() {
        assert_eq!(cut("a\tb\nc"), "a b c");
        // In front of a letter, not amid its bytes.
        for (before, letters) in [("", 100), ("a", 100), ("ab", 101)] {
            let cut = cut(&format!("{before}{}", "é".repeat(150)));
            assert_eq!((cut.chars().count(), cut.ends_with(CUT)), (letters + 1, true), "{before}");
        }
    }

    #[test]
    fn what_does_not_fit_is_left_out_by_whole_lines() {
        let many: Vec<Report> =
            (0..20_000).map(|number| report(&format!("p{number}"), 1)).collect();
        let text = write(&many);
        assert!(text.len() <= MOST_BYTES && text.len() > MOST_BYTES - 200, "{}", text.len());
        assert!(text.ends_with("mariadb:0-1-7\n"));
        assert!(Found::read([text.as_str()]).of(&side("p0"), Term(1)).is_some());
    }

    /// Takes what is written after a refusal, and says what it got.
    struct Refusing(tokio::sync::mpsc::Sender<Option<Published>>, bool);

    impl Place for Refusing {
        type Error = std::io::Error;

        async fn write(&mut self, text: &Published) -> Result<(), Self::Error> {
            if std::mem::take(&mut self.1) {
                return Err(std::io::ErrorKind::BrokenPipe.into());
            }
            self.0.try_send(Some(Arc::clone(text))).map_err(std::io::Error::other)
        }

        async fn forget(self) {
            let _ = self.0.try_send(None);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn it_is_written_again_and_again_and_taken_back_at_the_end() {
        let (reports, published) = Reports::new();
        let (sender, mut written) = tokio::sync::mpsc::channel(64);
        let keeping = tokio::spawn(keep(Refusing(sender, true), published, Duration::from_secs(5)));
        reports.publish(&[report("shop", 6)]);
        let first = written.recv().await.flatten().unwrap();
        assert!(Found::read([&*first]).of(&side("shop"), Term(6)).is_some());
        drop(reports);
        keeping.await.unwrap();
        while let Some(more) = written.recv().await.unwrap() {
            assert_eq!(more, first);
        }
        assert_eq!(written.recv().await, None);
    }

    #[tokio::test]
    async fn the_same_is_not_published_twice() {
        let (reports, mut seen) = Reports::new();
        reports.publish(&[report("shop", 6)]);
        assert!(seen.has_changed().unwrap());
        seen.mark_unchanged();
        reports.publish(&[report("shop", 6)]);
        assert!(!seen.has_changed().unwrap());
        reports.publish(&[]);
        assert_eq!(&**seen.borrow_and_update(), "");
    }
}
