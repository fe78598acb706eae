//! `[[channels]]`: pipelines that belong together, and what may not meet.

use super::databases::Database;
use super::error::{ConfigError, Problem};
use super::names::{Names, check_name};
use super::pipelines::{self, PipelineConfig};
use super::section::{Keys, Section, Source, named};

pub(super) const KEYS: Keys = Keys {
    known: &["name", "topology", "pipelines"],
    not_built: &[
        ("conflicts", "two ways are not built yet; remove the key"),
        ("hub", "only topology = \"one-way\" is built; remove the key"),
    ],
};

const NOT_BUILT: [(&str, &str); 4] =
    [("pair", "\"pair\""), ("star", "\"star\""), ("ring", "\"ring\""), ("mesh", "\"mesh\"")];

/// Reads all channels and returns their pipelines in the order of the file.
pub(super) fn read(
    sections: &[Section<'_>],
    databases: &[Database],
) -> Result<Vec<PipelineConfig>, ConfigError> {
    let mut channels = Names::new("channel");
    let mut names = Names::new("pipeline");
    let mut all = Vec::new();
    for section in sections {
        let name = section.required_text("name", "name = \"shop\"")?;
        check_name(section, "name", &name)?;
        channels.add(section, &name)?;
        let name = name.value;
        refuse_topology(section)?;
        let found = section.tables("pipelines", named("pipeline"), &pipelines::KEYS)?;
        if found.is_empty() {
            return Err(section.missing("pipelines", "a [[channels.pipelines]] below it"));
        }
        all.extend(pipelines::read(&name, &found, databases, &mut names)?);
    }
    Ok(all)
}

fn refuse_topology(section: &Section<'_>) -> Result<(), ConfigError> {
    let Some(topology) = section.text("topology")? else { return Ok(()) };
    let topology = topology.value.as_str();
    if topology == "one-way" {
        return Ok(());
    }
    let Some((_, value)) = NOT_BUILT.into_iter().find(|(name, _)| *name == topology) else {
        return Err(section.bad_value("topology", "\"one-way\""));
    };
    let instead = "write \"one-way\" or leave it out";
    let problem =
        Problem::NotBuiltValue { key: "topology", value, section: section.title(), instead };
    Err(section.error("topology", problem))
}

/// Refuses pipelines that would apply a change twice or send it in a circle.
pub(super) fn refuse_meetings(
    source: &Source<'_>,
    pipelines: &[PipelineConfig],
) -> Result<(), ConfigError> {
    for (index, second) in pipelines.iter().enumerate() {
        let earlier = pipelines.iter().take(index);
        let same_way = |first: &&PipelineConfig| {
            is_one_place(&first.from, &second.from) && is_one_place(&first.to, &second.to)
        };
        for first in earlier.filter(same_way) {
            let Some((_, mapping)) = first.mappings.shares_source(&second.mappings) else {
                continue;
            };
            let problem = Problem::CarriedTwice {
                first: first.name.clone(),
                second: second.name.clone(),
                mapping: mapping.from().to_string(),
                from: second.from.name.clone(),
                to: second.to.name.clone(),
            };
            return Err(source.error(second.line, problem));
        }
    }
    refuse_circles(source, pipelines)
}

// INVARIANT LOOP-1: without marks to tell origins apart, no pipeline may read what another one
// of a circle has written.
fn refuse_circles(source: &Source<'_>, pipelines: &[PipelineConfig]) -> Result<(), ConfigError> {
    for first in pipelines {
        let mut path = vec![first];
        if let Some(circle) = circle(pipelines, &mut path) {
            let last = circle.last().map_or(first.line, |last| last.line);
            let pipelines = circle.into_iter().map(|one| one.name.clone()).collect();
            return Err(source.error(last, Problem::Circle { pipelines }));
        }
    }
    Ok(())
}

/// Whether two databases are one, by name or by address. One server under two host names is not
/// noticed here.
fn is_one_place(one: &Database, other: &Database) -> bool {
    one.name == other.name || one.url.address() == other.url.address()
}

/// Goes from the last pipeline of the path to those that read what it writes, until one is met
/// again.
fn circle<'p>(
    pipelines: &'p [PipelineConfig],
    path: &mut Vec<&'p PipelineConfig>,
) -> Option<Vec<&'p PipelineConfig>> {
    let last = *path.last()?;
    let follows = |next: &&PipelineConfig| {
        is_one_place(&last.to, &next.from) && last.mappings.feeds(&next.mappings).is_some()
    };
    for next in pipelines.iter().filter(follows) {
        if let Some(start) = path.iter().position(|one| one.name == next.name) {
            return Some(path.split_off(start));
        }
        path.push(next);
        if let Some(circle) = circle(pipelines, path) {
            return Some(circle);
        }
        path.pop();
    }
    None
}
