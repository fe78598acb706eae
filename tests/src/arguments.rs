//! Arguments of benchmarks and soak runs: `--name value`, with defaults.

use std::collections::BTreeMap;

use otter_server::sandbox::Flavor;

/// `--name value` pairs from the command line.
#[derive(Debug, Clone, Default)]
pub struct Arguments(BTreeMap<String, String>);

impl Arguments {
    /// Reads the command line of this process.
    ///
    /// # Panics
    /// Where an argument is not `--name value`.
    #[must_use]
    pub fn from_environment() -> Self {
        let mut pairs = BTreeMap::new();
        let mut words = std::env::args().skip(1);
        while let Some(word) = words.next() {
            let name = word.strip_prefix("--").expect("arguments are written --name value");
            let value = words.next().expect("arguments are written --name value");
            pairs.insert(name.to_owned(), value);
        }
        Self(pairs)
    }

    /// A number.
    ///
    /// # Panics
    /// Where the value is not a number.
    #[must_use]
    pub fn number(&self, name: &str, default: u64) -> u64 {
        self.0.get(name).map_or(default, |value| value.parse().expect("a number"))
    }

    /// Source and target of `--pairs mariadb-mysql,…`.
    ///
    /// # Panics
    /// Where a pair is not written so.
    #[must_use]
    pub fn pairings(&self, default: &[(Flavor, Flavor)]) -> Vec<(Flavor, Flavor)> {
        let flavor = |name: &str| name.parse().expect("mariadb or mysql");
        let pairing = |pair: &str| {
            let (source, target) = pair.split_once('-').expect("pairs are written mariadb-mysql");
            (flavor(source), flavor(target))
        };
        match self.0.get("pairs") {
            Some(pairs) => pairs.split(',').map(pairing).collect(),
            None => default.to_vec(),
        }
    }

    /// A text.
    #[must_use]
    pub fn text<'a>(&'a self, name: &str, default: &'a str) -> &'a str {
        self.0.get(name).map_or(default, String::as_str)
    }
}
