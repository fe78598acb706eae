//! Real servers for tests, in the roles that they play for Otter.
//!
//! ```no_run
//! # async fn example() {
//! use otter_tests::testbed;
//!
//! let source = testbed::mariadb().source().start().await;
//! let target = testbed::mysql().target().arg("--sql-mode=").start().await;
//! # }
//! ```
//!
//! All of these panic where something does not work: a test without its server
//! fails, it does not skip.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use otter_server::sandbox::{Flavor, Server, ServerOptions};

/// All pairings of a source with a target.
pub const PAIRINGS: [(Flavor, Flavor); 4] = [
    (Flavor::MariaDb, Flavor::MariaDb),
    (Flavor::MySql, Flavor::MySql),
    (Flavor::MariaDb, Flavor::MySql),
    (Flavor::MySql, Flavor::MariaDb),
];

/// Both flavors.
pub const FLAVORS: [Flavor; 2] = [Flavor::MariaDb, Flavor::MySql];

/// A server to be started. Its `root` has no password, its id is unlike that of
/// any other server of this process, and nothing waits for the disk.
#[derive(Debug, Clone)]
#[must_use]
pub struct Testbed(ServerOptions);

/// A MariaDB server.
pub fn mariadb() -> Testbed {
    server(Flavor::MariaDb)
}

/// A MySQL server.
pub fn mysql() -> Testbed {
    server(Flavor::MySql)
}

/// A server of the flavor that the test is about.
pub fn server(flavor: Flavor) -> Testbed {
    static LAST_ID: AtomicU32 = AtomicU32::new(100);
    let id = LAST_ID.fetch_add(1, Ordering::Relaxed) + 1;
    Testbed(ServerOptions::new(flavor, id).root_password("").fast())
}

/// The server of this flavor that all tests of this process share, as its makers ship it, with a
/// binlog.
///
/// # Panics
/// Where it does not start.
pub fn shared(flavor: Flavor) -> &'static Server {
    static MARIADB: OnceLock<Server> = OnceLock::new();
    static MYSQL: OnceLock<Server> = OnceLock::new();
    let slot = if flavor == Flavor::MySql { &MYSQL } else { &MARIADB };
    // On a thread of its own, since the caller's runtime is at work.
    slot.get_or_init(|| {
        let start = move || {
            tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .expect("the system has room for one more runtime")
                .block_on(server(flavor).target().start())
        };
        std::thread::spawn(start).join().expect("the server starts")
    })
}

impl Testbed {
    /// Sets the server up as a source in the recommended way: its binlog tells
    /// the names and types of all columns.
    pub fn source(self) -> Self {
        self.arg("--binlog-row-metadata=FULL").arg("--binlog-row-image=FULL")
    }

    /// Sets the server up as a target: as its makers ship it, with a binlog.
    pub fn target(self) -> Self {
        self
    }

    /// Adds one option of the server's own command line; a later one wins.
    pub fn arg(self, arg: impl Into<String>) -> Self {
        Self(self.0.arg(arg))
    }

    /// Changes the options in ways for which there is no word here.
    pub fn with(self, change: impl FnOnce(ServerOptions) -> ServerOptions) -> Self {
        Self(change(self.0))
    }

    /// Starts the server and waits until it takes connections.
    ///
    /// # Panics
    /// Where it cannot be started, with the end of its log.
    pub async fn start(self) -> Server {
        match Server::start(self.0).await {
            Ok(server) => server,
            Err(error) => panic!("the server does not start: {error}"),
        }
    }
}

/// Starts a source and a target at once.
///
/// # Panics
/// Where one of them cannot be started.
pub async fn start_pair((source, target): (Flavor, Flavor)) -> (Server, Server) {
    tokio::join!(server(source).source().start(), server(target).target().start())
}

/// Executes statements, separated by semicolons, as `root`.
///
/// # Panics
/// At the first statement that fails.
pub async fn execute(server: &Server, statements: &str) {
    if let Err(error) = server.execute(statements).await {
        let cause = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
        panic!("{error}: {cause}\nin: {statements}");
    }
}
