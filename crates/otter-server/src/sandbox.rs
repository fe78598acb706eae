//! Throw-away MariaDB and MySQL servers: for `otter-server demo` and for tests.
//!
//! A [`Server`] runs on a free port of 127.0.0.1 with its data in a temporary
//! folder, and goes away, process and data, when it is dropped or when this
//! process dies. It must never touch a database that somebody else started, and
//! nothing that serves real data may be built on it.
//!
//! ```no_run
//! # async fn example() -> Result<(), otter_server::sandbox::SandboxError> {
//! use otter_server::sandbox::{Flavor, Server, ServerOptions};
//!
//! let mut server = Server::start(ServerOptions::new(Flavor::MariaDb, 1)).await?;
//! server.execute("CREATE DATABASE shop").await?;
//! server.kill9()?;
//! server.start_again().await?;
//! # Ok(())
//! # }
//! ```

mod access;
mod binaries;
mod error;
mod flavor;
mod folder;
mod keeper;
mod options;
mod port;
mod process;
mod server;
mod template;

pub use binaries::cache_folder;
pub use error::SandboxError;
pub use flavor::{Flavor, UnknownFlavor};
pub use folder::Folder;
pub use options::ServerOptions;
pub use port::{ReservedPort, reserve_port};
pub use process::ChildProcess;
pub use server::Server;
