//! ZooKeeper servers in temporary folders, one by itself or an ensemble.
//!
//! ```no_run
//! # async fn example() {
//! use otter_tests::zookeeper::Ensemble;
//!
//! let mut ensemble = Ensemble::start(3).await;
//! let addresses = ensemble.addresses();
//! ensemble.kill9(0);
//! ensemble.start_again(0).await;
//! # }
//! ```

mod server;
mod session;
mod subtree;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use otter_server::sandbox::ChildProcess;
use tokio::time::Instant;
use zookeeper_client::Client;

use crate::proxy::Proxy;
use crate::wait::wait_until;

use server::{DEADLINE, Server};
pub use subtree::delete_subtree;

/// Servers that know each other; killed when this is dropped.
#[derive(Debug)]
pub struct Ensemble {
    servers: Vec<Server>,
}

/// PEM files with which a server is reached over TLS, and asks its clients for certificates.
#[derive(Debug, Clone)]
pub struct TlsFiles {
    /// What certificates are signed with.
    pub ca: PathBuf,
    /// The server's certificate.
    pub certificate: PathBuf,
    /// Its key.
    pub key: PathBuf,
}

impl Ensemble {
    /// Starts so many servers and waits until they serve.
    ///
    /// # Panics
    /// Where they do not.
    pub async fn start(count: usize) -> Self {
        let servers: Vec<Server> = (0..count).map(|_| Server::new()).collect();
        let peers: String = servers.iter().zip(1..).map(Server::peer_line).collect();
        // One by itself is no ensemble.
        let peers = if count > 1 { peers } else { String::new() };
        for (server, number) in servers.iter().zip(1..) {
            server.configure(number, &peers);
        }
        Self::start_all(servers).await
    }

    /// Starts three servers of which the first reaches those that may lead it over the lines that come with
    /// them: it has the lowest number, and does not lead itself.
    ///
    /// # Panics
    /// Where they do not serve.
    pub async fn start_with_lines() -> (Self, Vec<Proxy>) {
        let servers: Vec<Server> = (0..3).map(|_| Server::new()).collect();
        let mut lines = Vec::new();
        let mut over_lines = Server::peer_line((&servers[0], 1));
        for (server, number) in servers.iter().zip(1..).skip(1) {
            let line = Proxy::start(server.peer.number()).await;
            let election = server.election.number();
            over_lines += &format!("server.{number}=127.0.0.1:{}:{election}\n", line.port());
            lines.push(line);
        }
        let peers: String = servers.iter().zip(1..).map(Server::peer_line).collect();
        for (server, number) in servers.iter().zip(1..) {
            server.configure(number, if number == 1 { &over_lines } else { &peers });
        }
        (Self::start_all(servers).await, lines)
    }

    /// Starts one server with a port for TLS beside the plain one, and waits until it serves.
    ///
    /// # Panics
    /// Where it does not.
    pub async fn start_with_tls(files: &TlsFiles) -> Self {
        let server = Server::new();
        let read = |file: &Path| fs::read_to_string(file).expect("the PEM file can be read");
        // ZooKeeper takes key and certificate from one file.
        let own = server.folder.path().join("own.pem");
        let both = [read(&files.key), read(&files.certificate)].concat();
        fs::write(&own, both).expect("the key can be written");
        let ca = fs::canonicalize(&files.ca).expect("the PEM file has a path");
        let lines = format!(
            "serverCnxnFactory=org.apache.zookeeper.server.NettyServerCnxnFactory\n\
             secureClientPortAddress=127.0.0.1\nsecureClientPort={}\nssl.clientAuth=need\n\
             ssl.keyStore.location={}\nssl.keyStore.type=PEM\n\
             ssl.trustStore.location={}\nssl.trustStore.type=PEM\n",
            server.secure.number(),
            own.display(),
            ca.display()
        );
        server.configure(1, &lines);
        Self::start_all(vec![server]).await
    }

    /// Starts one server that lets one user in with SASL, and waits until it serves.
    ///
    /// # Panics
    /// Where it does not.
    pub async fn start_with_sasl(user: &str, password: &str) -> Self {
        let mut server = Server::new();
        let jaas = server.folder.path().join("jaas.conf");
        let section = format!(
            "Server {{\n  org.apache.zookeeper.server.auth.DigestLoginModule required\n  \
             user_{user}=\"{password}\";\n}};\n"
        );
        fs::write(&jaas, section).expect("the JAAS file can be written");
        server.java.push(format!("-Djava.security.auth.login.config={}", jaas.display()));
        let provider = "org.apache.zookeeper.server.auth.SASLAuthenticationProvider";
        server.configure(1, &format!("authProvider.1={provider}\n"));
        Self::start_all(vec![server]).await
    }

    async fn start_all(servers: Vec<Server>) -> Self {
        let mut ensemble = Self { servers };
        for server in &mut ensemble.servers {
            server.spawn();
        }
        for server in &ensemble.servers {
            server.wait_until_it_serves().await;
        }
        ensemble
    }

    /// The addresses of all servers, as a client takes them.
    #[must_use]
    pub fn addresses(&self) -> String {
        let addresses = self.servers.iter().map(|server| format!("127.0.0.1:{}", server.port()));
        addresses.collect::<Vec<_>>().join(",")
    }

    /// The lines of `[arbiter]` in a configuration that choose these servers.
    #[must_use]
    pub fn config_lines(&self) -> String {
        let servers: Vec<String> =
            self.ports().iter().map(|port| format!("\"127.0.0.1:{port}\"")).collect();
        format!("kind = \"zookeeper\"\nservers = [{}]\n", servers.join(", "))
    }

    /// The ports of all servers.
    #[must_use]
    pub fn ports(&self) -> Vec<u16> {
        self.servers.iter().map(Server::port).collect()
    }

    /// The port of a server.
    #[must_use]
    pub fn port(&self, index: usize) -> u16 {
        self.servers[index].port()
    }

    /// The port for TLS of a server that was started with one.
    #[must_use]
    pub fn secure_port(&self, index: usize) -> u16 {
        self.servers[index].secure.number()
    }

    /// Kills a server (SIGKILL) and waits until it is gone.
    ///
    /// # Panics
    /// Where it cannot be killed.
    pub fn kill9(&mut self, index: usize) {
        if let Some(mut process) = self.servers[index].process.take() {
            process.kill9().expect("the server can be killed");
        }
    }

    /// Kills a server and takes away all that it knew: it begins anew when it is started again.
    ///
    /// # Panics
    /// Where it cannot.
    pub fn kill_and_forget(&mut self, index: usize) {
        self.kill9(index);
        // Where ZooKeeper keeps its log and its snapshots.
        let data = self.servers[index].folder.path().join("version-2");
        fs::remove_dir_all(data).expect("the data can be deleted");
    }

    /// Freezes a server (SIGSTOP): its connections stay, and nothing is answered.
    ///
    /// # Panics
    /// Where it cannot be frozen.
    pub fn pause(&self, index: usize) {
        self.process(index).pause().expect("the server can be frozen");
    }

    /// Lets a frozen server go on (SIGCONT).
    ///
    /// # Panics
    /// Where it cannot.
    pub fn resume(&self, index: usize) {
        self.process(index).resume().expect("the server can be resumed");
    }

    fn process(&self, index: usize) -> &ChildProcess {
        self.servers[index].process.as_ref().expect("the server runs")
    }

    /// Starts a killed server again, with what it had, and waits until it serves.
    ///
    /// # Panics
    /// Where it does not.
    pub async fn start_again(&mut self, index: usize) {
        self.servers[index].spawn();
        self.servers[index].wait_until_it_serves().await;
    }

    /// Asks a server to end, as its service manager would, waits until it has, and starts it again.
    ///
    /// # Panics
    /// Where it does not end, or does not serve afterwards.
    pub async fn restart(&mut self, index: usize) {
        let mut process = self.servers[index].process.take().expect("the server runs");
        process.terminate().expect("the server can be asked to end");
        let ended = process.wait_until(Instant::now() + DEADLINE).await;
        ended.expect("the server can be watched").expect("the server ends when it is asked to");
        self.start_again(index).await;
    }

    /// Starts all killed servers again, and waits until all serve.
    ///
    /// # Panics
    /// Where they do not.
    pub async fn revive(&mut self) {
        for server in self.servers.iter_mut().filter(|server| server.process.is_none()) {
            server.spawn();
        }
        for server in &self.servers {
            server.wait_until_it_serves().await;
        }
    }

    /// A client of its own.
    ///
    /// # Panics
    /// Where no server answers.
    pub async fn client(&self) -> Client {
        Client::connect(&self.addresses()).await.expect("the ensemble answers")
    }

    /// Ends the session that has made a node, as an administrator could; its client is not asked.
    ///
    /// # Panics
    /// Where there is no such node, or the session does not end.
    pub async fn end_session_of(&self, node: &str) {
        let client = self.client().await;
        let stat = client.check_stat(node).await.expect("the ensemble answers");
        let session = stat.expect("the node is there").ephemeral_owner;
        wait_until("the session ends", DEADLINE, async || {
            session::try_to_end(&self.ports(), session).await;
            let now = client.check_stat(node).await;
            // It may be there again, by another session of its client.
            now.is_ok_and(|now| now.is_none_or(|stat| stat.ephemeral_owner != session))
        })
        .await;
    }

    /// What a server says about its work, by the names of `mntr`.
    ///
    /// # Panics
    /// Where it does not answer.
    pub async fn counters(&self, index: usize) -> BTreeMap<String, String> {
        let told = self.servers[index].tell("mntr").await.expect("the server answers");
        let pairs = told.lines().filter_map(|line| line.split_once('\t'));
        pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    }

    /// The number of a server's process.
    ///
    /// # Panics
    /// Where it does not run.
    #[must_use]
    pub fn process_id(&self, index: usize) -> u32 {
        self.process(index).id()
    }

    /// Which server leads now; `None` where none does, or where there is only one.
    pub async fn leader(&self) -> Option<usize> {
        for (index, server) in self.servers.iter().enumerate() {
            if server.state().await.is_some_and(|state| state.contains("Mode: leader")) {
                return Some(index);
            }
        }
        None
    }
}
