//! Tells whether two readings of a configuration differ in what only a restart changes.
//!
//! A number instead of the texts themselves, which may hold passwords (SECRET-1).

use std::hash::{DefaultHasher, Hash, Hasher};

use toml::de::{DeTable, DeValue};

/// The keys of a pipeline that a running process takes.
const LIVE: [&str; 4] = ["rows_per_second", "mb_per_second", "brake", "verify_rows_per_second"];

/// A number for everything in the document but what [`LIVE`] names. Variables count as written.
pub(super) fn of_what_stays(document: &DeTable<'_>) -> u64 {
    let mut hasher = DefaultHasher::new();
    table(document, Place::Top, &mut hasher);
    hasher.finish()
}

/// How deep a value lies, as far as that matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Top,
    Channel,
    Pipeline,
    Else,
}

impl Place {
    fn of(self, key: &str) -> Self {
        match (self, key) {
            (Self::Top, "channels") => Self::Channel,
            (Self::Channel, "pipelines") => Self::Pipeline,
            _ => Self::Else,
        }
    }
}

fn table(table: &DeTable<'_>, place: Place, hasher: &mut DefaultHasher) {
    for (key, one) in table {
        let key: &str = key.get_ref();
        if place == Place::Pipeline && LIVE.contains(&key) {
            continue;
        }
        key.hash(hasher);
        value(one.get_ref(), place.of(key), hasher);
    }
    "end of a table".hash(hasher);
}

fn value(one: &DeValue<'_>, place: Place, hasher: &mut DefaultHasher) {
    match one {
        DeValue::String(text) => ("text", text).hash(hasher),
        DeValue::Integer(number) => {
            ("integer", number.as_str(), number.radix()).hash(hasher);
        }
        DeValue::Float(number) => ("float", number.as_str()).hash(hasher),
        DeValue::Boolean(truth) => ("truth", truth).hash(hasher),
        DeValue::Datetime(time) => ("time", time.to_string()).hash(hasher),
        DeValue::Array(array) => {
            ("list", array.len()).hash(hasher);
            for element in array.iter() {
                value(element.get_ref(), place, hasher);
            }
        }
        DeValue::Table(inner) => table(inner, place, hasher),
    }
}
