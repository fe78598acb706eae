//! The conformance suite of arbiters that ask a server: what must hold when the server, the line
//! to it or its records go away.
//!
//! Such an arbiter runs [`arbiter_suite!`](crate::arbiter_suite) too. Its fixture is the same one,
//! with more powers.

pub mod cases;

use async_trait::async_trait;

use super::arbiter::{ArbiterFixture, Node};
use crate::arbiter::Side;

/// What fate can do to a server that arbiters ask.
///
/// A lease of the fixture must last long enough for the server to be cut off and restored twice
/// within it.
#[async_trait]
pub trait RemoteArbiterFixture: ArbiterFixture {
    /// A node whose arbiter works; with the power to cut its own line.
    async fn remote_node(&self) -> Box<dyn RemoteNode>;
    /// Ends the side's lease at the server, as an administrator could: the holder is not told.
    async fn expire(&self, side: &Side);
    /// Deletes the server's record of who holds the side, and nothing else: the holder is not
    /// told.
    async fn forget(&self, side: &Side);
    /// Deletes everything that the arbiter keeps at the server, and makes it anew as the first
    /// start would, with another identity.
    async fn rebuild(&self);
    /// Kills the server.
    async fn kill(&self);
    /// Starts the killed server again, with what it had.
    async fn revive(&self);
}

/// A node with a line to the server.
#[async_trait]
pub trait RemoteNode: Node {
    /// Cuts the line: connections break, and no new ones can be made.
    async fn cut(&self);
    /// Restores the line.
    async fn restore(&self);
}
