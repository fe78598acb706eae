use proptest::prelude::*;

use super::*;

fn parse(text: &str) -> Result<DatabaseUrl, DatabaseUrlError> {
    text.parse()
}

fn encode(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => char::from(byte).to_string(),
            _ => format!("%{byte:02x}"),
        })
        .collect()
}

#[test]
fn every_part_is_read() {
    let url = parse(
        "mysql://ott%65r:p%3a%40%2f@db.example:3307/sh%20op?ssl-mode=verify-ca\
         &ssl-ca=/etc/ca.pem&server-public-key=/k.pem&allow-public-key-retrieval=true\
         &connect-timeout-ms=1500",
    )
    .unwrap();
    assert_eq!(url.user(), "otter");
    assert_eq!(url.password().expose(), "p:@/");
    assert_eq!((url.host(), url.port()), ("db.example", 3307));
    assert_eq!(url.database(), Some("sh op"));
    assert_eq!(url.ssl_mode(), SslMode::VerifyCa);
    assert_eq!(url.ssl_ca(), Some("/etc/ca.pem"));
    assert_eq!(url.server_public_key(), Some("/k.pem"));
    assert!(url.allows_public_key_retrieval());
    assert_eq!(url.connect_timeout(), Duration::from_millis(1500));
}

#[test]
fn what_is_left_out_gets_its_default() {
    for text in ["mysql://u@db", "mariadb://u@db/", "mysql://u:@db?"] {
        let url = parse(text).unwrap();
        assert!(url.password().is_empty(), "{text}");
        assert_eq!((url.port(), url.database()), (3306, None), "{text}");
        assert_eq!(url.connect_timeout(), Duration::from_secs(10), "{text}");
        assert!(!url.allows_public_key_retrieval(), "{text}");
    }
}

#[test]
fn ipv6_addresses_stand_in_brackets() {
    let url = parse("mysql://u@[2001:DB8::1]:3310/x").unwrap();
    assert_eq!((url.host(), url.port()), ("2001:db8::1", 3310));
    assert_eq!(url.address(), "[2001:db8::1]:3310");
    assert_eq!(url.to_string(), "mysql://u@[2001:db8::1]:3310/x");
    assert_eq!(parse("mysql://u@[::1]").unwrap().port(), 3306);
    assert_eq!(parse("mysql://u@[::1"), Err(DatabaseUrlError::BadHost));
    assert_eq!(parse("mysql://u@::1"), Err(DatabaseUrlError::BadHost));
    assert_eq!(parse("mysql://u@[::1]3306"), Err(DatabaseUrlError::BadPort));
}

#[test]
fn the_default_mode_depends_on_the_host() {
    for host in ["localhost", "LocalHost", "127.0.0.1", "127.9.9.9", "[::1]", "[::ffff:127.0.0.1]"]
    {
        let url = parse(&format!("mysql://u@{host}")).unwrap();
        assert!(url.is_loopback(), "{host}");
        assert_eq!(url.ssl_mode(), SslMode::Preferred, "{host}");
    }
    for host in ["db", "10.0.0.1", "[2001:db8::1]", "localhost.example", "128.0.0.1"] {
        let url = parse(&format!("mysql://u@{host}")).unwrap();
        assert_eq!(url.ssl_mode(), SslMode::VerifyIdentity, "{host}");
    }
}

#[test]
fn a_named_certificate_is_always_looked_at() {
    assert_eq!(parse("mysql://u@127.0.0.1?ssl-ca=/ca").unwrap().ssl_mode(), SslMode::VerifyCa);
    assert_eq!(parse("mysql://u@db?ssl-ca=/ca").unwrap().ssl_mode(), SslMode::VerifyIdentity);
    for (name, mode) in [("required", SslMode::Required), ("disabled", SslMode::Disabled)] {
        let error = parse(&format!("mysql://u@db?ssl-mode={name}&ssl-ca=/ca")).unwrap_err();
        assert_eq!(error, DatabaseUrlError::UnusedCa(mode));
    }
}

#[test]
fn an_unknown_parameter_is_answered_by_the_nearest_known_one() {
    for (written, expected) in [
        ("sslmode", "ssl-mode"),
        ("ssl_mode", "ssl-mode"),
        ("sslca", "ssl-ca"),
        ("connect_timeout", "connect-timeout-ms"),
        ("allowPublicKeyRetrieval", "allow-public-key-retrieval"),
        ("server-pubkey", "server-public-key"),
    ] {
        let error = parse(&format!("mysql://u@db?{written}=1")).unwrap_err();
        let DatabaseUrlError::UnknownParameter { name, nearest } = error else {
            panic!("{error}");
        };
        assert_eq!((name.as_str(), nearest), (written, expected));
    }
}

#[test]
fn values_that_a_parameter_does_not_take_are_refused() {
    for pair in [
        "ssl-mode=preferred",
        "ssl-mode=",
        "ssl-mode",
        "ssl-ca=",
        "server-public-key=",
        "allow-public-key-retrieval=yes",
        "connect-timeout-ms=0",
        "connect-timeout-ms=10s",
        "connect-timeout-ms=99999999999",
    ] {
        let error = parse(&format!("mysql://u@db?{pair}")).unwrap_err();
        assert!(matches!(error, DatabaseUrlError::BadValue { .. }), "{pair}: {error}");
    }
    let error = parse("mysql://u@db?ssl-ca=/a&ssl-ca=/b").unwrap_err();
    assert_eq!(error, DatabaseUrlError::RepeatedParameter("ssl-ca"));
}

#[test]
fn texts_that_are_no_urls_are_told_what_to_write() {
    for (text, expected) in [
        ("", DatabaseUrlError::NoScheme),
        ("u:p@h", DatabaseUrlError::NoScheme),
        ("oracle://u@h", DatabaseUrlError::UnknownScheme("oracle".to_owned())),
        ("mysql://db", DatabaseUrlError::NoUser),
        ("mysql://@db", DatabaseUrlError::NoUser),
        ("mysql://:p@db", DatabaseUrlError::NoUser),
        ("mysql://u@", DatabaseUrlError::BadHost),
        ("mysql://u@h h", DatabaseUrlError::BadHost),
        ("mysql://u@h:0", DatabaseUrlError::BadPort),
        ("mysql://u@h:65536", DatabaseUrlError::BadPort),
        ("mysql://u@h:", DatabaseUrlError::BadPort),
        ("mysql://u@h/d#x", DatabaseUrlError::Fragment),
        ("mysql://u:%zz@h", DatabaseUrlError::BadEscape(UrlPart::Password)),
        ("mysql://u:%4@h", DatabaseUrlError::BadEscape(UrlPart::Password)),
        ("mysql://u:%ff@h", DatabaseUrlError::BadEscape(UrlPart::Password)),
        ("mysql://u%00@h", DatabaseUrlError::BadEscape(UrlPart::User)),
    ] {
        assert_eq!(parse(text), Err(expected), "{text}");
    }
}

/// SECRET-1: the characters that people forget to escape do not move the password into a message.
#[test]
fn an_unescaped_password_is_refused_without_being_quoted() {
    for character in ['@', '/', '?', '#', '%', ':'] {
        for text in [
            format!("mysql://otter:hun{character}ter2@db:3306/shop"),
            format!("mysql://otter:hun{character}{character}ter2@db"),
            format!("mysql://otter:hun{character}te@r2/x@db"),
            format!("otter:hun{character}ter2@db"),
            format!("otter:hun{character}ter2://db"),
        ] {
            let shown = match parse(&text) {
                Ok(url) => format!("{url} {url:?}"),
                Err(error) => format!("{error} {error:?}"),
            };
            assert!(!shown.contains("hun") && !shown.contains("ter2"), "{text}: {shown}");
        }
    }
}

proptest! {
    #[test]
    fn any_user_password_and_database_survive_encoding(
        user in "[^\0]{1,20}",
        password in "[^\0]{0,40}",
        database in "[^\0]{0,20}",
        port in 1u16..,
    ) {
        let text = format!(
            "mysql://{}:{}@db:{port}/{}", encode(&user), encode(&password), encode(&database)
        );
        let url = parse(&text).unwrap();
        prop_assert_eq!(url.user(), &user);
        prop_assert_eq!(url.password().expose(), &password);
        prop_assert_eq!(url.database().unwrap_or(""), &database);
        prop_assert_eq!(url.port(), port);
    }

    /// SECRET-1
    #[test]
    fn nothing_that_is_printed_holds_the_password(password in "[A-Z]{12,20}", rest in "[ -~]{0,20}") {
        let shown = match parse(&format!("mysql://otter:{password}{rest}@db/shop")) {
            Ok(url) => format!("{url} {url:?} {url:#?}"),
            Err(error) => format!("{error} {error:?}"),
        };
        prop_assert!(!shown.contains(&password), "{}", shown);
    }

    #[test]
    fn no_text_makes_the_parser_panic(text in ".{0,60}", tail in "[ -~]{0,40}") {
        let _ = parse(&text);
        let _ = parse(&format!("mysql://{tail}"));
        let _ = parse(&format!("mysql://u:p@h?{tail}"));
    }
}
