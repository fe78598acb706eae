//! Data directories that are made once and copied for every server.
//!
//! Making one takes a server seconds, copying it milliseconds. A template is
//! complete as soon as it has its final name, is never changed afterwards, and
//! is made again for another version. It must never have been used by a server.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::binaries::{self, Binary};
use super::{Flavor, SandboxError};

/// Rises when templates are made in another way.
const EDITION: u32 = 1;
/// What an error shows of a program's output.
const OUTPUT_LINES: usize = 20;

/// Returns the template of a server program, making it if it is not there yet.
/// Of several processes that ask at once, one makes it and the others wait.
pub(super) fn of(flavor: Flavor, binary: &Binary) -> Result<PathBuf, SandboxError> {
    let folder = binaries::cache_folder().join("templates");
    let name = format!("{flavor}-{}-{EDITION}", file_name(&binary.version));
    let template = folder.join(&name);
    if template.is_dir() {
        return Ok(template);
    }
    fs::create_dir_all(&folder).map_err(SandboxError::file("create", &folder))?;
    let lock_path = folder.join(format!("{name}.lock"));
    let lock = File::create(&lock_path).map_err(SandboxError::file("create", &lock_path))?;
    lock.lock().map_err(SandboxError::file("lock", &lock_path))?;
    if template.is_dir() {
        return Ok(template);
    }
    let unfinished = folder.join(format!("{name}.new"));
    if unfinished.exists() {
        fs::remove_dir_all(&unfinished).map_err(SandboxError::file("remove", &unfinished))?;
    }
    make(flavor, binary, &unfinished)?;
    fs::rename(&unfinished, &template).map_err(SandboxError::file("create", &template))?;
    Ok(template)
}

fn make(flavor: Flavor, binary: &Binary, folder: &Path) -> Result<(), SandboxError> {
    match flavor {
        Flavor::MariaDb => make_mariadb(binary, folder),
        Flavor::MySql => make_mysql(binary, folder),
    }
}

fn make_mariadb(binary: &Binary, folder: &Path) -> Result<(), SandboxError> {
    const INSTALLER: &str = "mariadb-install-db";
    let Some(installer) = binaries::companion(&binary.path, INSTALLER) else {
        let detail = format!("{INSTALLER} is not installed with it");
        return Err(SandboxError::Program { program: binary.path.clone(), detail });
    };
    let mut command = Command::new(&installer);
    command
        .arg("--no-defaults")
        .args(as_root())
        .arg(format!("--datadir={}", folder.display()))
        // A server makes its log as large as it wants at its first start.
        .args(["--auth-root-authentication-method=normal", "--skip-test-db"])
        .arg("--innodb-log-file-size=8M");
    run(command, &installer)?;
    // Accounts of root for other host names would keep their empty password
    // when root@localhost gets one.
    let accounts = "DELETE FROM mysql.global_priv WHERE Host <> 'localhost';\n";
    let mut bootstrap = Command::new(&binary.path);
    bootstrap
        .args(["--no-defaults", "--bootstrap", "--skip-log-bin", "--innodb-log-file-size=8M"])
        .args(as_root())
        .arg(format!("--datadir={}", folder.display()));
    run_with_input(bootstrap, &binary.path, accounts)
}

fn make_mysql(binary: &Binary, folder: &Path) -> Result<(), SandboxError> {
    let mut command = Command::new(&binary.path);
    command
        .args(["--no-defaults", "--initialize-insecure"])
        .args(as_root())
        .arg(format!("--datadir={}", folder.display()))
        // Debian's own setting names a folder that only its server package makes.
        .args(["--secure-file-priv=", "--skip-log-bin", "--innodb-redo-log-capacity=8M"]);
    run(command, &binary.path)?;
    // Every copy must become a server of its own.
    let identity = folder.join("auto.cnf");
    fs::remove_file(&identity).map_err(SandboxError::file("remove", &identity))
}

/// The servers refuse to run as root unless they are told that this is meant.
pub(super) fn as_root() -> Option<&'static str> {
    rustix::process::geteuid().is_root().then_some("--user=root")
}

fn run(command: Command, program: &Path) -> Result<(), SandboxError> {
    run_with_input(command, program, "")
}

fn run_with_input(mut command: Command, program: &Path, input: &str) -> Result<(), SandboxError> {
    let failed = |detail: String| SandboxError::Program { program: program.to_owned(), detail };
    let stdin = tempfile::NamedTempFile::new().map_err(|error| failed(error.to_string()))?;
    fs::write(stdin.path(), input).map_err(SandboxError::file("write", stdin.path()))?;
    let input = File::open(stdin.path()).map_err(SandboxError::file("read", stdin.path()))?;
    let output =
        command.stdin(Stdio::from(input)).output().map_err(|error| failed(error.to_string()))?;
    if output.status.success() {
        return Ok(());
    }
    let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.push_str(&String::from_utf8_lossy(&output.stderr));
    Err(failed(format!("{}\n{}", output.status, last_lines(&text, OUTPUT_LINES))))
}

/// Returns the last lines of a text.
pub(super) fn last_lines(text: &str, count: usize) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let first = lines.len().saturating_sub(count);
    lines.get(first..).unwrap_or_default().join("\n")
}

/// Keeps of a version what is safe in a file name everywhere.
fn file_name(version: &str) -> String {
    let safe = |c: char| if c.is_ascii_alphanumeric() || c == '.' || c == '-' { c } else { '_' };
    version.chars().map(safe).collect()
}

#[cfg(test)]
mod tests {
    use super::{file_name, last_lines};

    #[test]
    fn a_version_becomes_a_file_name() {
        assert_eq!(file_name("10.11.19-MariaDB-0+deb12u1"), "10.11.19-MariaDB-0_deb12u1");
        assert_eq!(file_name("../x"), ".._x");
    }

    #[test]
    fn the_end_of_a_text_is_cut_at_lines() {
        assert_eq!(last_lines("a\nb\nc\n", 2), "b\nc");
        assert_eq!(last_lines("a", 2), "a");
    }
}
