//! Text in UTF-8 against what the servers themselves make of every code.
#![allow(
    clippy::large_futures,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test fails by panicking and reports by printing"
)]

use otter_binlog::charset::to_utf8;
use otter_tests::charsets::{CHARSETS, letters};
use otter_tests::testbed::{self, FLAVORS};

#[tokio::test]
async fn every_code_becomes_the_letter_that_the_servers_make_of_it() {
    for flavor in FLAVORS {
        let server = testbed::server(flavor).start().await;
        let (mut known, mut unknown) = (0, 0);
        for charset in CHARSETS {
            let letters = letters(&server, charset).await;
            assert!(letters.len() > 100, "{flavor} {charset}: {} letters", letters.len());
            for code in codes() {
                let (ours, theirs) = (to_utf8(charset, &code), letters.get(&code));
                let mut ours_letters = ours.as_deref().unwrap_or_default().chars();
                match (ours_letters.next(), ours_letters.next()) {
                    (letter, None) => {
                        assert_eq!(letter.as_ref(), theirs, "{flavor} {charset} {code:x?}");
                        *(if theirs.is_some() { &mut known } else { &mut unknown }) += 1;
                    }
                    // Two letters of one byte each.
                    (_, Some(_)) => assert_eq!(theirs, None, "{flavor} {charset} {code:x?}"),
                }
            }
        }
        println!(
            "{flavor}: {known} codes as the server reads them, {unknown} that stand for nothing"
        );
    }
}

/// All codes of one byte, of two from a high one on, and of three behind `8f`.
fn codes() -> impl Iterator<Item = Vec<u8>> {
    let pairs = || (0x80..=u8::MAX).flat_map(|first| (0..=u8::MAX).map(move |last| [first, last]));
    let one = (0..=u8::MAX).map(|byte| vec![byte]);
    let three = pairs().map(|[first, last]| vec![0x8f, first, last]);
    one.chain(pairs().map(Vec::from)).chain(three)
}
