//! `[[databases]]`: names and addresses.

use otter_core::DatabaseUrl;

use super::error::{ConfigError, Problem};
use super::names::{Names, check_name};
use super::section::{Keys, Section};

pub(super) const KEYS: Keys = Keys { known: &["name", "site", "url"], not_built: &[] };

/// A source or target.
#[derive(Debug, Clone)]
pub struct Database {
    /// The name that pipelines refer to.
    pub name: String,
    /// The site that owns it.
    pub site: String,
    /// Where it is and who connects; it prints itself without the password.
    pub url: DatabaseUrl,
}

pub(super) fn read(sections: &[Section<'_>]) -> Result<Vec<Database>, ConfigError> {
    let mut names = Names::new("database");
    let mut databases = Vec::with_capacity(sections.len());
    for section in sections {
        let name = section.required_text("name", "name = \"hangzhou\"")?;
        check_name(section, "name", &name)?;
        names.add(section, &name)?;
        let name = name.value;
        let site = match section.text("site")? {
            Some(site) => {
                check_name(section, "site", &site)?;
                site.value
            }
            None => name.clone(),
        };
        databases.push(Database { name, site, url: url(section)? });
    }
    Ok(databases)
}

fn url(section: &Section<'_>) -> Result<DatabaseUrl, ConfigError> {
    let example = "url = \"mysql://otter:${PASSWORD}@10.0.0.5:3306\"";
    let text = section.url("url")?.ok_or_else(|| section.missing("url", example))?;
    text.value
        .parse()
        .map_err(|error| section.error("url", Problem::Url { section: section.title(), error }))
}
