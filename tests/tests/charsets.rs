//! Text in UTF-8 against what the servers themselves make of every code.
#![allow(
    clippy::large_futures,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test fails by panicking and reports by printing"
)]

use otter_binlog::charset::to_utf8;
use otter_tests::charsets::{CHARSETS, GB18030, letters};
use otter_tests::query;
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

#[tokio::test]
async fn every_code_of_gb18030_becomes_the_letter_that_mysql_makes_of_it() {
    let server = testbed::mysql().start().await;
    let letters = letters(&server, GB18030).await;
    assert!(letters.len() > 60_000, "{} letters", letters.len());
    let digits = || b'0'..=b'9';
    let four = (0x81..=0x84_u8).flat_map(move |first| {
        digits().flat_map(move |second| {
            (0x81..=0xfe_u8).flat_map(move |third| {
                digits().map(move |fourth| vec![first, second, third, fourth])
            })
        })
    });
    let pairs = (0x80..=u8::MAX).flat_map(|first| (0..=u8::MAX).map(move |last| vec![first, last]));
    for code in (0..=u8::MAX).map(|byte| vec![byte]).chain(pairs).chain(four) {
        let ours = to_utf8(GB18030, &code);
        let mut ours = ours.as_deref().unwrap_or_default().chars();
        let (letter, more) = (ours.next(), ours.next());
        let letter = letter.filter(|_| more.is_none());
        assert_eq!(letter.as_ref(), letters.get(&code), "{code:x?}");
    }
    // Letters of all other planes, the other way round.
    let sixteen = "SELECT HEX(CONVERT(CONVERT(UNHEX('{}') USING utf32) USING gb18030))";
    for letter in (0x1_0000..=0x10_ffff_u32).step_by(0x3fff).chain([0x10_ffff]) {
        let statement = sixteen.replace("{}", &format!("{letter:08X}"));
        let code = query::text(&server, &statement).await;
        let code: Vec<u8> = (0..code.len() / 2)
            .map(|at| u8::from_str_radix(&code[2 * at..2 * at + 2], 16).unwrap())
            .collect();
        let ours = to_utf8(GB18030, &code).unwrap_or_default();
        assert_eq!(ours.chars().next(), char::from_u32(letter), "{code:x?}");
    }
}

/// All codes of one byte, of two from a high one on, and of three behind `8f`.
fn codes() -> impl Iterator<Item = Vec<u8>> {
    let pairs = || (0x80..=u8::MAX).flat_map(|first| (0..=u8::MAX).map(move |last| [first, last]));
    let one = (0..=u8::MAX).map(|byte| vec![byte]);
    let three = pairs().map(|[first, last]| vec![0x8f, first, last]);
    one.chain(pairs().map(Vec::from)).chain(three)
}
