//! Where an arbiter in ZooKeeper is, who asks there, and how the line is secured.
//!
//! Whatever is no address or no path is refused here, before anything is asked: the client would
//! panic at some of it.

use std::fmt;
use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use otter_core::database_url::Secret;
use zookeeper_client::{Acls, Connector, SaslOptions, TlsCa, TlsCerts, TlsIdentity, TlsOptions};

use super::error::ZooKeeperArbiterError;
use crate::known::Spot;

/// Where ZooKeeper listens when nobody says otherwise.
const DEFAULT_PORT: u16 = 2181;
const LONGEST_HOST: usize = 253;
/// The client goes through its list at most half a second apart, but waits twice as long before each
/// further round: with a short list it would come back when a lease is over, and not when the
/// servers are there again.
const LEAST_TRIES_PER_ROUND: usize = 12;

type Result<T> = std::result::Result<T, ZooKeeperArbiterError>;

/// A subtree of a ZooKeeper ensemble, who asks there, and how the line is secured.
///
/// ```
/// use otter_arbitrate::ZooKeeperPlace;
///
/// let servers = ["10.0.0.7:2181", "zk8.example"];
/// let place = ZooKeeperPlace::new(servers, "/otter").expect("addresses and a path");
/// assert_eq!(place.to_string(), "10.0.0.7:2181,zk8.example:2181/otter");
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct ZooKeeperPlace {
    /// `host:port`, IPv6 in brackets.
    servers: Vec<String>,
    /// Those of the servers that are asked first; none where all are equal.
    near: Vec<String>,
    root: String,
    login: Option<Login>,
    tls: Option<ZooKeeperTls>,
    state: Option<PathBuf>,
}

#[derive(Clone, PartialEq, Eq)]
struct Login {
    scheme: Scheme,
    user: String,
    password: Secret,
}

/// How a user is let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scheme {
    /// The scheme `digest`: the password is sent, and servers know no users.
    Digest,
    /// SASL with DIGEST-MD5: servers know the users.
    Sasl,
}

/// The files that secure the lines to ZooKeeper, in PEM form. They are read whenever a session
/// begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ZooKeeperTls {
    /// The certificates that the servers' certificates are signed with.
    pub ca: PathBuf,
    /// The certificate that the servers know us by, and its key.
    pub identity: Option<(PathBuf, PathBuf)>,
}

impl ZooKeeperPlace {
    /// The subtree `root`, such as `/otter`, of the ensemble that these servers belong to, each
    /// `host` or `host:port`. Which of them is asked is left to chance; another one follows where
    /// it goes away.
    ///
    /// # Errors
    /// [`Fault::Fatal`](otter_core::Fault::Fatal) where a server is no address or `root` no path.
    pub fn new<S: AsRef<str>>(servers: impl IntoIterator<Item = S>, root: &str) -> Result<Self> {
        let servers = servers
            .into_iter()
            .map(|server| address(server.as_ref()))
            .collect::<Result<Vec<_>>>()?;
        if servers.is_empty() {
            return Err(ZooKeeperArbiterError::BadAddress { address: String::new() });
        }
        let is_path = root.strip_prefix('/').is_some_and(|rest| {
            let is_name =
                |name: &str| !matches!(name, "" | "." | "..") && !name.contains(char::is_control);
            rest.split('/').all(is_name)
        });
        if !is_path || root == "/zookeeper" || root.starts_with("/zookeeper/") {
            return Err(ZooKeeperArbiterError::BadPath { path: root.to_owned() });
        }
        let root = root.to_owned();
        Ok(Self { servers, near: Vec::new(), root, login: None, tls: None, state: None })
    }

    /// Prefers some of the servers, such as the observers of this site: a session begins with them,
    /// and with others only where none of them answers at once. It stays with those that it began
    /// with.
    ///
    /// # Errors
    /// [`Fault::Fatal`](otter_core::Fault::Fatal) where one of them is no address, or is not among
    /// the servers.
    pub fn with_near<S: AsRef<str>>(mut self, near: impl IntoIterator<Item = S>) -> Result<Self> {
        for server in near {
            let address = address(server.as_ref())?;
            if !self.servers.contains(&address) {
                return Err(ZooKeeperArbiterError::NotAServer { address });
            }
            self.near.push(address);
        }
        Ok(self)
    }

    /// Asks as a user, with the scheme `digest`: the nodes are made so that nobody else may use
    /// them.
    #[must_use]
    pub fn with_login(mut self, user: impl Into<String>, password: Secret) -> Self {
        self.login = Some(Login { scheme: Scheme::Digest, user: user.into(), password });
        self
    }

    /// Asks as a user that the servers know, with SASL and DIGEST-MD5: the nodes are made so that
    /// nobody else may use them. The password does not travel; what proves it is as weak as MD5, so
    /// that lines through foreign networks need TLS as well.
    #[must_use]
    pub fn with_sasl(mut self, user: impl Into<String>, password: Secret) -> Self {
        self.login = Some(Login { scheme: Scheme::Sasl, user: user.into(), password });
        self
    }

    /// Asks over TLS. The servers' certificates must bear the names or addresses given here.
    #[must_use]
    pub fn with_tls(mut self, tls: ZooKeeperTls) -> Self {
        self.tls = Some(tls);
        self
    }

    /// Remembers the arbiter in a folder of this machine, which is made where it is not there: after
    /// the subtree was deleted, while no process ran, it is made again as the same arbiter. Several
    /// processes may use one folder.
    #[must_use]
    pub fn with_state(mut self, folder: impl Into<PathBuf>) -> Self {
        self.state = Some(folder.into());
        self
    }

    /// The folder that the arbiter is remembered in.
    #[must_use]
    pub fn state(&self) -> Option<&Path> {
        self.state.as_deref()
    }

    /// What is remembered, and where.
    pub(super) fn spot(&self) -> Spot {
        let (folder, root, servers) = (self.state.clone(), self.root.clone(), self.servers.clone());
        Spot { folder, file: "zookeeper-arbiter", root, servers }
    }

    /// The servers, each `host:port`.
    #[must_use]
    pub fn servers(&self) -> &[String] {
        &self.servers
    }

    /// The path of the subtree.
    #[must_use]
    pub fn root(&self) -> &str {
        &self.root
    }

    /// The user.
    #[must_use]
    pub fn user(&self) -> Option<&str> {
        self.login.as_ref().map(|login| login.user.as_str())
    }

    /// How the user is let in.
    pub(super) fn scheme(&self) -> Option<Scheme> {
        self.login.as_ref().map(|login| login.scheme)
    }

    /// Whether the lines are encrypted.
    #[must_use]
    pub fn has_tls(&self) -> bool {
        self.tls.is_some()
    }

    /// The addresses of all servers, for people.
    pub(super) fn cluster(&self) -> String {
        self.servers.join(",")
    }

    /// What the client goes through, in an order of its own; `None` where no server is near.
    pub(super) fn near_tries(&self) -> Option<String> {
        (!self.near.is_empty()).then(|| tries(&self.near))
    }

    /// What the client goes through, in an order of its own, where nobody near answers: those that
    /// are near once only, since they cost time.
    pub(super) fn tries(&self) -> String {
        let is_far = |server: &&String| !self.near.contains(server);
        let far: Vec<String> = self.servers.iter().filter(is_far).cloned().collect();
        if self.near.is_empty() || far.is_empty() {
            return tries(&self.servers);
        }
        format!("{},{}", tries(&far), self.near.join(","))
    }

    /// Whose the nodes are that we make.
    pub(super) fn acls(&self) -> Acls<'static> {
        match self.login {
            Some(_) => Acls::creator_all(),
            None => Acls::anyone_all(),
        }
    }

    /// Adds user and certificates.
    pub(super) fn secure(&self, connector: Connector) -> Result<Connector> {
        let connector = match &self.login {
            Some(Login { scheme: Scheme::Digest, user, password }) => {
                connector.with_auth("digest", format!("{user}:{}", password.expose()).as_bytes())
            }
            Some(Login { scheme: Scheme::Sasl, user, password }) => {
                let password = password.expose().to_owned();
                connector.with_sasl(SaslOptions::digest_md5(user.clone(), password))
            }
            None => connector,
        };
        match &self.tls {
            Some(tls) => Ok(connector.with_tls(tls.options()?)),
            None => Ok(connector),
        }
    }
}

/// Each server as often as it takes to be back soon after an outage.
fn tries(servers: &[String]) -> String {
    let times = LEAST_TRIES_PER_ROUND.div_ceil(servers.len().max(1));
    vec![servers.join(","); times].join(",")
}

impl ZooKeeperTls {
    fn options(&self) -> Result<TlsOptions> {
        let ca = TlsCa::from_pem(&read(&self.ca)?).map_err(|error| bad_file(&self.ca, &error))?;
        let mut certificates = TlsCerts::builder().with_ca(ca);
        if let Some((certificate, key)) = &self.identity {
            let identity = TlsIdentity::from_pem(&read(certificate)?, &read(key)?);
            certificates =
                certificates.with_identity(identity.map_err(|error| bad_file(key, &error))?);
        }
        let certificates = certificates.build().map_err(|error| bad_file(&self.ca, &error))?;
        Ok(TlsOptions::new().with_certs(certificates))
    }
}

fn read(file: &Path) -> Result<String> {
    fs::read_to_string(file).map_err(|error| bad_file(file, &error))
}

fn bad_file(file: &Path, cause: &impl ToString) -> ZooKeeperArbiterError {
    ZooKeeperArbiterError::BadFile { file: file.to_owned(), cause: cause.to_string() }
}

/// A server's address with its port.
fn address(text: &str) -> Result<String> {
    let bad = || ZooKeeperArbiterError::BadAddress { address: text.to_owned() };
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (host, after) = rest.split_once(']').ok_or_else(bad)?;
            host.parse::<std::net::Ipv6Addr>().map_err(|_| bad())?;
            let port = match after {
                "" => None,
                after => Some(after.strip_prefix(':').ok_or_else(bad)?),
            };
            (format!("[{host}]"), port)
        }
        None => match text.split_once(':') {
            Some((host, port)) => (host.to_owned(), Some(port)),
            None => (text.to_owned(), None),
        },
    };
    let port = match port {
        Some(port) => port.parse().ok().filter(|port| *port != 0).ok_or_else(bad)?,
        None => DEFAULT_PORT,
    };
    if !host.starts_with('[') && !is_host(&host) {
        return Err(bad());
    }
    Ok(format!("{host}:{port}"))
}

/// Whether it is an address or a name that certificates may bear.
fn is_host(host: &str) -> bool {
    let is_label = |label: &str| {
        let inner = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        (1..=63).contains(&label.len())
            && label.bytes().all(inner)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    if host.parse::<IpAddr>().is_ok() {
        return true;
    }
    // Numbers alone at the end are an address that is none.
    let last_is_number =
        host.rsplit('.').next().is_some_and(|last| last.bytes().all(|byte| byte.is_ascii_digit()));
    host.len() <= LONGEST_HOST && host.split('.').all(is_label) && !last_is_number
}

impl fmt::Display for ZooKeeperPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.cluster(), self.root)
    }
}

impl fmt::Debug for ZooKeeperPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ZooKeeperPlace")
            .field("servers", &self.servers)
            .field("near", &self.near)
            .field("root", &self.root)
            .field("user", &self.user())
            .field("tls", &self.tls)
            .field("state", &self.state)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(server: &str) -> Result<String> {
        Ok(ZooKeeperPlace::new([server], "/otter")?.to_string())
    }

    #[test]
    fn addresses_are_names_or_numbers_with_a_port_or_without() {
        for (text, meant) in [
            ("zk", "zk:2181/otter"),
            ("zk_1.example:99", "zk_1.example:99/otter"),
            ("10.0.0.7:2182", "10.0.0.7:2182/otter"),
            ("[::1]:2182", "[::1]:2182/otter"),
            ("[fd00::7]", "[fd00::7]:2181/otter"),
        ] {
            assert_eq!(place(text).unwrap(), meant);
        }
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for text in [
            "",
            " ",
            "a b",
            "a,b",
            "a:0",
            "a:x",
            "a:",
            "a:1:2",
            "::1",
            "[::1",
            "[zk]:1",
            "[::1]1",
            "-a",
            "a..b",
            "300.0.0.1",
            "tcp://a",
            "a/b",
            "é",
            "a:65536",
        ] {
            let error = place(text).expect_err(text).to_string();
            assert!(error.contains("host:port"), "{error}");
        }
        assert!(ZooKeeperPlace::new(Vec::<String>::new(), "/otter").is_err());
    }

    #[test]
    fn what_is_no_subtree_is_refused() {
        for path in ["", "/", "otter", "/otter/", "/a//b", "/a/../b", "/zookeeper/otter", "/a\n"] {
            assert!(ZooKeeperPlace::new(["a"], path).is_err(), "{path}");
        }
        assert!(ZooKeeperPlace::new(["a"], "/zookeepers/otter").is_ok());
    }

    #[test]
    fn the_client_tries_each_server_as_often_as_every_other() {
        let place = ZooKeeperPlace::new(["a", "b", "c", "d", "e"], "/otter").unwrap();
        let tries = place.tries();
        let mut tries: Vec<&str> = tries.split(',').collect();
        tries.sort_unstable();
        assert_eq!(tries.len(), 15);
        assert!(tries.chunks(3).all(|chunk| chunk.iter().all(|one| one == &chunk[0])), "{tries:?}");
    }

    #[test]
    fn what_is_near_is_one_of_the_servers() {
        let place = ZooKeeperPlace::new(["a", "b", "c:7"], "/otter").unwrap();
        assert_eq!(place.near_tries(), None);
        let near = place.clone().with_near(["b:2181", "c:7"]).unwrap().near_tries().unwrap();
        assert_eq!(near.split(',').count(), 12);
        assert!(near.split(',').all(|one| one == "b:2181" || one == "c:7"), "{near}");
        let some_near = place.clone().with_near(["b"]).unwrap().tries();
        let count = |server: &str| some_near.split(',').filter(|one| *one == server).count();
        assert_eq!([count("a:2181"), count("b:2181"), count("c:7")], [6, 1, 6]);
        let all_near = place.clone().with_near(["a", "b", "c:7"]).unwrap();
        assert_eq!(all_near.tries(), place.tries());
        let error = place.clone().with_near(["c"]).unwrap_err().to_string();
        assert!(error.contains("c:2181 is not one of the servers"), "{error}");
        assert!(place.with_near(["c:"]).is_err());
    }

    #[test]
    fn the_password_is_not_printed() {
        let place = ZooKeeperPlace::new(["a"], "/otter").unwrap();
        for place in [
            place.clone().with_login("otter", Secret::new("hunter2")),
            place.with_sasl("otter", Secret::new("hunter2")),
        ] {
            let printed = format!("{place:?} {place}");
            assert!(printed.contains("otter") && !printed.contains("hunter2"), "{printed}");
        }
    }

    #[test]
    fn files_that_hold_no_certificates_are_named() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let tls = |ca: &Path| ZooKeeperTls { ca: ca.to_owned(), identity: None };
        for path in [file.path(), Path::new("/nowhere/ca.pem")] {
            let error = tls(path).options().expect_err("no certificates").to_string();
            assert!(error.contains(&path.display().to_string()), "{error}");
        }
    }
}
