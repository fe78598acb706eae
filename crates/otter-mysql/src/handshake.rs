//! The first packets of a connection: the server's greeting and our answers to it.
//!
//! Only bytes in, bytes out: what is sent when is decided in `login`.

use std::collections::HashMap;

use mysql_common::constants::{CapabilityFlags, MariadbCapabilities};
use mysql_common::packets::{AuthPlugin, HandshakeResponse, SslRequest};
use mysql_common::proto::MySerialize;

use super::session::Session;
use super::wire::{Reader, Truncated, printable};

/// Bytes of random in the greeting that a password is mixed with.
pub(super) const NONCE: usize = 20;
/// `utf8mb4_general_ci`, which every server since 5.5.3 knows.
const COLLATION: u8 = 45;
/// What we say we can receive; servers keep to their own `max_allowed_packet` anyway.
const MAX_PACKET: u32 = 1 << 30;

/// Without these there is no safe way to log in; every server since 5.5 has them.
const NEEDED: CapabilityFlags = CapabilityFlags::CLIENT_PROTOCOL_41
    .union(CapabilityFlags::CLIENT_SECURE_CONNECTION)
    .union(CapabilityFlags::CLIENT_PLUGIN_AUTH);

/// What the server says first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Greeting {
    pub(super) version: String,
    pub(super) connection_id: u32,
    pub(super) capabilities: CapabilityFlags,
    /// MariaDB's own; empty where the server is none.
    pub(super) extensions: MariadbCapabilities,
    pub(super) nonce: [u8; NONCE],
    pub(super) plugin: Vec<u8>,
}

/// Why a greeting is of no use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum GreetingError {
    Malformed,
    /// Not protocol 10, or without the capabilities that we need.
    TooOld,
}

impl From<Truncated> for GreetingError {
    fn from(_: Truncated) -> Self {
        Self::Malformed
    }
}

impl Greeting {
    pub(super) fn parse(packet: &[u8]) -> Result<Self, GreetingError> {
        let mut reader = Reader::new(packet);
        if reader.u8()? != 10 {
            return Err(GreetingError::TooOld);
        }
        let version = printable(reader.until_zero()?, 100);
        let connection_id = reader.u32()?;
        let first: [u8; 8] = reader.array()?;
        reader.u8()?;
        let lower = reader.u16()?;
        reader.bytes(3)?; // collation and status
        let upper = reader.u16()?;
        let nonce_length = reader.u8()?;
        reader.bytes(6)?;
        let extensions = reader.u32()?;
        let bits = u32::from(lower) | u32::from(upper) << 16;
        let capabilities = CapabilityFlags::from_bits_retain(bits);
        if !capabilities.contains(NEEDED) {
            return Err(GreetingError::TooOld);
        }
        // MariaDB says that it is no MySQL by leaving this out.
        let extensions = if capabilities.contains(CapabilityFlags::CLIENT_LONG_PASSWORD) {
            MariadbCapabilities::empty()
        } else {
            MariadbCapabilities::from_bits_truncate(extensions)
        };
        // The second part is at least 12 bytes and a zero, whatever the length says.
        let second = reader.bytes(usize::from(nonce_length.saturating_sub(8)).max(13))?;
        let mut nonce = [0; NONCE];
        for (to, from) in nonce.iter_mut().zip(first.iter().chain(second)) {
            *to = *from;
        }
        // MySQL: some old versions forget the zero after the plugin's name.
        let plugin = reader.rest();
        let plugin = plugin.split(|byte| *byte == 0).next().unwrap_or(plugin).to_vec();
        Ok(Self { version, connection_id, capabilities, extensions, nonce, plugin })
    }

    pub(super) fn offers_tls(&self) -> bool {
        self.capabilities.contains(CapabilityFlags::CLIENT_SSL)
    }

    /// What we ask for, as far as the server has it; never compression.
    ///
    /// The request for TLS and the answer must say the same: MySQL goes by the first, MariaDB by
    /// the second.
    pub(super) fn client_capabilities(
        &self,
        tls: bool,
        database: Option<&str>,
        session: Session,
    ) -> CapabilityFlags {
        let wanted = NEEDED
            | session.capabilities()
            // MariaDB: without the first it expects its own extensions in the answer.
            | CapabilityFlags::CLIENT_LONG_PASSWORD
            | CapabilityFlags::CLIENT_LONG_FLAG
            | CapabilityFlags::CLIENT_TRANSACTIONS
            | CapabilityFlags::CLIENT_PLUGIN_AUTH_LENENC_CLIENT_DATA
            | CapabilityFlags::CLIENT_CONNECT_ATTRS
            | CapabilityFlags::CLIENT_DEPRECATE_EOF;
        let mut asked = wanted & (self.capabilities | CapabilityFlags::CLIENT_LONG_PASSWORD);
        asked
            .set(CapabilityFlags::CLIENT_LONG_PASSWORD, self.client_extensions(session).is_empty());
        asked.set(CapabilityFlags::CLIENT_SSL, tls);
        asked.set(CapabilityFlags::CLIENT_CONNECT_WITH_DB, database.is_some());
        asked
    }

    /// What we ask for of MariaDB's own.
    pub(super) fn client_extensions(&self, session: Session) -> MariadbCapabilities {
        match session {
            Session::Asking => MariadbCapabilities::empty(),
            Session::Writing => {
                self.extensions & MariadbCapabilities::MARIADB_CLIENT_STMT_BULK_OPERATIONS
            }
        }
    }
}

/// The request to go on in TLS.
pub(super) fn ssl_request(
    capabilities: CapabilityFlags,
    extensions: MariadbCapabilities,
) -> Vec<u8> {
    let mut bytes = Vec::new();
    SslRequest::new(capabilities, MAX_PACKET, COLLATION)
        .with_mariadb_capabilities(extensions)
        .serialize(&mut bytes);
    bytes
}

/// Who logs in, and with what.
pub(super) struct Response<'a> {
    pub(super) user: &'a str,
    pub(super) database: Option<&'a str>,
    pub(super) plugin: AuthPlugin<'a>,
    pub(super) proof: Vec<u8>,
    pub(super) extensions: MariadbCapabilities,
}

impl Response<'_> {
    pub(super) fn serialize(self, capabilities: CapabilityFlags) -> Vec<u8> {
        let attributes = capabilities.contains(CapabilityFlags::CLIENT_CONNECT_ATTRS).then(|| {
            // What a DBA sees in performance_schema.session_connect_attrs.
            HashMap::from([
                ("program_name".to_owned(), "otter".to_owned()),
                ("_client_version".to_owned(), env!("CARGO_PKG_VERSION").to_owned()),
            ])
        });
        let mut bytes = Vec::new();
        HandshakeResponse::new(
            Some(self.proof),
            // Only decides between utf8mb3 and utf8mb4.
            (5, 5, 3),
            Some(self.user.as_bytes()),
            self.database.map(str::as_bytes),
            Some(self.plugin),
            capabilities,
            attributes,
            MAX_PACKET,
        )
        .with_mariadb_ext_capabilities(self.extensions)
        .serialize(&mut bytes);
        bytes
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A greeting as a server writes it.
    pub(crate) fn greeting(version: &str, capabilities: CapabilityFlags, plugin: &str) -> Vec<u8> {
        let [a, b, c, d] = capabilities.bits().to_le_bytes();
        let mut bytes = vec![10];
        bytes.extend_from_slice(version.as_bytes());
        bytes.push(0);
        bytes.extend_from_slice(&7u32.to_le_bytes());
        bytes.extend_from_slice(b"12345678\0");
        bytes.extend_from_slice(&[a, b, 45, 2, 0, c, d, 21]);
        bytes.extend_from_slice(&[0; 10]);
        bytes.extend_from_slice(b"abcdefghijkl\0");
        bytes.extend_from_slice(plugin.as_bytes());
        bytes.push(0);
        bytes
    }

    #[test]
    fn a_greeting_is_read() {
        let bytes = greeting("9.7.4", NEEDED, "caching_sha2_password");
        let greeting = Greeting::parse(&bytes).unwrap();
        assert_eq!(greeting.version, "9.7.4");
        assert_eq!(greeting.connection_id, 7);
        assert_eq!(&greeting.nonce, b"12345678abcdefghijkl");
        assert_eq!(greeting.plugin, b"caching_sha2_password");
        assert!(!greeting.offers_tls());
    }

    #[test]
    fn a_server_without_safe_login_is_refused() {
        let bytes = greeting("4.0", CapabilityFlags::CLIENT_LONG_PASSWORD, "");
        assert_eq!(Greeting::parse(&bytes), Err(GreetingError::TooOld));
        assert_eq!(Greeting::parse(&[9, b'3', 0]), Err(GreetingError::TooOld));
    }

    #[test]
    fn a_nonce_length_of_any_value_is_survived() {
        for length in 0..=255 {
            let mut bytes = greeting("9.7.4", NEEDED, "x");
            let at = bytes.len() - (2 + 13 + 10 + 1);
            bytes[at] = length;
            let _ = Greeting::parse(&bytes);
        }
    }

    #[test]
    fn only_a_writing_session_asks_for_several_statements_and_local_data() {
        let all = greeting("9.7.4", CapabilityFlags::all(), "x");
        let all = Greeting::parse(&all).unwrap();
        let asked = |session| all.client_capabilities(true, None, session);
        for flag in [CapabilityFlags::CLIENT_LOCAL_FILES, CapabilityFlags::CLIENT_MULTI_STATEMENTS]
        {
            assert!(!asked(Session::Asking).contains(flag));
            assert!(asked(Session::Writing).contains(flag));
        }
        for session in [Session::Asking, Session::Writing] {
            assert!(!asked(session).contains(CapabilityFlags::CLIENT_COMPRESS));
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_greeting_panic(bytes in prop::collection::vec(any::<u8>(), 0..120)) {
            let _ = Greeting::parse(&bytes);
            let mut tail = vec![10, b'x', 0];
            tail.extend(bytes);
            let _ = Greeting::parse(&tail);
        }
    }
}
