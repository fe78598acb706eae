//! A line that breaks at the worst moment: around COMMIT.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use otter_core::testkit::lease::{lease, pipeline};
use otter_core::{Fault, Load};
use otter_sink::MySqlLoader;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::place::Place;
use crate::source::{Source, insert, pair};

/// On which side of the server's work the line breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Break {
    BeforeCommit,
    AfterCommit,
}

/// A line that, once armed, breaks at the next COMMIT.
struct Fragile {
    port: u16,
    armed: Arc<AtomicBool>,
}

impl Fragile {
    async fn start(target: u16, at: Break) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let armed = Arc::new(AtomicBool::new(false));
        let trap = Arc::clone(&armed);
        tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                tokio::spawn(carry(near, target, at, Arc::clone(&trap)));
            }
        });
        Self { port, armed }
    }
}

async fn carry(mut near: TcpStream, target: u16, at: Break, armed: Arc<AtomicBool>) {
    let mut far = TcpStream::connect((Ipv4Addr::LOCALHOST, target)).await.unwrap();
    let (mut asked, mut answered) = (vec![0; 1 << 16], vec![0; 1 << 16]);
    loop {
        tokio::select! {
            read = near.read(&mut asked) => {
                let Ok(length @ 1..) = read else { return };
                let is_commit = asked[..length].ends_with(b"\x03COMMIT");
                let breaks = is_commit && armed.swap(false, Ordering::SeqCst);
                if breaks && at == Break::BeforeCommit {
                    return;
                }
                far.write_all(&asked[..length]).await.unwrap();
                if breaks {
                    // The answer shows that the server has committed; nobody gets it.
                    let _ = far.read(&mut answered).await.unwrap();
                    return;
                }
            }
            read = far.read(&mut answered) => {
                let Ok(length @ 1..) = read else { return };
                near.write_all(&answered[..length]).await.unwrap();
            }
        }
    }
}

async fn lose_the_line(place: &Place, at: Break) {
    let pairs = place.pairs().await;
    let line = Fragile::start(place.server.port(), at).await;
    // In the clear, so that the line can see the command.
    let url = format!("mysql://root@127.0.0.1:{}?ssl-mode=disabled", line.port);
    let loader = MySqlLoader::new(pipeline(), url.parse().unwrap(), place.options());
    let mut source = Source::new();
    assert_eq!(loader.resume(&lease(1)).await.unwrap(), None);
    loader.begin(&source.position(), &lease(1)).await.unwrap();
    for step in 1..4 {
        let before = source.position();
        let events = || vec![vec![insert(&pairs, &[pair(step, step)])]];
        let batch = source.batch(events());
        line.armed.store(true, Ordering::SeqCst);
        let error = loader.load(batch, &lease(1)).await.unwrap_err();
        assert_eq!(error.fault(), Fault::Transient, "{error}");
        let found = loader.resume(&lease(1)).await.unwrap();
        match at {
            Break::AfterCommit => assert_eq!(found, Some(source.position())),
            Break::BeforeCommit => {
                assert_eq!(found, Some(before));
                let mut again = Source::new();
                for _ in 1..step {
                    let _ = again.batch(vec![Vec::new()]);
                }
                let _ = loader.load(again.batch(events()), &lease(1)).await.unwrap();
                assert_eq!(again.position(), source.position());
            }
        }
    }
    assert_eq!(place.shown_pairs().await, "1=1 2=2 3=3");
    loader.close().await;
}

on_both! {
    async fn a_commit_whose_answer_is_lost_is_found_in_the_checkpoint(place: Place) {
        lose_the_line(&place, Break::AfterCommit).await;
    }

    async fn a_commit_that_never_arrives_is_rolled_back(place: Place) {
        lose_the_line(&place, Break::BeforeCommit).await;
    }
}
