//! What the scanner makes of comments, names, texts and numbers.

use proptest::prelude::*;

use super::*;
use crate::connection::Flavor;

const MYSQL: Dialect = Dialect { flavor: Flavor::MySql, version: 80_036, sql_mode: SqlMode::NONE };

fn cut(text: &str, dialect: Dialect) -> Vec<String> {
    let bytes = text.as_bytes();
    Lexer::new(bytes, dialect)
        .map(|token| {
            let slice = String::from_utf8_lossy(token.slice(bytes)).into_owned();
            let mark = match token.kind {
                TokenKind::Word => "w",
                TokenKind::QuotedName => "q",
                TokenKind::Text => "t",
                TokenKind::Hex => "x",
                TokenKind::Bit => "b",
                TokenKind::Number => "n",
                TokenKind::Symbol(_) => "s",
                TokenKind::Broken => "!",
                TokenKind::End => "end",
            };
            format!("{mark}:{slice}")
        })
        .collect()
}

#[test]
fn names_may_begin_with_digits_and_follow_a_dot() {
    assert_eq!(cut("1st", MYSQL), ["w:1st"]);
    assert_eq!(cut("db.2024 .x", MYSQL), ["w:db", "s:.", "w:2024", "s:.", "w:x"]);
    assert_eq!(cut("`a`.1e5", MYSQL), ["q:`a`", "s:.", "w:1e5"]);
    assert_eq!(cut("имя$1", MYSQL), ["w:имя$1"]);
    assert_eq!(cut("0xZZ 0b12 0x", MYSQL), ["w:0xZZ", "w:0b12", "w:0x"]);
}

#[test]
fn numbers_keep_fraction_and_exponent() {
    assert_eq!(
        cut("1 2.5 .5 1. 1e10 1.5E-3", MYSQL),
        ["n:1", "n:2.5", "n:.5", "n:1.", "n:1e10", "n:1.5E-3"]
    );
    assert_eq!(cut("-1+2", MYSQL), ["s:-", "n:1", "s:+", "n:2"]);
    assert_eq!(cut("(10,2)", MYSQL), ["s:(", "n:10", "s:,", "n:2", "s:)"]);
    assert_eq!(cut("0x4D 0b01 x'4d' B'1'", MYSQL), ["x:0x4D", "b:0b01", "x:x'4d'", "b:B'1'"]);
}

#[test]
fn comments_are_blank_unless_they_are_for_this_server() {
    assert_eq!(cut("a -- b\nc # d\ne /* f */ g", MYSQL), ["w:a", "w:c", "w:e", "w:g"]);
    assert_eq!(cut("1--1", MYSQL), ["n:1", "s:-", "s:-", "n:1"]);
    assert_eq!(cut("a /*!50100 b /* c */ d*/ e", MYSQL), ["w:a", "w:b", "w:d", "w:e"]);
    assert_eq!(cut("a /*!90000 b /* c */ d*/ e", MYSQL), ["w:a", "w:e"]);
    assert_eq!(cut("a /*! b*/ /*!123 */ c", MYSQL), ["w:a", "w:b", "n:123", "w:c"]);
    assert_eq!(cut("a /*M!100301 b*/ c", MYSQL), ["w:a", "w:c"]);
    let mariadb = Dialect::new(Flavor::MariaDb, 10, 11, 19);
    assert_eq!(cut("a /*M!100301 b*/ /*!80023 c */ d", mariadb), ["w:a", "w:b", "w:d"]);
    assert_eq!(cut("a /* open", MYSQL), ["w:a"]);
    assert_eq!(cut("a --", MYSQL), ["w:a"]);
}

#[test]
fn quotes_follow_the_modes() {
    let text = r#"'a\'b' "c" `d``e`"#;
    assert_eq!(cut(text, MYSQL), [r"t:'a\'b'", r#"t:"c""#, "q:`d``e`"]);
    let ansi = MYSQL.under(SqlMode::ANSI_QUOTES);
    assert_eq!(cut(r#""c""d" 'x'"#, ansi), [r#"q:"c""d""#, "t:'x'"]);
    let plain = MYSQL.under(SqlMode::NO_BACKSLASH_ESCAPES);
    assert_eq!(cut(r"'a\' b", plain), [r"t:'a\'", "w:b"]);
    assert_eq!(cut("N'x' _utf8'y' n", MYSQL), ["t:N'x'", "w:_utf8", "t:'y'", "w:n"]);
    assert_eq!(cut("a 'b", MYSQL), ["w:a", "!:'b"]);
}

#[test]
fn names_and_texts_lose_quotes_and_escapes() {
    assert_eq!(name_of(b"`a``b`"), "a`b");
    assert_eq!(name_of(br#""a""b""#), "a\"b");
    assert_eq!(name_of(b"plain"), "plain");
    let text = |slice: &[u8]| text_of(slice, &MYSQL).map(|text| String::from_utf8(text).unwrap());
    assert_eq!(text(br"'a''b\n\'\%\q'").as_deref(), Some("a'b\n'\\%q"));
    assert_eq!(text(br#""it's""#).as_deref(), Some("it's"));
    assert_eq!(text(b"N'x'").as_deref(), Some("x"));
    assert_eq!(text(b"x'4142'").as_deref(), Some("AB"));
    assert_eq!(text(b"0x142").as_deref(), Some("\u{1}B"));
    assert_eq!(text(b"b'1000001'").as_deref(), Some("A"));
    assert_eq!(text(b"x'414'"), None);
    assert_eq!(text(b"x'4g'"), None);
    let plain = MYSQL.under(SqlMode::NO_BACKSLASH_ESCAPES);
    assert_eq!(text_of(br"'a\n'", &plain).unwrap(), br"a\n");
}

fn dialects() -> impl Strategy<Value = Dialect> {
    (any::<bool>(), 50_000_u32..130_000, any::<u64>()).prop_map(|(mysql, version, bits)| Dialect {
        flavor: if mysql { Flavor::MySql } else { Flavor::MariaDb },
        version,
        sql_mode: SqlMode::from_bits(bits),
    })
}

/// Pieces from which hostile text is put together.
const PIECES: [&str; 24] = [
    "'", "\"", "`", "\\", "/*", "*/", "/*!", "/*M!", "50100", "900000", "--", "#", "\n", ".", "0x",
    "0b", "1e", "x'", "N'", "é", "a", "9", "(", "\0",
];

proptest! {
    #[test]
    fn tokens_of_any_bytes_follow_each_other_and_end(
        bytes in prop::collection::vec(any::<u8>(), 0..300), dialect in dialects()
    ) {
        check_total(&bytes, dialect);
    }

    #[test]
    fn tokens_of_broken_sql_follow_each_other_and_end(
        pieces in prop::collection::vec(prop::sample::select(&PIECES[..]), 0..60),
        dialect in dialects()
    ) {
        check_total(pieces.concat().as_bytes(), dialect);
    }
}

fn check_total(bytes: &[u8], dialect: Dialect) {
    let mut lexer = Lexer::new(bytes, dialect);
    let mut end = 0;
    loop {
        let token = lexer.next_token();
        assert!(token.start >= end && token.end <= bytes.len());
        if token.kind == TokenKind::End {
            assert_eq!(token.start, bytes.len());
            assert_eq!(lexer.next_token(), token);
            return;
        }
        assert!(token.end > token.start, "a token takes at least one byte");
        let _ = name_of(token.slice(bytes));
        let _ = text_of(token.slice(bytes), &dialect);
        end = token.end;
    }
}
