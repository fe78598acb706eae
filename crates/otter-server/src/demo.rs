//! `otter-server demo`: two private databases, a busy shop, and the pipeline between them.
//!
//! Everything that the demo starts is its own and goes away with it. It ends well only where
//! both sides hold the same rows.

mod compare;
mod load;
mod pulse;
mod random;
mod screen;
mod shop;
mod stage;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use otter_core::{Progress, Stop, StopHandle};
use sqlx::Connection;
use sqlx::mysql::MySqlConnection;
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};

use crate::exit::Exit;
use crate::sandbox::Flavor;
use crate::signals::EndSignals;
use crate::terminal::{Colour, complain, is_terminal, paint, write};
use load::Done;
use screen::{Screen, Totals, grouped};
use stage::{DemoError, Running, Stage};

/// Five frames a second: lively for the eye, nothing for the machine.
const FRAME: Duration = Duration::from_millis(200);
/// What a load without an end is given: a hundred years.
const FOR_EVER: Duration = Duration::from_secs(3_155_760_000);

/// What to show.
#[derive(Debug, Clone, Copy)]
pub struct DemoOptions {
    /// The server to read from.
    pub source: Flavor,
    /// The server to write to.
    pub target: Flavor,
    /// How long the load runs; until Ctrl-C without it.
    pub seconds: Option<u64>,
    /// Transactions per second that the load tries to make.
    pub rate: u32,
}

/// Runs the demo; [`Exit::Done`] only where both sides are equal at the end.
///
/// The first SIGINT or SIGTERM ends the load, and both sides are compared; the second quits at
/// once. Nothing is left behind either way.
pub async fn demo(options: DemoOptions) -> Exit {
    let mut signals = match EndSignals::listen() {
        Ok(signals) => signals,
        Err(error) => {
            complain(format_args!("cannot listen for signals: {error}"));
            return Exit::Halted;
        }
    };
    let (end, asked) = StopHandle::new();
    let two_signals = async {
        signals.next().await;
        end.stop();
        signals.next().await
    };
    tokio::select! {
        biased;
        outcome = Box::pin(show(options, asked)) => outcome.unwrap_or_else(|error| {
            complain(error);
            Exit::Halted
        }),
        signal = two_signals => {
            write("\n");
            complain(format_args!("{} again: the sides were not compared", signal.name()));
            Exit::Halted
        }
    }
}

async fn show(options: DemoOptions, asked: Stop) -> Result<Exit, DemoError> {
    write(&format!("Starting two databases: {} and {} …\n", options.source, options.target));
    let stage = Stage::set(options.source, options.target).await?;
    write("\nThe pipeline between them, as a user would configure it:\n\n");
    for line in stage.config_text().lines() {
        write(&format!("    {}\n", paint(Colour::Dim, line, is_terminal())));
    }
    write("\n");
    let mut running = stage.run_pipeline().await?;
    stage.source.execute(&shop::opening()).await?;

    let mut screen = Screen::new(route(&stage), options.seconds);
    let shown = trade(&stage, &mut running, &mut screen, options, &asked).await;
    screen.finish();
    shown?;

    write("\nThe shop is closed. Waiting for the last change to arrive …\n");
    let mut source = MySqlConnection::connect_with(&stage.source.connect_options()).await?;
    let mut target = MySqlConnection::connect_with(&stage.target.connect_options()).await?;
    tokio::select! {
        biased;
        error = running.ended() => return Err(error),
        arrived = pulse::last_beat(&mut source, &mut target) => arrived?,
    }
    let progress = running.progress.borrow().clone();
    running.stop().await?;
    let equal = compare_all(&mut source, &mut target).await?;
    write(&summary(&progress, &screen, equal));
    Ok(if equal { Exit::Done } else { Exit::Failed })
}

/// Runs the load and draws, until the time is over or an end is asked for.
async fn trade(
    stage: &Stage,
    running: &mut Running,
    screen: &mut Screen,
    options: DemoOptions,
    asked: &Stop,
) -> Result<(), DemoError> {
    let done = Arc::new(Done::opening());
    let (close, closed) = StopHandle::new();
    let (lag, mut lags) = mpsc::channel(64);
    let (from, to) = (stage.source.connect_options(), stage.target.connect_options());
    let mut load = tokio::spawn(load::run(from.clone(), options.rate, Arc::clone(&done), closed));
    let mut pulse = tokio::spawn(pulse::measure(from, to, lag, Arc::clone(&done)));
    let begun = Instant::now();
    let end = begun + options.seconds.map_or(FOR_EVER, Duration::from_secs);
    let mut frames = interval(FRAME);
    frames.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        tokio::select! {
            biased;
            () = asked.asked() => break,
            () = sleep_until(end) => break,
            error = running.ended() => return Err(error),
            ended = &mut load => {
                ended.map_err(|_| DemoError::LoadGone)??;
                return Err(DemoError::LoadGone);
            }
            Some(lag) = lags.recv() => screen.lag(lag),
            _ = frames.tick() => {
                screen.draw(begun.elapsed(), totals(&done, &running.progress.borrow()));
            }
        }
    }
    close.stop();
    load.await.map_err(|_| DemoError::LoadGone)??;
    // It may be in the middle of a beat, which nobody needs any more.
    pulse.abort();
    let _ = (&mut pulse).await;
    screen.draw(begun.elapsed(), totals(&done, &running.progress.borrow()));
    Ok(())
}

fn totals(done: &Done, progress: &Progress) -> Totals {
    Totals {
        source_transactions: done.transactions.load(Ordering::Relaxed),
        source_rows: done.rows(),
        inserted: done.inserted.load(Ordering::Relaxed),
        updated: done.updated.load(Ordering::Relaxed),
        deleted: done.deleted.load(Ordering::Relaxed),
        target_transactions: progress.transactions,
        target_rows: progress.rows,
        groups: progress.groups,
    }
}

/// Compares all tables and prints how each came out.
async fn compare_all(
    source: &mut MySqlConnection,
    target: &mut MySqlConnection,
) -> Result<bool, DemoError> {
    write(&format!("\n  {:<14}{:>12}{:>12}\n", "table", "source", "target"));
    let mut all_equal = true;
    for table in shop::TABLES {
        let outcome = compare::compare(source, target, table).await?;
        all_equal &= outcome.is_equal();
        let verdict = if outcome.is_equal() {
            paint(Colour::Green, "equal", is_terminal())
        } else {
            let text = format!(
                "{} rows only at the source, {} only at the target",
                grouped(outcome.only_source),
                grouped(outcome.only_target)
            );
            paint(Colour::Red, &text, is_terminal())
        };
        write(&format!(
            "  {table:<14}{:>12}{:>12}  {verdict}\n",
            grouped(outcome.source_rows),
            grouped(outcome.target_rows)
        ));
    }
    Ok(all_equal)
}

fn summary(progress: &Progress, screen: &Screen, equal: bool) -> String {
    let verdict = if equal {
        paint(Colour::Green, "Both sides are equal, byte for byte.", is_terminal())
    } else {
        paint(Colour::Red, "The sides differ: this is a fault of Otter.", is_terminal())
    };
    format!(
        "\n{verdict}\n{} transactions with {} rows arrived in {} target transactions; lag {}.\n",
        grouped(progress.transactions),
        grouped(progress.rows),
        grouped(progress.groups),
        screen.lag_summary()
    )
}

fn route(stage: &Stage) -> String {
    let name = |server: &crate::sandbox::Server| {
        let family = match server.flavor() {
            Flavor::MariaDb => "MariaDB",
            Flavor::MySql => "MySQL",
        };
        format!("{family} {}", version_number(server.version()))
    };
    format!("{} → {}", name(&stage.source), name(&stage.target))
}

/// The number in what a server program prints about its version.
fn version_number(printed: &str) -> &str {
    printed
        .split([' ', '-', ','])
        .find(|word| word.contains('.') && word.starts_with(|letter: char| letter.is_ascii_digit()))
        .unwrap_or("")
}

#[cfg(test)]
mod tests {
    use super::version_number;

    #[test]
    fn the_version_is_found_in_what_servers_print() {
        let mariadb = "mariadbd  Ver 10.11.19-MariaDB-0+deb12u1 for debian-linux-gnu on x86_64";
        assert_eq!(version_number(mariadb), "10.11.19");
        let mysql = "mysqld  Ver 9.7.4-1 for Debian on x86_64 ((Debian))";
        assert_eq!(version_number(mysql), "9.7.4");
    }
}
