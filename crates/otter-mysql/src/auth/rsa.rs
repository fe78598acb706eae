//! The password under the server's RSA key, for lines without TLS.
//!
//! By aws-lc-rs rather than `mysql_common`, whose key reader panics on malformed keys: this key
//! may come from a hostile server.

use aws_lc_rs::rsa::{OAEP_SHA1_MGF1SHA1, OaepPublicEncryptingKey, PublicEncryptingKey};
use rustls::pki_types::SubjectPublicKeyInfoDer;
use rustls::pki_types::pem::PemObject;

/// The zero-terminated password, mixed with the nonce, in RSA-OAEP (MySQL 8.0.5 and later).
///
/// `None` where the key is not a PEM public key of RSA with 2048 bits or more, or the password
/// is too long for it.
pub(super) fn encrypt(password: &[u8], nonce: &[u8], pem: &[u8]) -> Option<Vec<u8>> {
    let der = SubjectPublicKeyInfoDer::from_pem_slice(pem).ok()?;
    let key = OaepPublicEncryptingKey::new(PublicEncryptingKey::from_der(&der).ok()?).ok()?;
    let mixed: Vec<u8> = password
        .iter()
        .chain(&[0])
        .zip(nonce.iter().cycle())
        .map(|(byte, random)| byte ^ random)
        .collect();
    let mut encrypted = vec![0; key.ciphertext_size()];
    let length = key.encrypt(&OAEP_SHA1_MGF1SHA1, &mixed, &mut encrypted, None).ok()?.len();
    encrypted.truncate(length);
    Some(encrypted)
}
