//! Who runs this process, as the operating system tells: `anna (uid 1000) at db7`.

use std::os::unix::fs::MetadataExt;

/// The user and the machine. Whoever owns the machine can make them anything.
pub(crate) fn operator() -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let host = match host.trim() {
        "" => "an unknown host",
        host => host,
    };
    // The owner of its own folder is the user that a process runs as.
    let Ok(uid) = std::fs::metadata("/proc/self").map(|own| own.uid()) else {
        return format!("an unknown user at {host}");
    };
    let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    match name_of(uid, &users) {
        Some(name) => format!("{name} (uid {uid}) at {host}"),
        None => format!("uid {uid} at {host}"),
    }
}

/// The name of a user in the text of `/etc/passwd`.
fn name_of(uid: u32, users: &str) -> Option<&str> {
    users.lines().find_map(|line| {
        let mut parts = line.split(':');
        let name = parts.next()?;
        (parts.nth(1)?.parse() == Ok(uid)).then_some(name)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_found_by_its_number() {
        let users = "root:x:0:0:root:/root:/bin/sh\nbroken\nanna:x:1000:1000::/home/anna:\n";
        assert_eq!((name_of(0, users), name_of(1_000, users)), (Some("root"), Some("anna")));
        assert_eq!(name_of(1, users), None);
        assert!(operator().contains(" at "));
    }
}
