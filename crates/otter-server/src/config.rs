//! The configuration file: a contract that grows and does not break.
//!
//! Unknown keys are errors that name the nearest known one; keys that are not built yet are
//! refused by name. This module reads text and the environment, and never a database.

mod arbiter;
mod brake;
mod channels;
mod databases;
mod ddl;
mod digest;
mod error;
mod initial_copy;
mod limits;
mod mappings;
mod names;
mod pipelines;
mod section;
#[cfg(test)]
mod tests;
mod variables;

use std::path::{Path, PathBuf};

use toml::de::DeTable;

pub use arbiter::{ArbiterConfig, ArbiterKind};
pub use databases::Database;
pub use error::{ConfigError, Problem};
pub use limits::Limits;
pub use pipelines::PipelineConfig;
use section::{Keys, Section, Source, named};

const TOP_KEYS: Keys =
    Keys { known: &["server", "arbiter", "databases", "channels"], not_built: &[] };

const SERVER_KEYS: Keys = Keys {
    known: &[],
    not_built: &[
        ("listen", "this version has no console; remove the key"),
        ("store", "this version keeps no store; remove the key"),
    ],
};

/// A whole configuration, checked as far as that goes without a database.
#[derive(Debug, Clone)]
pub struct Config {
    /// The file that it was read from.
    pub file: PathBuf,
    /// Who decides which process runs a pipeline.
    pub arbiter: ArbiterConfig,
    /// All databases, used or not.
    pub databases: Vec<Database>,
    /// The pipelines of all channels, in the order of the file.
    pub pipelines: Vec<PipelineConfig>,
    /// Stands for all that only a restart changes.
    fixed: u64,
}

impl Config {
    /// Reads a file, with the variables of this process's environment.
    ///
    /// # Errors
    /// A [`ConfigError`] that names the file, line and key.
    pub fn load(file: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(file)
            .map_err(|error| ConfigError::new(file, None, Problem::Unreadable(error)))?;
        Self::parse(&text, file, &|name| std::env::var(name).ok())
    }

    /// Reads a text as if it stood in `file`, whose folder relative paths begin in.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    pub fn parse(
        text: &str,
        file: &Path,
        variables: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Self, ConfigError> {
        let source = Source { file, text, lookup: variables };
        let document = DeTable::parse(text).map_err(|error| {
            // The whole message would quote the line, and with it perhaps a password.
            let line = error.span().map(|span| source.line_of(&span));
            ConfigError::new(file, line, Problem::Syntax(error.message().to_owned()))
        })?;
        let top = Section::new(&source, "the file", &document, &TOP_KEYS)?;
        // Nothing of it is built, so that only its unknown keys are of interest.
        let _ = top.table("server", "[server]", &SERVER_KEYS)?;
        let arbiter = top.table("arbiter", "[arbiter]", &arbiter::KEYS)?;
        let arbiter = arbiter::read(arbiter.as_ref(), folder_of(file))?;
        let databases = top.tables("databases", named("database"), &databases::KEYS)?;
        let databases = databases::read(&databases)?;
        let channels = top.tables("channels", named("channel"), &channels::KEYS)?;
        if channels.is_empty() {
            return Err(top.missing("channels", "a [[channels]] with its [[channels.pipelines]]"));
        }
        let pipelines = channels::read(&channels, &databases)?;
        channels::refuse_meetings(&source, &pipelines)?;
        let fixed = digest::of_what_stays(document.get_ref());
        Ok(Self { file: file.to_owned(), arbiter, databases, pipelines, fixed })
    }

    /// Whether a later reading of the file differs only in what a running process takes: limits of
    /// speed and brakes.
    #[must_use]
    pub fn differs_live_only(&self, later: &Self) -> bool {
        self.fixed == later.fixed
    }

    /// The pipeline with this name.
    #[must_use]
    pub fn pipeline(&self, name: &str) -> Option<&PipelineConfig> {
        self.pipelines.iter().find(|pipeline| pipeline.name == name)
    }
}

fn folder_of(file: &Path) -> &Path {
    match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        Some(_) | None => Path::new("."),
    }
}
