//! A line that breaks at the worst moment, falls silent, or is encrypted.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use otter_core::testkit::lease::{lease, pipeline};
use otter_core::{DatabaseUrl, Fault, Load};
use otter_server::sandbox::Flavor;
use otter_sink::MySqlLoader;
use otter_tests::proxy::Proxy;
use otter_tests::random::Random;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::place::Place;
use crate::source::{Source, insert, pair, update};

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
                let is_commit = asked[..length].windows(7).any(|bytes| bytes == b"\x03COMMIT");
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

    async fn a_server_that_falls_silent_is_given_up_and_taken_over_again(place: Place) {
        let pairs = place.pairs().await;
        let line = Proxy::start(place.server.port()).await;
        let url = line.url(&place.server.url()).parse().unwrap();
        let mut options = place.options();
        options.answer_timeout = Duration::from_secs(1);
        let loader = MySqlLoader::new(pipeline(), url, options);
        let mut source = Source::new();
        assert_eq!(loader.resume(&lease(1)).await.unwrap(), None);
        loader.begin(&source.position(), &lease(1)).await.unwrap();
        line.silence();
        let events = || vec![vec![insert(&pairs, &[pair(1, 1)])]];
        let error = loader.load(source.batch(events()), &lease(1)).await.unwrap_err();
        assert_eq!(error.fault(), Fault::Transient, "{error}");
        line.mend();
        let found = loader.resume(&lease(1)).await.unwrap();
        source = Source::new();
        assert_eq!(found, Some(source.position()));
        let _ = loader.load(source.batch(events()), &lease(1)).await.unwrap();
        assert_eq!(place.shown_pairs().await, "1=1");
        loader.close().await;
    }

    async fn a_line_that_is_cut_again_and_again_loses_and_repeats_nothing(place: Place) {
        const STEPS: i64 = 150;

        let pairs = place.pairs().await;
        place.execute("INSERT INTO pair VALUES (0, 0)").await;
        let seed = Random::seed_from_environment();
        println!("OTTER_SEED={seed}");
        let mut random = Random::new(seed);
        let line = Proxy::start(place.server.port()).await;
        let url = line.url(&place.server.url()).parse().unwrap();
        let loader = MySqlLoader::new(pipeline(), url, place.options());
        assert_eq!(loader.resume(&lease(1)).await.unwrap(), None);
        loader.begin(&Source::new().position(), &lease(1)).await.unwrap();
        // Each step adds a row and counts on: whatever is lost or repeated is a finding.
        let events = |step: i64| {
            vec![insert(&pairs, &[pair(step, step)]), update(&pairs, pair(0, step - 1), pair(0, step))]
        };
        let cuts = async {
            for _ in 0..25 {
                tokio::time::sleep(Duration::from_micros(500 + random.below(40_000))).await;
                line.cut();
                tokio::time::sleep(Duration::from_micros(random.below(5_000))).await;
                line.mend();
            }
        };
        let loads = async {
            let mut source = Source::new();
            let (mut step, mut faults) = (1, 0);
            while step <= STEPS {
                let error = match loader.load(source.batch(vec![events(step)]), &lease(1)).await {
                    Ok(_) => {
                        step += 1;
                        continue;
                    }
                    Err(error) => error,
                };
                assert_eq!(error.fault(), Fault::Transient, "{error}");
                faults += 1;
                let found = loop {
                    match loader.resume(&lease(1)).await {
                        Ok(found) => break found.unwrap(),
                        Err(error) => assert_eq!(error.fault(), Fault::Transient, "{error}"),
                    }
                    tokio::time::sleep(Duration::from_millis(2)).await;
                };
                source = Source::new();
                step = 1;
                while source.position() != found {
                    let _ = source.batch(vec![Vec::new()]);
                    step += 1;
                }
            }
            faults
        };
        let ((), faults) = tokio::join!(cuts, loads);
        println!("{faults} faults");
        loader.close().await;
        let shown = place.texts("SELECT COUNT(*), SUM(n), MAX(id) FROM {db}.pair").await;
        let sum = STEPS * (STEPS + 1) / 2 + STEPS;
        assert_eq!(shown, [[(STEPS + 1).to_string(), sum.to_string(), STEPS.to_string()]]);
    }

    async fn each_statement_of_a_text_may_take_the_whole_time(place: Place) {
        let pairs = place.pairs().await;
        let mut source = Source::new();
        let mut options = place.options();
        options.answer_timeout = Duration::from_secs(2);
        let loader = place.begun_with(&source, options).await;
        let slow = |table: &str, event: &str, seconds: &str| {
            format!(
                "CREATE TRIGGER {otter}.slow_{table} BEFORE {event} ON {otter}.{table} \
                 FOR EACH ROW SET @ignored = SLEEP({seconds})",
                otter = place.schema
            )
        };
        place.execute(&slow("mark", "INSERT", "1.2")).await;
        place.execute(&slow("checkpoint", "UPDATE", "1.2")).await;
        let batch = source.batch(vec![vec![insert(&pairs, &[pair(1, 1)])]]);
        let _ = loader.load(batch, &lease(1)).await.unwrap();
        place.execute(&format!("DROP TRIGGER {}.slow_checkpoint", place.schema)).await;
        place.execute(&slow("checkpoint", "UPDATE", "3")).await;
        let batch = source.batch(vec![vec![insert(&pairs, &[pair(2, 2)])]]);
        let error = loader.load(batch, &lease(1)).await.unwrap_err();
        assert_eq!(error.fault(), Fault::Transient, "{error}");
    }
}

#[tokio::test]
async fn a_password_that_needs_tls_is_a_fatal_fault_with_the_remedy() {
    let place = Place::new(Flavor::MySql).await;
    place.execute("CREATE USER shy@'127.0.0.1' IDENTIFIED BY 'sekret'").await;
    let url = format!("{}?ssl-mode=disabled", place.server.url_as("shy", "sekret"));
    let loader = MySqlLoader::new(pipeline(), url.parse().unwrap(), place.options());
    let error = loader.resume(&lease(1)).await.unwrap_err();
    assert_eq!(error.fault(), Fault::Fatal, "{error}");
    assert!(error.to_string().contains("ssl-mode=verify-ca"), "{error}");
    assert!(!error.to_string().contains("sekret"), "{error}");
}

#[tokio::test]
async fn the_servers_certificate_is_verified_where_the_url_asks_for_it() {
    let place = Place::new(Flavor::MySql).await;
    let url = |parameters: &str| -> DatabaseUrl {
        format!("{}?{parameters}", place.server.url()).parse().unwrap()
    };
    let ca = place.server.data_dir().join("ca.pem");
    let resume = async |parameters: &str| {
        let loader = MySqlLoader::new(pipeline(), url(parameters), place.options());
        let outcome = loader.resume(&lease(1)).await;
        loader.close().await;
        outcome.map(|_| ()).map_err(|error| error.fault())
    };
    assert_eq!(resume("ssl-mode=required").await, Ok(()));
    assert_eq!(resume(&format!("ssl-mode=verify-ca&ssl-ca={}", ca.display())).await, Ok(()));
    // The machine's own certificates do not vouch for this server.
    assert_eq!(resume("ssl-mode=verify-ca").await, Err(Fault::Fatal));
    // The server's self-made certificate carries no name.
    let named = format!("ssl-mode=verify-identity&ssl-ca={}", ca.display());
    assert_eq!(resume(&named).await, Err(Fault::Fatal));
}

#[tokio::test]
async fn a_server_without_tls_is_refused_where_the_url_asks_for_it() {
    let place = Place::new(Flavor::MariaDb).await;
    let url = format!("{}?ssl-mode=required", place.server.url());
    let loader = MySqlLoader::new(pipeline(), url.parse().unwrap(), place.options());
    let error = loader.resume(&lease(1)).await.unwrap_err();
    assert_eq!(error.fault(), Fault::Fatal, "{error}");
    assert!(error.to_string().contains("ssl-mode"), "{error}");
}
