//! Names of databases, sites, channels and pipelines: what they are made of, and that each is
//! used once.

use std::collections::HashMap;

use super::error::{ConfigError, Problem};
use super::section::{Located, Section};

/// Names end up in file names, in MySQL's named locks (64 characters with a prefix) and in logs.
const LONGEST_NAME: usize = 40;

/// Names of one kind that were met so far, with their lines.
pub(super) struct Names {
    kind: &'static str,
    lines: HashMap<String, usize>,
}

impl Names {
    pub(super) fn new(kind: &'static str) -> Self {
        Self { kind, lines: HashMap::new() }
    }

    /// Takes a name that nobody has yet.
    pub(super) fn add(
        &mut self,
        section: &Section<'_>,
        name: &Located<String>,
    ) -> Result<(), ConfigError> {
        let Some(first) = self.lines.insert(name.value.clone(), name.line) else { return Ok(()) };
        let (kind, name) = (self.kind, name.value.clone());
        Err(section.error("name", Problem::NameTwice { kind, name, first }))
    }
}

/// Refuses what is no name.
pub(super) fn check_name(
    section: &Section<'_>,
    key: &str,
    name: &Located<String>,
) -> Result<(), ConfigError> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    let name = &name.value;
    let begins_well = name.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric());
    if begins_well && name.len() <= LONGEST_NAME && name.bytes().all(allowed) {
        return Ok(());
    }
    Err(section.bad_value(
        key,
        format!(
            "a name of up to {LONGEST_NAME} letters, digits, `-`, `_` and `.` that begins with a \
             letter or digit"
        ),
    ))
}
