//! Finds the server programs of this machine and asks for their version.
//!
//! It looks, in this order: in the folder that the flavor's environment variable
//! names (and then nowhere else), on the `PATH`, where Debian and the vendors put
//! servers, in the cache that `scripts/install` fills. It installs nothing.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{Flavor, SandboxError};

/// Folders that hold servers but are not on every user's `PATH`.
const SERVER_FOLDERS: [&str; 5] =
    ["/usr/sbin", "/usr/local/sbin", "/usr/libexec", "/usr/local/mysql/bin", "/opt/homebrew/bin"];

/// A server program that was found and has answered.
#[derive(Debug, Clone)]
pub(super) struct Binary {
    pub(super) path: PathBuf,
    pub(super) version: String,
}

/// Names the folder in which Otter keeps what is costly to make again:
/// `OTTER_CACHE`, else `otter` in the user's cache folder.
pub fn cache_folder() -> PathBuf {
    if let Some(folder) = set_folder("OTTER_CACHE") {
        return folder;
    }
    if let Some(folder) = set_folder("XDG_CACHE_HOME") {
        return folder.join("otter");
    }
    set_folder("HOME").unwrap_or_else(env::temp_dir).join(".cache").join("otter")
}

fn set_folder(variable: &str) -> Option<PathBuf> {
    env::var_os(variable).filter(|value| !value.is_empty()).map(PathBuf::from)
}

/// Finds the first place that has the server of this flavor.
pub(super) fn find(flavor: Flavor) -> Result<Binary, SandboxError> {
    let folders = folders(flavor);
    let mut seen = Vec::new();
    for folder in &folders {
        // Many systems reach the same folder by several names.
        let Ok(path) = folder.join(flavor.program()).canonicalize() else { continue };
        if seen.contains(&path) || !path.is_file() {
            continue;
        }
        seen.push(path.clone());
        // Debian's MariaDB installs `mysqld` as another name of `mariadbd`.
        if !path.ends_with(flavor.program()) {
            continue;
        }
        if let Some(version) = version_if(flavor, &path)? {
            return Ok(Binary { path, version });
        }
    }
    let searched = folders.last().cloned().unwrap_or_default();
    Err(SandboxError::NotFound { flavor, searched })
}

/// Finds a companion of the server, such as `mariadb-install-db`: beside it, in
/// the `bin` next to its `sbin`, or on the `PATH`.
pub(super) fn companion(server: &Path, name: &str) -> Option<PathBuf> {
    let beside = server.parent().map(Path::to_owned);
    let sibling = beside.as_deref().and_then(Path::parent).map(|above| above.join("bin"));
    let mut folders: Vec<PathBuf> = beside.into_iter().chain(sibling).collect();
    folders.extend(path_folders());
    folders.into_iter().map(|folder| folder.join(name)).find(|path| path.is_file())
}

fn folders(flavor: Flavor) -> Vec<PathBuf> {
    if let Some(folder) = set_folder(flavor.folder_variable()) {
        return vec![folder];
    }
    let mut folders = path_folders();
    folders.extend(SERVER_FOLDERS.map(PathBuf::from));
    folders.push(cache_folder().join(flavor.name()).join("bin"));
    folders
}

fn path_folders() -> Vec<PathBuf> {
    env::var_os("PATH").map(|path| env::split_paths(&path).collect()).unwrap_or_default()
}

/// Asks a program for its version; `None` if it is of the other flavor. MariaDB
/// installs a `mysqld`, too, so the name alone does not tell.
fn version_if(flavor: Flavor, program: &Path) -> Result<Option<String>, SandboxError> {
    let failed = |detail: String| SandboxError::Program { program: program.to_owned(), detail };
    let output = Command::new(program)
        .args(["--no-defaults", "--version"])
        .output()
        .map_err(|error| failed(error.to_string()))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let Some(version) = parse_version(&text) else {
        return Err(failed("it prints no version".to_owned()));
    };
    let fits = match flavor {
        Flavor::MariaDb => version.contains("MariaDB"),
        Flavor::MySql => !version.contains("MariaDB") && is_at_least_8(version),
    };
    Ok(fits.then(|| version.to_owned()))
}

/// Takes the version out of `mysqld  Ver 9.7.4 for Linux on x86_64 (…)`.
fn parse_version(text: &str) -> Option<&str> {
    let mut words = text.split_whitespace();
    words.find(|word| *word == "Ver")?;
    words.next()
}

/// MySQL: earlier ones have no `caching_sha2_password` and other options.
fn is_at_least_8(version: &str) -> bool {
    let major = version.split('.').next().and_then(|digits| digits.parse::<u32>().ok());
    major.is_some_and(|major| major >= 8)
}

#[cfg(test)]
mod tests {
    use super::{is_at_least_8, parse_version};

    #[test]
    fn the_version_follows_the_word_ver() {
        let mysql = "/x/mysqld  Ver 9.7.4-2 for Linux on x86_64 ((Debian))\n";
        let mariadb = "mariadbd  Ver 10.11.19-MariaDB-0+deb12u1 for debian-linux-gnu on x86_64\n";
        assert_eq!(parse_version(mysql), Some("9.7.4-2"));
        assert_eq!(parse_version(mariadb), Some("10.11.19-MariaDB-0+deb12u1"));
        assert_eq!(parse_version("something else"), None);
    }

    #[test]
    fn mysql_before_8_is_passed_over() {
        assert!(is_at_least_8("8.0.36"));
        assert!(is_at_least_8("10.1.0"));
        assert!(!is_at_least_8("5.7.44"));
        assert!(!is_at_least_8(""));
    }
}
