//! `[arbiter]`: who decides which process runs a pipeline.

use std::path::{Path, PathBuf};
use std::time::Duration;

use otter_arbitrate::{ZooKeeperArbiterError, ZooKeeperPlace, ZooKeeperTls};
use otter_core::DatabaseUrl;
use otter_core::database_url::Secret;

use super::error::{ConfigError, Problem};
use super::section::{Keys, Section};

pub(super) const KEYS: Keys = Keys {
    known: &[
        "kind", "lease_ms", "path", "url", "servers", "near", "root", "scheme", "user", "password",
        "tls",
    ],
    not_built: &[],
};

pub(super) const TLS_KEYS: Keys = Keys { known: &["ca", "cert", "key"], not_built: &[] };

/// Keys that do not go with every kind, and the kinds that they go with.
const OF_SOME_KINDS: [(&str, &[&str]); 9] = [
    ("path", &[LOCAL, MYSQL, ZOOKEEPER]),
    ("url", &[MYSQL]),
    ("servers", &[ZOOKEEPER]),
    ("near", &[ZOOKEEPER]),
    ("root", &[ZOOKEEPER]),
    ("scheme", &[ZOOKEEPER]),
    ("user", &[ZOOKEEPER]),
    ("password", &[ZOOKEEPER]),
    ("tls", &[ZOOKEEPER]),
];
const LOCAL: &str = "kind = \"local\"";
const MYSQL: &str = "kind = \"mysql\"";
const ZOOKEEPER: &str = "kind = \"zookeeper\"";

const DEFAULT_FOLDER: &str = "otter-state";
const DEFAULT_ROOT: &str = "/otter";
/// Long enough for a busy machine to renew in time, short enough to take over soon.
const DEFAULT_LEASE_MS: u64 = 10_000;
/// Below a second a busy machine loses its lease between two renewals.
const SHORTEST_LEASE_MS: u64 = 1_000;
/// Whoever waits longer than an hour for a dead process meant another unit.
const LONGEST_LEASE_MS: u64 = 3_600_000;

/// The arbiter of this installation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArbiterConfig {
    /// Where leases are kept.
    pub kind: ArbiterKind,
    /// How long a lease lasts after its last renewal.
    pub lease: Duration,
}

/// Where an arbiter keeps its leases.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ArbiterKind {
    /// In files, for the processes of one machine.
    Local {
        /// The folder with the files.
        path: PathBuf,
    },
    /// In a schema of a MySQL or MariaDB server, for processes of several machines.
    MySql {
        /// The server, the account and the schema; it prints itself without the password.
        url: DatabaseUrl,
        /// The folder that the arbiter is remembered in.
        path: PathBuf,
    },
    /// In a subtree of a ZooKeeper ensemble, for processes of several machines.
    ZooKeeper {
        /// The servers, the subtree, who asks, and the folder that the arbiter is remembered in; it
        /// prints itself without the password.
        place: ZooKeeperPlace,
    },
}

impl ArbiterKind {
    /// As it is written in the file.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Local { .. } => "local",
            Self::MySql { .. } => "mysql",
            Self::ZooKeeper { .. } => "zookeeper",
        }
    }

    /// Whether processes of several machines share it, and stand by for each other.
    #[must_use]
    pub fn is_shared(&self) -> bool {
        match self {
            Self::Local { .. } => false,
            Self::MySql { .. } | Self::ZooKeeper { .. } => true,
        }
    }
}

pub(super) fn read(
    section: Option<&Section<'_>>,
    folder: &Path,
) -> Result<ArbiterConfig, ConfigError> {
    let Some(section) = section else {
        return Ok(ArbiterConfig {
            kind: ArbiterKind::Local { path: folder.join(DEFAULT_FOLDER) },
            lease: Duration::from_millis(DEFAULT_LEASE_MS),
        });
    };
    let kind = section.text("kind")?;
    let kind = match kind.as_ref().map_or("local", |kind| kind.value.as_str()) {
        "local" => local(section, folder)?,
        "mysql" => mysql(section, folder)?,
        "zookeeper" => zookeeper(section, folder)?,
        _ => return Err(section.bad_value("kind", "\"local\", \"mysql\" or \"zookeeper\"")),
    };
    let lease_ms = section
        .whole("lease_ms", SHORTEST_LEASE_MS..=LONGEST_LEASE_MS)?
        .unwrap_or(DEFAULT_LEASE_MS);
    Ok(ArbiterConfig { kind, lease: Duration::from_millis(lease_ms) })
}

fn local(section: &Section<'_>, folder: &Path) -> Result<ArbiterKind, ConfigError> {
    refuse_others(section, LOCAL)?;
    Ok(ArbiterKind::Local { path: state_folder(section, folder)? })
}

fn state_folder(section: &Section<'_>, folder: &Path) -> Result<PathBuf, ConfigError> {
    match section.text("path")? {
        Some(path) if path.value.is_empty() => {
            Err(section.bad_value("path", "the path of a folder"))
        }
        Some(path) => Ok(folder.join(path.value)),
        None => Ok(folder.join(DEFAULT_FOLDER)),
    }
}

fn mysql(section: &Section<'_>, folder: &Path) -> Result<ArbiterKind, ConfigError> {
    refuse_others(section, MYSQL)?;
    let example = "url = \"mysql://otter:${PASSWORD}@10.0.0.9:3306\"";
    let text = section.url("url")?.ok_or_else(|| section.missing("url", example))?;
    let url = text
        .value
        .parse()
        .map_err(|error| section.error("url", Problem::Url { section: section.title(), error }))?;
    Ok(ArbiterKind::MySql { url, path: state_folder(section, folder)? })
}

fn zookeeper(section: &Section<'_>, folder: &Path) -> Result<ArbiterKind, ConfigError> {
    refuse_others(section, ZOOKEEPER)?;
    let example = "servers = [\"10.0.0.7:2181\", \"10.0.0.8:2181\", \"10.0.0.9:2181\"]";
    if !section.has("servers") {
        return Err(section.missing("servers", example));
    }
    let servers = section.texts("servers", "[\"10.0.0.7:2181\"]")?;
    let root = section.text("root")?;
    let root = root.as_ref().map_or(DEFAULT_ROOT, |root| root.value.as_str());
    let mut place = ZooKeeperPlace::new(servers, root).map_err(|error| {
        let is_root = matches!(error, ZooKeeperArbiterError::BadPath { .. });
        let key = if is_root { "root" } else { "servers" };
        section.error(key, Problem::ZooKeeper { key, section: section.title(), error })
    })?;
    let near = section.texts("near", "[\"10.0.0.7:2181\"]")?;
    place = place.with_near(near).map_err(|error| {
        section.error("near", Problem::ZooKeeper { key: "near", section: section.title(), error })
    })?;
    place = place.with_state(state_folder(section, folder)?);
    place = with_user(section, place)?;
    if let Some(tls) = section.table("tls", "`tls` of [arbiter]", &TLS_KEYS)? {
        place = place.with_tls(read_tls(&tls, folder)?);
    }
    Ok(ArbiterKind::ZooKeeper { place })
}

/// Adds who asks.
fn with_user(section: &Section<'_>, place: ZooKeeperPlace) -> Result<ZooKeeperPlace, ConfigError> {
    let scheme = section.text("scheme")?;
    let is_sasl = match scheme.as_ref().map(|scheme| scheme.value.as_str()) {
        None | Some("digest") => false,
        Some("sasl") => true,
        Some(_) => return Err(section.bad_value("scheme", "\"digest\" or \"sasl\"")),
    };
    match (section.text("user")?, section.text("password")?) {
        (None, None) if scheme.is_some() => Err(section.missing("user", "user = \"otter\"")),
        (None, None) => Ok(place),
        (Some(user), Some(_)) if user.value.is_empty() || user.value.contains([':', '"']) => {
            Err(section.bad_value("user", "a name without `:` and quotes"))
        }
        (Some(user), Some(password)) => {
            let password = Secret::new(password.value);
            Ok(if is_sasl {
                place.with_sasl(user.value, password)
            } else {
                place.with_login(user.value, password)
            })
        }
        (Some(_), None) => Err(section.missing("password", "password = \"${ZOOKEEPER_PASSWORD}\"")),
        (None, Some(_)) => Err(section.missing("user", "user = \"otter\"")),
    }
}

fn read_tls(section: &Section<'_>, folder: &Path) -> Result<ZooKeeperTls, ConfigError> {
    let file = |key: &str| {
        let text = section.text(key)?;
        Ok::<_, ConfigError>(text.map(|text| folder.join(text.value)))
    };
    let ca = file("ca")?.ok_or_else(|| section.missing("ca", "ca = \"/etc/otter/ca.pem\""))?;
    let identity = match (file("cert")?, file("key")?) {
        (Some(certificate), Some(key)) => Some((certificate, key)),
        (None, None) => None,
        (Some(_), None) => return Err(section.missing("key", "key = \"/etc/otter/key.pem\"")),
        (None, Some(_)) => return Err(section.missing("cert", "cert = \"/etc/otter/cert.pem\"")),
    };
    Ok(ZooKeeperTls { ca, identity })
}

/// Refuses keys that belong to another kind of arbiter.
fn refuse_others(section: &Section<'_>, ours: &'static str) -> Result<(), ConfigError> {
    for (key, kinds) in OF_SOME_KINDS {
        if !kinds.contains(&ours) && section.has(key) {
            let (section_title, kind) = (section.title(), kinds.first().copied().unwrap_or(ours));
            let problem = Problem::OtherKind { key, section: section_title, kind };
            return Err(section.error(key, problem));
        }
    }
    Ok(())
}
