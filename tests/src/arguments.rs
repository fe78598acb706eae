//! Arguments of benchmarks and soak runs: `--name value`, with defaults.

use std::collections::BTreeMap;

use otter_server::sandbox::Flavor;

/// `--name value` pairs from the command line.
#[derive(Debug, Clone, Default)]
pub struct Arguments(BTreeMap<String, String>);

impl Arguments {
    /// Reads the command line of this process. Where an argument is not `--name value`, it ends with
    /// code 2 and tells where the arguments are described.
    #[must_use]
    #[expect(clippy::print_stderr, reason = "whoever runs a benchmark is told what is wrong")]
    pub fn from_environment() -> Self {
        let mut words = std::env::args();
        let program = words.next().unwrap_or_default();
        Self::read(words).unwrap_or_else(|| {
            let name = program.rsplit('/').next().unwrap_or_default();
            eprintln!(
                "error: arguments are written --name value; the head of tests/src/bin/{name}.rs tells \
                 which there are, and docs/benchmarks.md how they were used"
            );
            std::process::exit(2)
        })
    }

    fn read(mut words: impl Iterator<Item = String>) -> Option<Self> {
        let mut pairs = BTreeMap::new();
        while let Some(word) = words.next() {
            let name = word.strip_prefix("--")?;
            pairs.insert(name.to_owned(), words.next()?);
        }
        Some(Self(pairs))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_pairs() {
        let read = |words: &[&str]| Arguments::read(words.iter().map(|word| (*word).to_owned()));
        let found = read(&["--rows", "7", "--pairs", "mysql-mariadb"]).unwrap();
        assert_eq!(found.number("rows", 1), 7);
        assert_eq!(found.number("seeds", 3), 3);
        assert_eq!(found.pairings(&[]), [(Flavor::MySql, Flavor::MariaDb)]);
        assert!(read(&["--help"]).is_none() && read(&["rows", "7"]).is_none());
    }
}
