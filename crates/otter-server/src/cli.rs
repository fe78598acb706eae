//! The command line: what may be asked, and which command answers.

mod copy;
mod quarantine;
mod resync;
mod verify;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use otter_arbitrate::Wanted;
use otter_core::mapping::TablePattern;
use otter_core::{AtStart, DatabaseUrl, Start};

use crate::check::CheckFormat;
use crate::config::Config;
use crate::demo::DemoOptions;
use crate::exit::{self, Exit};
use crate::logs::{self, LogFormat, LogLevel};
use crate::position::Wish;
use crate::run::{RunOptions, WhenHeld};
use crate::sandbox::Flavor;
use crate::status::StatusFormat;
use crate::tail::{Extent, TailOptions, TailSource, parse_until};
use crate::terminal::complain;
use copy::CopyArgs;
use quarantine::QuarantineArgs;
use resync::ResyncArgs;
use verify::VerifyArgs;

/// Where `tail` finds its server unless told.
const TAIL_URL: &str = "OTTER_TAIL_URL";

/// Keeps databases in step by reading the source's binlog.
#[derive(Debug, Parser)]
#[command(name = "otter-server", version, after_help = exit::HELP)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run all pipelines of a configuration until stopped
    Run(RunArgs),
    /// Check every precondition of every pipeline, and print what mends those that fail
    Check(CheckArgs),
    /// Print who holds each pipeline, since when, under which term and until when
    ///
    /// The arbiter of the configuration is asked; nothing is changed. With `kind = "local"` only
    /// the processes of this machine are known.
    Status(StatusArgs),
    /// Stop a pipeline in order, wherever it runs, until it is resumed
    ///
    /// Every process of the installation heeds it, also one that is started later. The process that
    /// runs the pipeline loads what it has read, commits, and gives it back.
    Pause(OnePipeline),
    /// Let a paused pipeline run again
    Resume(OnePipeline),
    /// Watch two private databases being kept in step under load
    Demo(DemoArgs),
    /// Print what a database's server writes to its binlog, or what is in binlog files, as lines of
    /// JSON
    ///
    /// Each changed row is one line: `database`, `table`, `type` (insert, update, delete), `data`,
    /// and for an update `old` with what the changed columns held before; then `ts`, `server_id`,
    /// `position` and `gtid` of its transaction, whose last line has `"commit":true`. A schema
    /// change has the type `ddl` and the statement as `sql`. It ends on Ctrl-C. Files are read
    /// without a server, from their beginning to their end.
    Tail(Box<TailArgs>),
    /// Show, set or adopt the positions that are stored in the targets
    Position(PositionArgs),
    /// Compare the tables of source and target, while the pipeline runs
    ///
    /// Both servers compute checksums of ranges of rows. Rows that differ are looked at again when the
    /// target has come to the source's position, so that traffic is no difference. Nothing is written
    /// and nothing is locked. Rows that differ are printed with their keys and values. With `--repair`
    /// they are copied from the source again, by the running pipeline.
    Verify(Box<VerifyArgs>),
    /// Show how far initial copies are, table by table
    ///
    /// The targets are asked, which keep it with the rows; nothing is changed. With `--follow` it is
    /// shown until all is copied: as bars in a terminal, as a line every ten seconds elsewhere.
    Copy(CopyArgs),
    /// Copy rows from the source again, while the pipeline runs
    ///
    /// The rows are read at the source and replace those of the target, in order with the changes
    /// that come meanwhile. Without `--key` and `--where` they are all rows of the table. Tells what
    /// would be done, and does it with `--yes`. The running pipeline takes it up within a second or
    /// two, else the next start does.
    Resync(Box<ResyncArgs>),
    /// List, show, retry, edit or drop the rows that a target holds in quarantine
    Quarantine(Box<QuarantineArgs>),
}

#[derive(Debug, Args)]
struct ConfigArgs {
    /// The configuration file
    #[arg(short, long, value_name = "FILE", env = "OTTER_CONFIG", default_value = "otter.toml")]
    config: PathBuf,
}

#[derive(Debug, Args)]
struct LogArgs {
    /// What log lines look like
    #[arg(long = "log", value_name = "FORMAT", value_enum, default_value = "text")]
    format: LogFormat,
    /// Which log lines are written
    #[arg(long = "log-level", value_name = "LEVEL", value_enum, default_value = "info")]
    level: LogLevel,
}

#[derive(Debug, Args)]
struct RunArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// Exit with code 5 where another process holds a pipeline, instead of waiting for it
    #[arg(long)]
    no_wait: bool,
    /// Keep trying where a database does not answer at start, instead of giving up
    #[arg(long)]
    keep_trying: bool,
    #[command(flatten)]
    log: LogArgs,
}

#[derive(Debug, Args)]
struct CheckArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct StatusArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct OnePipeline {
    #[command(flatten)]
    config: ConfigArgs,
    /// The pipeline
    #[arg(value_name = "PIPELINE")]
    pipeline: String,
}

#[derive(Debug, Args)]
struct DemoArgs {
    /// The server to read from: mariadb or mysql
    #[arg(long, value_name = "SERVER", default_value_t = Flavor::MariaDb)]
    source: Flavor,
    /// The server to write to: mariadb or mysql
    #[arg(long, value_name = "SERVER", default_value_t = Flavor::MariaDb)]
    target: Flavor,
    /// End by itself after so many seconds; without it, on Ctrl-C
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=86_400))]
    seconds: Option<u64>,
    /// Transactions per second that the shop tries to make
    #[arg(long, value_name = "N", default_value_t = 500,
          value_parser = clap::value_parser!(u32).range(1..=100_000))]
    rate: u32,
}

#[derive(Debug, Args)]
struct TailArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// The database, by its name in the configuration
    #[arg(value_name = "DATABASE", required_unless_present_any = ["url", "files"])]
    database: Option<String>,
    /// The server, instead of a database of the configuration: mysql://user@host:port
    #[arg(
        long,
        value_name = "URL",
        env = TAIL_URL,
        hide_env_values = true,
        conflicts_with = "database"
    )]
    url: Option<String>,
    /// Binlog files instead of a server: one file, a folder of them, or an index (binlog.index)
    #[arg(long, value_name = "PATH", conflicts_with = "database")]
    files: Option<PathBuf>,
    /// Where to begin: now, earliest, FILE:OFFSET, a GTID set, or a time 2026-11-21T07:00:00Z;
    /// without it now, and earliest in files
    #[arg(long, value_name = "START")]
    from: Option<Start>,
    /// Where to end: now, FILE:OFFSET, a GTID set, or a time; without it never, and at the end of
    /// files
    #[arg(long, value_name = "END", value_parser = parse_until)]
    until: Option<Start>,
    /// Only these tables: shop.orders, shop.*; may be given several times
    #[arg(long = "table", value_name = "PATTERN")]
    tables: Vec<TablePattern>,
    /// End after so many changes
    #[arg(long, value_name = "N")]
    count: Option<u64>,
    /// Print for people: keys first, of an update only what changed
    #[arg(long)]
    pretty: bool,
}

#[derive(Debug, Args)]
struct PositionArgs {
    #[command(subcommand)]
    command: PositionCommand,
}

#[derive(Debug, Subcommand)]
enum PositionCommand {
    /// Print how far each pipeline has come, and under whose terms
    Show(PositionOf),
    /// Make the checkpoints this installation's, after its state folder was lost or replaced
    ///
    /// A checkpoint belongs to the arbiter that granted the terms it was written under, so that
    /// terms of two arbiters are never compared. Adopting is the operator's word that no process
    /// of the former arbiter runs this pipeline any more. The position stays as it is.
    Adopt(PositionOf),
    /// Move a pipeline to another position, for an operator who knows what is in the target
    ///
    /// Tells which transactions are skipped and repeated, and changes nothing without `--yes`. The
    /// pipeline must be stopped; it goes on from there at its next start.
    Set(PositionSet),
}

#[derive(Debug, Args)]
struct PositionOf {
    #[command(flatten)]
    config: ConfigArgs,
    /// One pipeline; all of them without it
    #[arg(value_name = "PIPELINE")]
    pipeline: Option<String>,
}

#[derive(Debug, Args)]
struct PositionSet {
    #[command(flatten)]
    config: ConfigArgs,
    /// The pipeline
    #[arg(value_name = "PIPELINE")]
    pipeline: String,
    /// Where to: `now`, `earliest`, a GTID set, `FILE:OFFSET`, or a time as `2026-11-21T07:00:00Z`
    #[arg(long, value_name = "POSITION")]
    to: Start,
    /// Do it
    #[arg(long)]
    yes: bool,
}

/// Reads the command line, does what it asks and returns the exit code.
#[must_use]
pub fn main() -> ExitCode {
    tell_panics_without_their_text();
    let cli = Cli::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let exit = match runtime {
        Ok(runtime) => runtime.block_on(Box::pin(answer(cli.command))),
        Err(error) => {
            complain(format_args!("cannot start the threads of the program: {error}"));
            Exit::Halted
        }
    };
    exit.into()
}

async fn answer(command: Command) -> Exit {
    match command {
        Command::Run(args) => {
            logs::start(args.log.format, args.log.level);
            let Some(config) = load(&args.config) else { return Exit::Usage };
            let options = RunOptions {
                when_held: if args.no_wait { WhenHeld::Exit } else { WhenHeld::Wait },
                at_start: if args.keep_trying { AtStart::KeepTrying } else { AtStart::GiveUp },
            };
            crate::run::run(&config, options).await
        }
        Command::Check(args) => {
            let Some(config) = load(&args.config) else { return Exit::Usage };
            crate::check::check(
                &config,
                if args.json { CheckFormat::Json } else { CheckFormat::Text },
            )
            .await
        }
        Command::Status(args) => {
            let Some(config) = load(&args.config) else { return Exit::Usage };
            let format = if args.json { StatusFormat::Json } else { StatusFormat::Text };
            crate::status::status(&config, format).await
        }
        Command::Pause(of) => {
            let Some(config) = load(&of.config) else { return Exit::Usage };
            crate::wanted::want(&config, &of.pipeline, Wanted::Paused).await
        }
        Command::Resume(of) => {
            let Some(config) = load(&of.config) else { return Exit::Usage };
            crate::wanted::want(&config, &of.pipeline, Wanted::Running).await
        }
        Command::Demo(args) => {
            let options = DemoOptions {
                source: args.source,
                target: args.target,
                seconds: args.seconds,
                rate: args.rate,
            };
            crate::demo::demo(options).await
        }
        Command::Tail(args) => {
            logs::start(LogFormat::Text, LogLevel::Warn);
            let Some(source) = tail_source(&args) else { return Exit::Usage };
            let TailArgs { from, until, tables, count, pretty, .. } = *args;
            let extent = Extent { from, until, tables };
            crate::tail::tail(TailOptions { source, extent, count, pretty }).await
        }
        Command::Position(PositionArgs { command: PositionCommand::Show(of) }) => {
            let Some(config) = load(&of.config) else { return Exit::Usage };
            crate::position::show(&config, of.pipeline.as_deref()).await
        }
        Command::Position(PositionArgs { command: PositionCommand::Adopt(of) }) => {
            let Some(config) = load(&of.config) else { return Exit::Usage };
            crate::position::adopt(&config, of.pipeline.as_deref()).await
        }
        Command::Position(PositionArgs { command: PositionCommand::Set(set) }) => {
            let Some(config) = load(&set.config) else { return Exit::Usage };
            let wish = if set.yes { Wish::Set } else { Wish::Preview };
            crate::position::set(&config, &set.pipeline, &set.to, wish).await
        }
        Command::Verify(args) => args.answer().await,
        Command::Copy(args) => args.answer().await,
        Command::Resync(args) => args.answer().await,
        Command::Quarantine(args) => args.answer().await,
    }
}

fn load(args: &ConfigArgs) -> Option<Config> {
    Config::load(&args.config).map_err(complain).ok()
}

/// What `tail` is about; `None` after a complaint.
fn tail_source(args: &TailArgs) -> Option<TailSource> {
    let Some(path) = &args.files else { return tail_url(args).map(TailSource::Server) };
    // A URL of the environment is there for other calls too.
    if args.url.is_some() && args.url != std::env::var(TAIL_URL).ok() {
        complain("--files reads without a server, so --url has no meaning: leave one of them out");
        return None;
    }
    Some(TailSource::Files(path.clone()))
}

/// The server that `tail` is about; `None` after a complaint.
fn tail_url(args: &TailArgs) -> Option<DatabaseUrl> {
    if let Some(url) = &args.url {
        return url.parse().map_err(|error| complain(format_args!("--url: {error}"))).ok();
    }
    let config = load(&args.config)?;
    let name = args.database.as_deref().unwrap_or_default();
    let found = config.databases.iter().find(|database| database.name == name);
    if found.is_none() {
        let known: Vec<&str> = config.databases.iter().map(|one| one.name.as_str()).collect();
        complain(format_args!(
            "{} has no database `{name}`; there are {}",
            config.file.display(),
            known.join(", ")
        ));
    }
    Some(found?.url.clone())
}

/// A panic is a fault of the program; its text may hold a row value, so only its place is told
/// (SECRET-1).
fn tell_panics_without_their_text() {
    std::panic::set_hook(Box::new(|panic| {
        let place =
            panic.location().map_or_else(|| "an unknown place".to_owned(), ToString::to_string);
        complain(format_args!(
            "otter-server has a fault of its own at {place}: please report it with this line"
        ));
    }));
}
