//! Ports of 127.0.0.1 that stay ours while a server is down.
//!
//! A port that is merely free now can be taken while a killed server is about to
//! start again. So ports come from below the range from which systems take the
//! near end of outgoing connections, and a locked file per port keeps other
//! processes of Otter away from it. It must never be asked for a port of a
//! server that is not a sandbox.

use std::fs::{self, File};
use std::net::{Ipv4Addr, TcpListener};
use std::process;

use super::{SandboxError, binaries};

/// The first port that is tried, and how many there are: below 32768, where the
/// ephemeral ports of Linux begin, and above what usual services use.
const FIRST_PORT: u16 = 20_000;
const PORTS: u16 = 12_000;

/// A port that no other sandbox takes until this is dropped.
#[derive(Debug)]
pub struct ReservedPort {
    number: u16,
    // Held for its lock.
    _lock: File,
}

impl ReservedPort {
    /// The port.
    #[must_use]
    pub fn number(&self) -> u16 {
        self.number
    }
}

/// Reserves a port of 127.0.0.1 on which nobody listens.
///
/// # Errors
/// Where no port is free, or the folder of their locks cannot be written.
pub fn reserve_port() -> Result<ReservedPort, SandboxError> {
    let folder = binaries::cache_folder().join("ports");
    fs::create_dir_all(&folder).map_err(SandboxError::file("create", &folder))?;
    // Processes start at different places, so that they rarely meet.
    let start = u16::try_from(process::id() % u32::from(PORTS)).unwrap_or(0);
    for step in 0..PORTS {
        let number = FIRST_PORT + (start + step) % PORTS;
        let path = folder.join(number.to_string());
        let lock = File::create(&path).map_err(SandboxError::file("create", &path))?;
        if lock.try_lock().is_ok() && TcpListener::bind((Ipv4Addr::LOCALHOST, number)).is_ok() {
            return Ok(ReservedPort { number, _lock: lock });
        }
    }
    Err(SandboxError::NoPort)
}

#[cfg(test)]
mod tests {
    use super::reserve_port as reserve;

    #[test]
    fn two_reservations_never_name_the_same_port() {
        let first = reserve().unwrap();
        let second = reserve().unwrap();
        assert_ne!(first.number(), second.number());
    }

    #[test]
    fn a_port_on_which_somebody_listens_is_passed_over() {
        let reserved = reserve().unwrap();
        let port = reserved.number();
        let _listener = std::net::TcpListener::bind(("127.0.0.1", port)).unwrap();
        drop(reserved);
        assert_ne!(reserve().unwrap().number(), port);
    }
}
