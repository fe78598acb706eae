//! What each server says about itself over its plain port, for people.
//!
//! `srvr` is the one word that servers answer unless they are told otherwise. Over TLS it is not
//! asked, since that takes a client of its own.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Servers answer in milliseconds; what is far away takes a round trip or two.
const ANSWER: Duration = Duration::from_secs(3);
/// More than any answer has.
const LONGEST_ANSWER: u64 = 16 * 1024;

/// What a server said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Told {
    /// Its version, such as `3.8.0`.
    Version(String),
    /// It takes connections and does not tell.
    Nothing,
    /// It serves nobody: without a majority.
    NotServing,
    /// It does not take connections.
    Unreachable(String),
}

pub(super) async fn ask(server: &str) -> Told {
    let stream = match timeout(ANSWER, TcpStream::connect(server)).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => return Told::Unreachable(error.to_string()),
        Err(_) => return Told::Unreachable(format!("no answer within {} s", ANSWER.as_secs())),
    };
    match timeout(ANSWER, Box::pin(answer(stream))).await {
        Ok(Some(text)) => understand(&text),
        Ok(None) | Err(_) => Told::Nothing,
    }
}

async fn answer(mut stream: TcpStream) -> Option<String> {
    stream.write_all(b"srvr").await.ok()?;
    let mut text = Vec::new();
    stream.take(LONGEST_ANSWER).read_to_end(&mut text).await.ok()?;
    String::from_utf8(text).ok()
}

fn understand(text: &str) -> Told {
    if text.contains("not currently serving requests") {
        return Told::NotServing;
    }
    let version = text.lines().find_map(|line| line.strip_prefix("Zookeeper version: "));
    let number = |rest: &str| {
        let is_part = |c: char| c.is_ascii_digit() || c == '.';
        rest.split(|c| !is_part(c)).next().unwrap_or_default().to_owned()
    };
    match version.map(number).filter(|number| !number.is_empty()) {
        Some(number) => Told::Version(number),
        None => Told::Nothing,
    }
}

/// Whether a version is one that tells the transaction of a node when it is made: 3.5 or later.
pub(super) fn is_young_enough(version: &str) -> bool {
    let mut parts = version.split('.').map(|part| part.parse::<u32>().unwrap_or(0));
    (parts.next().unwrap_or(0), parts.next().unwrap_or(0)) >= (3, 5)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_tells_the_version_or_nothing() {
        let told =
            understand("Zookeeper version: 3.8.0-${mvngit.commit.id}, built on 2022\nMode: x");
        assert_eq!(told, Told::Version("3.8.0".to_owned()));
        let closed = "This ZooKeeper instance is not currently serving requests\n";
        assert_eq!(understand(closed), Told::NotServing);
        for text in ["", "srvr is not executed because it is not in the whitelist.", "HTTP/1.1 400"]
        {
            assert_eq!(understand(text), Told::Nothing, "{text}");
        }
    }

    #[test]
    fn versions_are_compared_by_their_numbers() {
        for version in ["3.5.0", "3.10.1", "4.0", "3.5"] {
            assert!(is_young_enough(version), "{version}");
        }
        for version in ["3.4.14", "2.9", "3", ""] {
            assert!(!is_young_enough(version), "{version}");
        }
    }
}
