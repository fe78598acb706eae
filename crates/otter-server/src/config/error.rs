//! What can be wrong with a configuration file.
//!
//! Every message names the file, the line where there is one, the key, and what to write
//! instead. None quotes a value that may hold a password (SECRET-1).

use std::fmt;
use std::path::{Path, PathBuf};

use otter_arbitrate::ZooKeeperArbiterError;
use otter_core::database_url::DatabaseUrlError;
use otter_core::mapping::MappingError;
use otter_core::position::ParsePositionError;
use otter_core::script::ScriptError;

/// A configuration that cannot be used: where, and why.
#[derive(Debug)]
pub struct ConfigError {
    file: PathBuf,
    line: Option<usize>,
    problem: Box<Problem>,
}

/// Why a configuration cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// The file cannot be read.
    #[error("cannot read the configuration: {0}; name another file with --config")]
    Unreadable(std::io::Error),
    /// Not TOML.
    #[error("this is not TOML: {0}")]
    Syntax(String),
    /// A key that no version knows.
    #[error("unknown key `{key}` in {section}: {}", meant(.nearest, .known))]
    UnknownKey {
        /// As it was written.
        key: String,
        /// Where it stands.
        section: String,
        /// The known key that resembles it.
        nearest: Option<&'static str>,
        /// All keys that may stand there.
        known: Vec<&'static str>,
    },
    /// A key of the contract that this version does not have.
    #[error("`{key}` in {section} is not built yet: {instead}")]
    NotBuiltKey {
        /// The key.
        key: &'static str,
        /// Where it stands.
        section: String,
        /// What to do without it.
        instead: &'static str,
    },
    /// A value of the contract that this version does not have.
    #[error("`{key} = {value}` in {section} is not built yet: {instead}")]
    NotBuiltValue {
        /// The key.
        key: &'static str,
        /// The value as TOML.
        value: &'static str,
        /// Where it stands.
        section: String,
        /// What to write instead.
        instead: &'static str,
    },
    /// A key that goes with another value of `kind`.
    #[error("`{key}` in {section} goes with {kind}: write that, or remove the key")]
    OtherKind {
        /// The key.
        key: &'static str,
        /// Where it stands.
        section: String,
        /// The kind that has the key, as TOML.
        kind: &'static str,
    },
    /// Two settings that exclude each other.
    #[error("`{one}` and `{other}` in {section} do not go together: {instead}")]
    Together {
        /// The one, as TOML.
        one: &'static str,
        /// The other, as TOML.
        other: &'static str,
        /// Where they stand.
        section: String,
        /// What to write instead.
        instead: &'static str,
    },
    /// A key that must be there.
    #[error("{section} has no `{key}`: add {example}")]
    Missing {
        /// The key.
        key: &'static str,
        /// Where it should stand.
        section: String,
        /// A line that would do.
        example: &'static str,
    },
    /// A value of another type or out of range.
    #[error("`{key}` in {section} takes {takes}")]
    BadValue {
        /// The key.
        key: String,
        /// Where it stands.
        section: String,
        /// What it takes.
        takes: String,
    },
    /// A `$` that begins nothing.
    #[error(
        "`{key}` in {section} holds a `$` that begins no variable: write `$$` for a dollar sign, \
         or `${{NAME}}` to read the environment"
    )]
    LoneDollar {
        /// The key.
        key: String,
        /// Where it stands.
        section: String,
    },
    /// A variable that is not in the environment.
    #[error(
        "`{key}` in {section} reads the environment variable {variable}, which is not set: \
         export {variable}=… before starting"
    )]
    MissingVariable {
        /// The key.
        key: String,
        /// Where it stands.
        section: String,
        /// The variable.
        variable: String,
    },
    /// A URL that cannot be read.
    #[error("`url` in {section}: {error}")]
    Url {
        /// Where it stands.
        section: String,
        /// Why.
        error: DatabaseUrlError,
    },
    /// Servers or a path that ZooKeeper does not have.
    #[error("`{key}` in {section}: {error}")]
    ZooKeeper {
        /// The key.
        key: &'static str,
        /// Where it stands.
        section: String,
        /// Why.
        error: ZooKeeperArbiterError,
    },
    /// A start that is no position.
    #[error("`start` in {section}: {error}; or write \"now\" or \"earliest\"")]
    Start {
        /// Where it stands.
        section: String,
        /// Why.
        error: ParsePositionError,
    },
    /// A mapping that cannot be used.
    #[error("`tables` in {section}: {error}")]
    Mapping {
        /// Where it stands.
        section: String,
        /// Why.
        error: MappingError,
    },
    /// A filter that cannot be used.
    #[error("`filter` of `{from}`: {error}")]
    Filter {
        /// The pattern of the source's tables.
        from: String,
        /// Why.
        error: ScriptError,
    },
    /// An expression that cannot spread rows.
    #[error("`spread` of `{from}`: {error}")]
    Spread {
        /// The pattern of the source's tables.
        from: String,
        /// Why.
        error: ScriptError,
    },
    /// A name that is used twice.
    #[error("the {kind} name `{name}` is used twice (first in line {first}): rename one of them")]
    NameTwice {
        /// What has the name.
        kind: &'static str,
        /// The name.
        name: String,
        /// The line of the first use.
        first: usize,
    },
    /// A reference to a database that is not there.
    #[error("`{key} = \"{name}\"` in {section} names no database: {}", known_names(.nearest, .known))]
    UnknownDatabase {
        /// `from` or `to`.
        key: &'static str,
        /// The name.
        name: String,
        /// Where it stands.
        section: String,
        /// The known name that resembles it.
        nearest: Option<String>,
        /// All databases.
        known: Vec<String>,
    },
    /// A pipeline from a database to itself.
    #[error("{section} goes from `{database}` to itself: name another database in `to`")]
    ToItself {
        /// The pipeline.
        section: String,
        /// The database.
        database: String,
    },
    /// Two pipelines that carry the same table to the same database.
    #[error(
        "the pipelines `{first}` and `{second}` would both carry the tables of `{mapping}` from \
         `{from}` to `{to}`: take the table out of one of them"
    )]
    CarriedTwice {
        /// The earlier pipeline.
        first: String,
        /// The later pipeline.
        second: String,
        /// A pattern of the later one.
        mapping: String,
        /// The source.
        from: String,
        /// The target.
        to: String,
    },
    /// Pipelines that would read what they wrote.
    #[error(
        "the pipelines {} would carry changes in a circle: two ways are not built yet; map \
         different tables, or remove one of them", quoted(.pipelines)
    )]
    Circle {
        /// The pipelines in the order of the circle.
        pipelines: Vec<String>,
    },
}

impl ConfigError {
    pub(super) fn new(file: &Path, line: Option<usize>, problem: Problem) -> Self {
        Self { file: file.to_owned(), line, problem: Box::new(problem) }
    }

    /// The line, counted from 1, where the problem has one.
    #[must_use]
    pub fn line(&self) -> Option<usize> {
        self.line
    }

    /// Why the configuration cannot be used.
    #[must_use]
    pub fn problem(&self) -> &Problem {
        &self.problem
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        if let Some(line) = self.line {
            write!(f, ", line {line}")?;
        }
        write!(f, ": {}", self.problem)
    }
}

impl std::error::Error for ConfigError {}

fn meant(nearest: &Option<&'static str>, known: &[&'static str]) -> String {
    match nearest {
        Some(nearest) => format!("did you mean `{nearest}`?"),
        None => format!("it takes {}", quoted(known)),
    }
}

fn known_names(nearest: &Option<String>, known: &[String]) -> String {
    match nearest {
        Some(nearest) => format!("did you mean `{nearest}`?"),
        None if known.is_empty() => "add it under [[databases]]".to_owned(),
        None => format!("there are {}", quoted(known)),
    }
}

fn quoted<T: fmt::Display>(names: &[T]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}
