//! A line between Otter and a server that can be cut, fall silent, or be slow.
//!
//! ```no_run
//! # async fn example(server: &otter_server::sandbox::Server) {
//! use std::time::Duration;
//! use otter_tests::proxy::Proxy;
//!
//! let line = Proxy::start(server.port()).await;
//! let url = line.url(&server.url());
//! line.delay(Duration::from_millis(50));
//! line.cut();
//! line.mend();
//! # }
//! ```

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, sleep_until};

/// What is read at once; a frame of the database protocol is usually smaller.
const CHUNK: usize = 32 * 1024;
/// How many chunks are under way in one direction before the line is full: with
/// small packets and 100 ms of delay about 10,000 packets per second.
const CHUNKS_UNDER_WAY: usize = 1024;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    Silent,
    Cut,
}

#[derive(Debug, Clone, Copy)]
struct Line {
    state: State,
    delay: Duration,
}

type Chunk = (Instant, Vec<u8>);

/// A TCP proxy on a free port of 127.0.0.1; dropping it cuts all connections.
#[derive(Debug)]
pub struct Proxy {
    port: u16,
    line: watch::Sender<Line>,
    listening: JoinHandle<()>,
}

impl Proxy {
    /// Starts a line to a port of 127.0.0.1.
    ///
    /// # Panics
    /// Where no port is free.
    pub async fn start(target: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
        let port = listener.local_addr().expect("a bound socket has an address").port();
        let (line, watched) = watch::channel(Line { state: State::Open, delay: Duration::ZERO });
        let target = SocketAddr::from((Ipv4Addr::LOCALHOST, target));
        let listening = tokio::spawn(listen(listener, target, watched));
        Self { port, line, listening }
    }

    /// Returns the port of this end of the line.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Returns the same URL through this line.
    ///
    /// # Panics
    /// Where the URL has no port.
    #[must_use]
    pub fn url(&self, url: &str) -> String {
        let (before, after) = url.rsplit_once(':').expect("the URL names a port");
        let rest = after.trim_start_matches(|c: char| c.is_ascii_digit());
        format!("{before}:{}{rest}", self.port)
    }

    /// Closes all connections, and closes new ones at once.
    pub fn cut(&self) {
        self.line.send_modify(|line| line.state = State::Cut);
    }

    /// Lets no byte through, and keeps all connections: the other end seems to be
    /// there and does not answer. What is sent arrives when the line is mended.
    pub fn silence(&self) {
        self.line.send_modify(|line| line.state = State::Silent);
    }

    /// Ends a cut or a silence.
    pub fn mend(&self) {
        self.line.send_modify(|line| line.state = State::Open);
    }

    /// Lets every byte take this long in each direction from now on.
    pub fn delay(&self, delay: Duration) {
        self.line.send_modify(|line| line.delay = delay);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        // The connections are the listener's, and end with it.
        self.listening.abort();
    }
}

async fn listen(listener: TcpListener, target: SocketAddr, line: watch::Receiver<Line>) {
    let mut connections = JoinSet::new();
    while let Ok((near, _)) = listener.accept().await {
        connections.spawn(carry(near, target, line.clone()));
        while connections.try_join_next().is_some() {}
    }
}

/// Carries one connection until an end closes it or the line is cut.
async fn carry(near: TcpStream, target: SocketAddr, line: watch::Receiver<Line>) {
    if line.borrow().state == State::Cut {
        return;
    }
    let Ok(far) = TcpStream::connect(target).await else { return };
    for stream in [&near, &far] {
        stream.set_nodelay(true).expect("a connected socket takes options");
    }
    let (near_read, near_write) = near.into_split();
    let (far_read, far_write) = far.into_split();
    let both_ways = async {
        tokio::join!(
            one_way(near_read, far_write, line.clone()),
            one_way(far_read, near_write, line.clone())
        )
    };
    let mut cut = line.clone();
    tokio::select! {
        biased;
        _ = cut.wait_for(|line| line.state == State::Cut) => {}
        _ = both_ways => {}
    }
}

async fn one_way(from: OwnedReadHalf, to: OwnedWriteHalf, line: watch::Receiver<Line>) {
    let (sender, receiver) = mpsc::channel(CHUNKS_UNDER_WAY);
    tokio::join!(read(from, sender, line.clone()), write(to, receiver, line));
}

async fn read(mut from: OwnedReadHalf, chunks: mpsc::Sender<Chunk>, line: watch::Receiver<Line>) {
    let mut buffer = vec![0; CHUNK];
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        let due = Instant::now() + line.borrow().delay;
        let chunk = buffer.get(..length).unwrap_or_default().to_vec();
        if chunks.send((due, chunk)).await.is_err() {
            return;
        }
    }
}

async fn write(
    mut to: OwnedWriteHalf,
    mut chunks: mpsc::Receiver<Chunk>,
    mut line: watch::Receiver<Line>,
) {
    while let Some((due, chunk)) = chunks.recv().await {
        sleep_until(due).await;
        if line.wait_for(|line| line.state == State::Open).await.is_err() {
            return;
        }
        if to.write_all(&chunk).await.is_err() {
            return;
        }
    }
    // The other end sees the end of the stream as this one has sent it.
    let _ = to.shutdown().await;
}
