//! Sends small packets at once over a connection that sqlx opens.
//!
//! sqlx 0.9.0 does not set TCP_NODELAY (<https://github.com/transact-rs/sqlx/pull/4336>) and gives
//! nobody its socket, so that the end of a text waits for the server's delayed acknowledgement: 45 ms
//! for a text of more than 16 KiB over TLS. On Linux sqlx is therefore led to a local socket, and
//! what it sends is passed on over a TCP connection of ours. Once a release of sqlx has the fix,
//! this file goes.

use std::io;
use std::path::{Path, PathBuf};

use tokio::io::{AsyncWriteExt, BufReader, copy_buf};
use tokio::net::{TcpStream, UnixListener, UnixStream};
use tokio::task::JoinHandle;

use super::random::random_name;

/// What is passed on at once: four records of TLS.
const CHUNK: usize = 64 * 1024;

/// Passes everything on between a local socket and a TCP connection. Dropping it closes both.
#[derive(Debug)]
pub(super) struct Relay {
    address: PathBuf,
    task: JoinHandle<()>,
}

impl Relay {
    /// Connects to the server and waits for one local connection of this process.
    pub(super) async fn open(host: &str, port: u16) -> io::Result<Self> {
        let far = TcpStream::connect((host, port)).await?;
        far.set_nodelay(true)?;
        // A name that begins with a zero byte is no file and goes with its socket.
        let address = PathBuf::from(format!("\0otter-{}", random_name()));
        let listener = UnixListener::bind(&address)?;
        let task = tokio::spawn(async move {
            if let Some(near) = accept_ours(&listener).await {
                drop(listener);
                pass_on(near, far).await;
            }
        });
        Ok(Self { address, task })
    }

    /// Where to connect to.
    pub(super) fn address(&self) -> &Path {
        &self.address
    }

    /// Waits until one end has closed and everything before was passed on.
    pub(super) async fn finish(mut self) {
        // An aborted or panicked task has closed both ends, too.
        let _ = (&mut self.task).await;
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The first connection that this process makes; the name is seen by others on the machine.
async fn accept_ours(listener: &UnixListener) -> Option<UnixStream> {
    let own = i32::try_from(std::process::id()).ok()?;
    loop {
        let (near, _) = listener.accept().await.ok()?;
        if near.peer_cred().ok()?.pid() == Some(own) {
            return Some(near);
        }
    }
}

async fn pass_on(mut near: UnixStream, mut far: TcpStream) {
    let (near_read, mut near_write) = near.split();
    let (far_read, mut far_write) = far.split();
    let mut asked = BufReader::with_capacity(CHUNK, near_read);
    let mut answered = BufReader::with_capacity(CHUNK, far_read);
    // When one end closes, or breaks, the other is closed; whoever still writes has no reader.
    tokio::select! {
        _ = copy_buf(&mut asked, &mut far_write) => {
            let _ = far_write.shutdown().await;
        }
        _ = copy_buf(&mut answered, &mut near_write) => {
            let _ = near_write.shutdown().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn bytes_pass_both_ways_and_the_end_of_one_side_ends_the_other() {
        let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = server.local_addr().unwrap().port();
        let relay = Relay::open("127.0.0.1", port).await.unwrap();
        let (mut far, _) = server.accept().await.unwrap();
        let mut near = UnixStream::connect(relay.address()).await.unwrap();
        let mut heard = [0; 4];
        near.write_all(b"ping").await.unwrap();
        far.read_exact(&mut heard).await.unwrap();
        assert_eq!(&heard, b"ping");
        far.write_all(b"pong").await.unwrap();
        near.read_exact(&mut heard).await.unwrap();
        assert_eq!(&heard, b"pong");
        near.write_all(b"last").await.unwrap();
        drop(near);
        relay.finish().await;
        let mut rest = Vec::new();
        far.read_to_end(&mut rest).await.unwrap();
        assert_eq!(rest, b"last");
    }
}
