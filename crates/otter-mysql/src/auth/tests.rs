use super::*;

const NONCE_BYTES: &[u8] = b"12345678abcdefghijkl\0";
/// Its private half was thrown away.
const PEM: &[u8] = include_bytes!("tests/public_key.pem");

fn account(password: &Secret, encryption: Encryption) -> Account<'_> {
    Account {
        user: "otter",
        password,
        address: "db:3306".to_owned(),
        encryption,
        public_key: None,
        may_ask_for_key: false,
    }
}

fn secret() -> Secret {
    Secret::new("hunter2")
}

#[test]
fn a_cached_password_is_proved_without_being_sent() {
    let password = secret();
    let account = account(&password, Encryption::Plain);
    let (mut method, proof) =
        Method::begin(b"caching_sha2_password", NONCE_BYTES, &account).unwrap();
    assert_eq!(proof.len(), 32);
    assert_eq!(method.answer(FAST_LOGIN_DONE, &account).unwrap(), None);
}

#[test]
fn the_password_goes_in_clear_only_through_tls() {
    let password = secret();
    for encryption in [Encryption::Unverified, Encryption::Verified] {
        let account = account(&password, encryption);
        let (mut method, _) =
            Method::begin(b"caching_sha2_password", NONCE_BYTES, &account).unwrap();
        assert_eq!(method.answer(FULL_LOGIN, &account).unwrap().unwrap(), b"hunter2\0");
        assert!(method.answer(FULL_LOGIN, &account).is_err(), "it is sent once");
    }
}

#[test]
fn without_tls_the_key_must_come_from_somewhere() {
    for plugin in [&b"caching_sha2_password"[..], b"sha256_password"] {
        let password = secret();
        let mut account = account(&password, Encryption::Plain);
        let full = |account: &Account<'_>| -> Result<_, ConnectionError> {
            let (mut method, first) = Method::begin(plugin, NONCE_BYTES, account)?;
            if !matches!(method, Method::CachingSha2(_)) {
                return Ok((method, first));
            }
            let answer = method.answer(FULL_LOGIN, account)?;
            Ok((method, answer.unwrap()))
        };
        assert!(matches!(full(&account), Err(ConnectionError::PublicKeyNeeded { .. })));

        account.may_ask_for_key = true;
        let (mut method, asked) = full(&account).unwrap();
        assert_eq!(asked.len(), 1);
        let encrypted = method.answer(PEM, &account).unwrap().unwrap();
        assert_eq!(encrypted.len(), 256);

        account.may_ask_for_key = false;
        account.public_key = Some(PEM.to_vec());
        assert_eq!(full(&account).unwrap().1.len(), 256);
    }
}

#[test]
fn keys_that_are_none_are_refused() {
    for pem in [
        &b""[..],
        b"-----BEGIN PUBLIC KEY-----\n-----END PUBLIC KEY-----\n",
        b"-----BEGIN PUBLIC KEY-----\nMAA=\n-----END PUBLIC KEY-----\n",
        b"-----BEGIN PUBLIC KEY-----\nMIIB////\n-----END PUBLIC KEY-----\n",
        &PEM[..PEM.len() / 2],
        b"\xff\xfe",
    ] {
        assert_eq!(rsa::encrypt(b"hunter2", b"12345678abcdefghijkl", pem), None);
    }
    let long = vec![b'x'; 500];
    assert_eq!(rsa::encrypt(&long, b"12345678abcdefghijkl", PEM), None);
}

#[test]
fn clear_text_goes_only_to_a_verified_server() {
    let password = secret();
    for encryption in [Encryption::Plain, Encryption::Unverified] {
        let result = Method::begin(b"mysql_clear_password", b"", &account(&password, encryption));
        assert!(matches!(result, Err(ConnectionError::CleartextRefused { .. })));
    }
    let verified = account(&password, Encryption::Verified);
    let (_, sent) = Method::begin(b"mysql_clear_password", b"", &verified).unwrap();
    assert_eq!(sent, b"hunter2\0");
}

#[test]
fn unknown_methods_are_named() {
    let password = secret();
    for plugin in ["mysql_old_password", "auth_gssapi_client", ""] {
        let error = Method::begin(plugin.as_bytes(), b"", &account(&password, Encryption::Plain))
            .unwrap_err();
        assert!(
            matches!(error, ConnectionError::UnsupportedPlugin { plugin: p, .. } if p == plugin)
        );
    }
}

#[test]
fn the_first_answer_never_gives_the_password_away() {
    for plugin in ["mysql_clear_password", "sha256_password", "client_ed25519", "dialog", ""] {
        assert_eq!(Method::first(plugin.as_bytes()), AuthPlugin::CachingSha2Password);
    }
    assert_eq!(Method::first(b"mysql_native_password"), AuthPlugin::MysqlNativePassword);
}

#[test]
fn challenges_of_a_wrong_length_are_refused() {
    let password = secret();
    let account = account(&password, Encryption::Plain);
    for plugin in ["mysql_native_password", "caching_sha2_password", "client_ed25519", "parsec"] {
        for length in [0, 1, 19, 22, 31, 34, 255] {
            let challenge = vec![b'x'; length];
            assert!(Method::begin(plugin.as_bytes(), &challenge, &account).is_err(), "{plugin}");
        }
    }
    let (mut parsec, _) = Method::begin(b"parsec", &[1; 32], &account).unwrap();
    assert!(parsec.answer(&[b'P', 200], &account).is_err());
}

#[test]
fn an_empty_password_is_answered_by_nothing() {
    let password = Secret::new("");
    let account = account(&password, Encryption::Plain);
    for plugin in ["mysql_native_password", "caching_sha2_password"] {
        let (_, proof) = Method::begin(plugin.as_bytes(), NONCE_BYTES, &account).unwrap();
        assert!(proof.is_empty(), "{plugin}");
    }
}

/// MariaDB's method is Ed25519 with the password in the place of the 32 bytes of the secret key.
#[test]
fn ed25519_signs_the_nonce() {
    use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};

    const SEED: &str = "a password of thirty-two letters";
    let password = Secret::new(SEED);
    let nonce = [7; ED25519_NONCE];
    let account = account(&password, Encryption::Plain);
    let (_, signature) = Method::begin(b"client_ed25519", &nonce, &account).unwrap();
    let key = Ed25519KeyPair::from_seed_unchecked(SEED.as_bytes()).unwrap();
    let public = UnparsedPublicKey::new(&ED25519, key.public_key().as_ref());
    assert!(public.verify(&nonce, &signature).is_ok());
}
