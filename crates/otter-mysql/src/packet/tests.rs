use proptest::prelude::*;
use tokio::io::DuplexStream;

use super::*;

const PATIENCE: Duration = Duration::from_secs(5);

fn pair(capacity: usize, limit: usize) -> (DuplexStream, PacketStream<DuplexStream>) {
    let (server, client) = tokio::io::duplex(1 << 20);
    (server, PacketStream::new(client, capacity, limit, PATIENCE))
}

fn frame(sequence: u8, payload: &[u8]) -> Vec<u8> {
    let [a, b, c, _] = u32::try_from(payload.len()).unwrap().to_le_bytes();
    let mut bytes = vec![a, b, c, sequence];
    bytes.extend_from_slice(payload);
    bytes
}

/// Splits a payload as a server does.
fn frames(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut sequence = first;
    let mut rest = payload;
    loop {
        let (chunk, tail) = rest.split_at_checked(FULL).unwrap_or((rest, &[]));
        bytes.extend(frame(sequence, chunk));
        sequence = sequence.wrapping_add(1);
        rest = tail;
        if chunk.len() < FULL {
            return bytes;
        }
    }
}

fn pattern(length: usize) -> Vec<u8> {
    (0..=250u8).cycle().take(length).collect()
}

#[tokio::test]
async fn packets_arrive_in_order_whatever_the_pieces_they_come_in() {
    let (mut server, mut packets) = pair(64, 1 << 20);
    let payloads: Vec<Vec<u8>> = [0, 1, 3, 59, 60, 61, 64, 500, 2].map(pattern).into();
    let mut bytes = Vec::new();
    for (sequence, payload) in (0..).zip(&payloads) {
        bytes.extend(frame(sequence, payload));
    }
    let feed = tokio::spawn(async move {
        for piece in bytes.chunks(7) {
            server.write_all(piece).await.unwrap();
            tokio::task::yield_now().await;
        }
        server
    });
    for payload in &payloads {
        assert_eq!(packets.read().await.unwrap(), payload);
    }
    drop(feed.await.unwrap());
    assert!(matches!(packets.read().await, Err(PacketError::Closed)));
}

#[tokio::test]
async fn split_packets_are_joined() {
    for length in [FULL - 1, FULL, FULL + 1, 2 * FULL, 2 * FULL + 70_000] {
        let (mut server, mut packets) = pair(4096, 64 << 20);
        let payload = pattern(length);
        let mut bytes = frames(0, &payload);
        let next = u8::try_from(length / FULL + 1).unwrap();
        bytes.extend(frame(next, b"after"));
        let feed = tokio::spawn(async move {
            server.write_all(&bytes).await.unwrap();
            server
        });
        assert!(packets.read().await.unwrap() == payload, "{length}");
        assert_eq!(packets.read().await.unwrap(), b"after");
        drop(feed.await.unwrap());
    }
}

#[tokio::test]
async fn written_packets_are_split_and_numbered() {
    for length in [0, 5, FULL - 1, FULL, FULL + 5] {
        let (client, mut server) = tokio::io::duplex(1 << 20);
        let payload = pattern(length);
        let sent = payload.clone();
        let send = tokio::spawn(async move {
            PacketStream::new(client, 64, 64, PATIENCE).write(&sent).await.unwrap();
        });
        let mut received = Vec::new();
        server.read_to_end(&mut received).await.unwrap();
        send.await.unwrap();
        assert!(received == frames(0, &payload), "{length}");
    }
}

#[tokio::test]
async fn a_packet_out_of_sequence_is_refused() {
    for (first, second) in [(1, 2), (0, 0), (0, 2)] {
        let (mut server, mut packets) = pair(64, 1024);
        server.write_all(&frame(first, b"a")).await.unwrap();
        server.write_all(&frame(second, b"b")).await.unwrap();
        let mut results = Vec::new();
        for _ in 0..2 {
            results.push(packets.read().await.map(<[u8]>::to_vec));
        }
        assert!(
            results.iter().any(|result| matches!(result, Err(PacketError::OutOfSequence))),
            "{first} {second}: {results:?}"
        );
    }
}

/// As where a server ends the connection (4031, 1053, 1927) while a command is on its way.
#[tokio::test]
async fn a_farewell_that_crosses_a_command_is_read() {
    let farewell = frame(0, b"\xff\xbf\x0f#HY000The client was disconnected");
    for pieces in [1, 5, farewell.len()] {
        let (mut server, mut packets) = pair(64, 1024);
        packets.write(b"a command").await.unwrap();
        let mut command = vec![0; HEADER + 9];
        server.read_exact(&mut command).await.unwrap();
        let sent = farewell.clone();
        let feed = tokio::spawn(async move {
            for piece in sent.chunks(pieces) {
                server.write_all(piece).await.unwrap();
                tokio::task::yield_now().await;
            }
        });
        assert_eq!(packets.read().await.unwrap(), &farewell[HEADER..]);
        feed.await.unwrap();
        assert!(matches!(packets.read().await, Err(PacketError::Closed)));
    }
}

#[tokio::test]
async fn only_a_farewell_may_be_out_of_sequence() {
    for (sequence, payload) in [(0, &b"\x00"[..]), (0, b""), (2, b"\xff\xbf\x0f")] {
        let (mut server, mut packets) = pair(64, 1024);
        packets.write(b"a command").await.unwrap();
        server.write_all(&frame(sequence, payload)).await.unwrap();
        drop(server);
        assert!(matches!(packets.read().await, Err(PacketError::OutOfSequence)), "{sequence}");
    }
}

#[tokio::test]
async fn sequence_numbers_wrap_around() {
    let (mut server, mut packets) = pair(64, 1024);
    for number in 0..600u32 {
        let [sequence, ..] = number.to_le_bytes();
        server.write_all(&frame(sequence, &number.to_le_bytes())).await.unwrap();
        assert_eq!(packets.read().await.unwrap(), number.to_le_bytes());
    }
}

#[tokio::test]
async fn a_stream_that_ends_inside_a_packet_is_closed() {
    for cut in [1, 4, 5, 99] {
        let (mut server, mut packets) = pair(64, 1024);
        let bytes = frame(0, &pattern(100));
        server.write_all(&bytes[..cut]).await.unwrap();
        drop(server);
        assert!(matches!(packets.read().await, Err(PacketError::Closed)), "{cut}");
    }
}

#[tokio::test]
async fn a_packet_over_the_limit_is_refused_before_it_is_gathered() {
    let (mut server, mut packets) = pair(64, 1000);
    server.write_all(&frame(0, &pattern(1001))[..4]).await.unwrap();
    assert!(matches!(packets.read().await, Err(PacketError::TooLarge { limit: 1000 })));
    assert_eq!(packets.large.capacity(), 0);

    let (mut server, mut packets) = pair(64, FULL + 10);
    let payload = frames(0, &pattern(FULL + 11));
    let feed = tokio::spawn(async move {
        let _ = server.write_all(&payload).await;
    });
    assert!(matches!(packets.read().await, Err(PacketError::TooLarge { .. })));
    drop(packets);
    feed.await.unwrap();
}

/// MEM-1: a promise of 16 MiB costs no more memory than the step, and none without bytes.
#[tokio::test(start_paused = true)]
async fn memory_grows_with_the_bytes_that_arrive() {
    let (mut server, mut packets) = pair(64, 1 << 30);
    server.write_all(&[0xff, 0xff, 0xff, 0]).await.unwrap();
    server.write_all(&[7; 40]).await.unwrap();
    assert!(matches!(packets.read().await, Err(PacketError::Silent(_))));
    assert!(packets.large.capacity() <= FULL);
}

#[tokio::test]
async fn memory_of_a_huge_packet_is_given_back() {
    let (mut server, mut packets) = pair(4096, 1 << 30);
    let payload = pattern(3 * FULL);
    let mut bytes = frames(0, &payload);
    bytes.extend(frame(4, b"small"));
    let feed = tokio::spawn(async move {
        server.write_all(&bytes).await.unwrap();
        server
    });
    assert_eq!(packets.read().await.unwrap().len(), payload.len());
    assert!(packets.large.capacity() <= payload.len() + STEP);
    packets.read().await.unwrap();
    assert_eq!(packets.large.capacity(), 0);
    drop(feed.await.unwrap());
}

#[tokio::test(start_paused = true)]
async fn silence_is_noticed_although_the_calls_are_cancelled() {
    let (mut server, mut packets) = pair(64, 1024);
    server.write_all(&frame(0, b"first")).await.unwrap();
    packets.read().await.unwrap();
    let started = Instant::now();
    let error = loop {
        tokio::select! {
            biased;
            result = packets.read() => break result.unwrap_err(),
            () = tokio::time::sleep(Duration::from_millis(300)) => {}
        }
    };
    assert!(matches!(error, PacketError::Silent(PATIENCE)));
    assert!(started.elapsed() >= PATIENCE && started.elapsed() < PATIENCE * 2);
    drop(server);
}

#[tokio::test(start_paused = true)]
async fn bytes_that_arrived_while_nobody_looked_are_not_silence() {
    let (mut server, mut packets) = pair(64, 1024);
    tokio::select! {
        biased;
        _ = packets.read() => panic!("nothing was sent"),
        () = tokio::time::sleep(Duration::from_millis(1)) => {}
    }
    server.write_all(&frame(0, b"late")).await.unwrap();
    tokio::time::sleep(PATIENCE * 3).await;
    assert_eq!(packets.read().await.unwrap(), b"late");
}

#[tokio::test]
async fn a_cancelled_read_loses_nothing() {
    let (mut server, mut packets) = pair(64, 1 << 20);
    let payload = pattern(100_000);
    let bytes = frame(0, &payload);
    let feed = tokio::spawn(async move {
        for piece in bytes.chunks(999) {
            server.write_all(piece).await.unwrap();
            tokio::task::yield_now().await;
        }
        server
    });
    let received = loop {
        tokio::select! {
            biased;
            result = packets.read() => break result.unwrap().to_vec(),
            () = tokio::task::yield_now() => {}
        }
    };
    assert_eq!(received, payload);
    drop(feed.await.unwrap());
}

#[tokio::test]
async fn a_waiting_packet_is_known_only_when_it_is_whole() {
    let (mut server, mut packets) = pair(64, 1024);
    let mut bytes = frame(0, b"one");
    bytes.extend(frame(1, b"two"));
    bytes.extend(&frame(2, b"three")[..6]);
    server.write_all(&bytes).await.unwrap();
    assert!(!packets.has_packet());
    assert_eq!(packets.read().await.unwrap(), b"one");
    assert!(packets.has_packet());
    assert_eq!(packets.read().await.unwrap(), b"two");
    assert!(!packets.has_packet());
}

#[tokio::test]
async fn bytes_left_over_from_an_answer_stop_the_next_command() {
    let (mut server, mut packets) = pair(64, 1024);
    let mut bytes = frame(0, b"answer");
    bytes.extend(frame(1, b"injected"));
    server.write_all(&bytes).await.unwrap();
    packets.read().await.unwrap();
    assert!(matches!(packets.begin(), Err(PacketError::Unread)));
    assert!(matches!(packets.into_io().unwrap_err(), PacketError::Unread));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// Hostile bytes end in an error or in packets, never in a panic or a huge buffer.
    #[test]
    fn no_bytes_make_the_stream_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let (mut server, mut packets) = pair(64, 1 << 16);
            server.write_all(&bytes).await.unwrap();
            drop(server);
            while packets.read().await.is_ok() {}
            assert!(packets.large.capacity() <= 1 << 17);
        });
    }
}
