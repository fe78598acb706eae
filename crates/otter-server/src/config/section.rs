//! Reads the tables of a TOML document key by key, so that every complaint names the key, where
//! it stands and its line.
//!
//! Done by hand instead of by derive: the derived messages quote values, which may be passwords,
//! and know neither the nearest key nor the keys that are not built yet.

use std::ops::{Range, RangeInclusive};
use std::path::Path;

use otter_core::nearest::nearest;
use toml::Spanned;
use toml::de::{DeInteger, DeTable, DeValue};

use super::error::{ConfigError, Problem};

use super::variables::{ExpandError, Lookup, expand, expand_url};

/// Replaces the variables of a text.
type Expand = fn(&str, Lookup<'_>) -> Result<String, ExpandError>;

/// The text of a file and how to speak about it.
pub(super) struct Source<'a> {
    pub(super) file: &'a Path,
    pub(super) text: &'a str,
    pub(super) lookup: Lookup<'a>,
}

/// What may stand in a section.
pub(super) struct Keys {
    pub(super) known: &'static [&'static str],
    /// Keys of the contract that are not built yet, and what to do without them.
    pub(super) not_built: &'static [(&'static str, &'static str)],
}

/// A value and the line it stands in.
#[derive(Debug, Clone)]
pub(super) struct Located<T> {
    pub(super) value: T,
    pub(super) line: usize,
}

/// One table of the document.
pub(super) struct Section<'a> {
    pub(super) source: &'a Source<'a>,
    /// As messages call it: `pipeline "shop"`, `[arbiter]`.
    title: String,
    line: usize,
    table: &'a DeTable<'a>,
}

impl<'a> Source<'a> {
    pub(super) fn line_of(&self, span: &Range<usize>) -> usize {
        let before = self.text.get(..span.start).unwrap_or(self.text);
        before.bytes().filter(|byte| *byte == b'\n').count() + 1
    }

    pub(super) fn error(&self, line: usize, problem: Problem) -> ConfigError {
        ConfigError::new(self.file, Some(line), problem)
    }
}

impl<'a> Section<'a> {
    /// Takes a table, refusing keys that may not stand there.
    pub(super) fn new(
        source: &'a Source<'a>,
        title: &str,
        table: &'a Spanned<DeTable<'a>>,
        keys: &Keys,
    ) -> Result<Self, ConfigError> {
        let line = source.line_of(&table.span());
        Self::at(source, title.to_owned(), (line, table.get_ref()), keys)
    }

    fn at(
        source: &'a Source<'a>,
        title: String,
        (line, table): (usize, &'a DeTable<'a>),
        keys: &Keys,
    ) -> Result<Self, ConfigError> {
        let section = Self { source, title, line, table };
        // A table keeps its keys sorted; the first in the file is the first to be told.
        let mut written: Vec<_> = table.keys().collect();
        written.sort_by_key(|key| key.span().start);
        for key in written {
            section.refuse_unless_known(key.get_ref(), source.line_of(&key.span()), keys)?;
        }
        Ok(section)
    }

    fn refuse_unless_known(&self, key: &str, line: usize, keys: &Keys) -> Result<(), ConfigError> {
        if keys.known.contains(&key) {
            return Ok(());
        }
        let section = self.title();
        if let Some((key, instead)) = keys.not_built.iter().find(|(name, _)| *name == key) {
            return Err(self.source.error(line, Problem::NotBuiltKey { key, section, instead }));
        }
        let later = keys.not_built.iter().map(|(name, _)| *name);
        Err(self.source.error(
            line,
            Problem::UnknownKey {
                key: key.to_owned(),
                section,
                nearest: nearest(key, keys.known.iter().copied().chain(later)),
                known: keys.known.to_vec(),
            },
        ))
    }

    /// How messages call this section.
    pub(super) fn title(&self) -> String {
        self.title.clone()
    }

    /// The line that the section begins in.
    pub(super) fn line(&self) -> usize {
        self.line
    }

    /// The line of a key, or of the section where the key is not there.
    pub(super) fn line_of(&self, key: &str) -> usize {
        let written = self.table.keys().find(|written| written.get_ref() == key);
        written.map_or(self.line, |written| self.source.line_of(&written.span()))
    }

    /// An error at a key.
    pub(super) fn error(&self, key: &str, problem: Problem) -> ConfigError {
        self.source.error(self.line_of(key), problem)
    }

    /// A value that the key does not take.
    pub(super) fn bad_value(&self, key: &str, takes: impl Into<String>) -> ConfigError {
        let (key, section) = (key.to_owned(), self.title());
        let at = key.clone();
        self.error(&at, Problem::BadValue { key, section, takes: takes.into() })
    }

    /// Whether a key stands there.
    pub(super) fn has(&self, key: &str) -> bool {
        self.value(key).is_some()
    }

    /// Whether a table stands there.
    pub(super) fn is_table(&self, key: &str) -> bool {
        self.value(key).is_some_and(|value| value.as_table().is_some())
    }

    /// A text with its variables replaced.
    pub(super) fn text(&self, key: &str) -> Result<Option<Located<String>>, ConfigError> {
        self.expanded(key, expand)
    }

    /// A database URL with its variables replaced.
    pub(super) fn url(&self, key: &str) -> Result<Option<Located<String>>, ConfigError> {
        self.expanded(key, expand_url)
    }

    /// A text that must be there.
    pub(super) fn required_text(
        &self,
        key: &'static str,
        example: &'static str,
    ) -> Result<Located<String>, ConfigError> {
        self.text(key)?.ok_or_else(|| self.missing(key, example))
    }

    /// The error of a key that must be there.
    pub(super) fn missing(&self, key: &'static str, example: &'static str) -> ConfigError {
        let section = self.title();
        self.source.error(self.line, Problem::Missing { key, section, example })
    }

    /// A whole number within a range.
    pub(super) fn whole(
        &self,
        key: &str,
        range: RangeInclusive<u64>,
    ) -> Result<Option<u64>, ConfigError> {
        let Some(value) = self.value(key) else { return Ok(None) };
        let takes = || format!("a whole number from {} to {}", range.start(), range.end());
        let number = value.as_integer().and_then(|number| {
            u64::from_str_radix(&number.as_str().replace('_', ""), number.radix()).ok()
        });
        match number {
            Some(number) if range.contains(&number) => Ok(Some(number)),
            Some(_) | None => Err(self.bad_value(key, takes())),
        }
    }

    /// `true` or `false`.
    pub(super) fn flag(&self, key: &str) -> Result<Option<bool>, ConfigError> {
        let Some(value) = self.value(key) else { return Ok(None) };
        value.as_bool().map(Some).ok_or_else(|| self.bad_value(key, "true or false"))
    }

    /// The table under a key.
    pub(super) fn table(
        &self,
        key: &str,
        title: &str,
        keys: &Keys,
    ) -> Result<Option<Section<'a>>, ConfigError> {
        let Some(value) = self.table.get(key) else { return Ok(None) };
        let Some(table) = value.get_ref().as_table() else {
            return Err(self.bad_value(
                key,
                format!("a table: {key} = {{ … }}, or at the top of the file [{key}]"),
            ));
        };
        let line = self.source.line_of(&value.span());
        Section::at(self.source, title.to_owned(), (line, table), keys).map(Some)
    }

    /// The tables in the array under a key, called after their `name` where they have one; none
    /// where the key is not there.
    pub(super) fn tables(
        &self,
        key: &str,
        title: impl Fn(Option<&str>) -> String,
        keys: &Keys,
    ) -> Result<Vec<Section<'a>>, ConfigError> {
        let Some(value) = self.table.get(key) else { return Ok(Vec::new()) };
        let takes = || self.bad_value(key, format!("a list of tables, such as {}", shape(key)));
        let array = value.get_ref().as_array().ok_or_else(takes)?;
        let mut sections = Vec::with_capacity(array.len());
        for element in array {
            let table = element.get_ref().as_table().ok_or_else(takes)?;
            let line = self.source.line_of(&element.span());
            let name = table.get("name").and_then(|name| name.get_ref().as_str());
            sections.push(Section::at(self.source, title(name), (line, table), keys)?);
        }
        Ok(sections)
    }

    /// The texts in the list under a key, with their variables replaced; none where it is not there.
    pub(super) fn texts(&self, key: &str, example: &str) -> Result<Vec<String>, ConfigError> {
        self.list(key, example, expand)
    }

    /// The database URLs in the list under a key, with their variables replaced.
    pub(super) fn urls(&self, key: &str, example: &str) -> Result<Vec<String>, ConfigError> {
        self.list(key, example, expand_url)
    }

    fn list(&self, key: &str, example: &str, expand: Expand) -> Result<Vec<String>, ConfigError> {
        let Some(value) = self.value(key) else { return Ok(Vec::new()) };
        let takes = || self.bad_value(key, format!("a list of texts, such as {example}"));
        let array = value.as_array().ok_or_else(takes)?;
        let texts = array.iter().map(|element| {
            let text = element.get_ref().as_str().ok_or_else(takes)?;
            let line = self.source.line_of(&element.span());
            expand(text, self.source.lookup).map_err(|error| self.expand_error(key, line, error))
        });
        texts.collect()
    }

    /// What is set in the table under a key, in the order of the file; none where it is not there.
    /// Whole numbers are as good as texts.
    pub(super) fn pairs(
        &self,
        key: &str,
        example: &str,
    ) -> Result<Vec<(String, String)>, ConfigError> {
        let Some(value) = self.value(key) else { return Ok(Vec::new()) };
        let takes = || self.bad_value(key, format!("a table of texts, such as {example}"));
        let table = value.as_table().ok_or_else(takes)?;
        let mut written: Vec<_> = table.iter().collect();
        written.sort_by_key(|(name, _)| name.span().start);
        let mut pairs = Vec::with_capacity(written.len());
        for (name, value) in written {
            let number = value.get_ref().as_integer().filter(|number| number.radix() == 10);
            let digits = number.map(DeInteger::as_str);
            let text = value.get_ref().as_str().or(digits).ok_or_else(takes)?;
            let text = self.expand(key, text, self.source.line_of(&value.span()))?;
            pairs.push((name.get_ref().to_string(), text));
        }
        Ok(pairs)
    }

    fn expand(&self, key: &str, text: &str, line: usize) -> Result<String, ConfigError> {
        expand(text, self.source.lookup).map_err(|error| self.expand_error(key, line, error))
    }

    fn value(&self, key: &str) -> Option<&'a DeValue<'a>> {
        self.table.get(key).map(Spanned::get_ref)
    }

    fn expanded(&self, key: &str, expand: Expand) -> Result<Option<Located<String>>, ConfigError> {
        let Some(value) = self.value(key) else { return Ok(None) };
        let Some(text) = value.as_str() else {
            return Err(self.bad_value(key, "a text in quotes"));
        };
        let line = self.line_of(key);
        let value = expand(text, self.source.lookup)
            .map_err(|error| self.expand_error(key, line, error))?;
        Ok(Some(Located { value, line }))
    }

    fn expand_error(&self, key: &str, line: usize, error: ExpandError) -> ConfigError {
        let (key, section) = (key.to_owned(), self.title());
        let problem = match error {
            ExpandError::LoneDollar => Problem::LoneDollar { key, section },
            ExpandError::Missing(variable) => Problem::MissingVariable { key, section, variable },
        };
        self.source.error(line, problem)
    }
}

/// Calls a section after its name.
pub(super) fn named(kind: &str) -> impl Fn(Option<&str>) -> String {
    move |name| match name {
        Some(name) => format!("{kind} `{name}`"),
        None => format!("a {kind}"),
    }
}

/// How a list of tables is written.
fn shape(key: &str) -> String {
    match key {
        "tables" => "tables = [ { from = \"shop.*\" } ]".to_owned(),
        "pipelines" => "[[channels.pipelines]] in a line of its own".to_owned(),
        other => format!("[[{other}]] in a line of its own"),
    }
}
