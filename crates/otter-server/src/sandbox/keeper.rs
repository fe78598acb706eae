//! The one thread that starts all servers of this process.
//!
//! On Linux a child can ask to be killed when its parent dies, so that servers
//! never outlive a process that was killed with SIGKILL. But the system takes
//! the *thread* that started the child for the parent, and threads of a runtime
//! come and go. So this thread does nothing but start children, and lives as
//! long as the process. It must never wait for a child or run anything else.

use std::io;
use std::path::Path;
use std::process::{Child, Command};
use std::sync::OnceLock;
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::thread;

type Reply = SyncSender<io::Result<Child>>;

/// Starts a program that dies with this process, where the system can do that.
pub(super) fn spawn(command: Command) -> io::Result<Child> {
    static KEEPER: OnceLock<SyncSender<(Command, Reply)>> = OnceLock::new();
    let keeper = KEEPER.get_or_init(|| {
        let (sender, receiver) = mpsc::sync_channel(0);
        // Without a thread the sender has no receiver, and sending fails below.
        let _ = thread::Builder::new().name("sandbox-keeper".to_owned()).spawn(|| keep(receiver));
        sender
    });
    let (reply, answer) = mpsc::sync_channel(1);
    let gone = || io::Error::other("the thread that starts servers could not be started");
    keeper.send((command, reply)).map_err(|_| gone())?;
    answer.recv().map_err(|_| gone())?
}

/// Builds the command line of a program that is killed when its parent dies.
pub(super) fn dying_with_parent(program: &Path) -> Command {
    // Part of util-linux. It executes the program in its own place, so the
    // process id stays the one that we know.
    const SETPRIV: &str = "/usr/bin/setpriv";
    if !cfg!(target_os = "linux") || !Path::new(SETPRIV).is_file() {
        return Command::new(program);
    }
    let mut command = Command::new(SETPRIV);
    command.args(["--pdeathsig", "KILL", "--"]).arg(program);
    command
}

fn keep(jobs: Receiver<(Command, Reply)>) {
    for (mut command, reply) in jobs {
        // The caller waits for exactly this, so there is always somebody to take it.
        let _ = reply.send(command.spawn());
    }
}
