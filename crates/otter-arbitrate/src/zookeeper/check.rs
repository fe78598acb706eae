//! What keeps a subtree from arbitrating, told before a process depends on it. Leaves nothing
//! behind.

use std::time::Duration;

use otter_core::{Finding, Side};

use super::error::ZooKeeperArbiterError;
use super::tree::{Node, Tree, session_for};
use super::version::{self, Told};
use super::within;
use crate::known::Known;
use crate::status;

/// An ensemble whose shortest session is so much longer than asked for has long ticks, and a dead
/// process is followed late.
const LATE_FACTOR: u32 = 2;

const REACHED: &str = "ZooKeeper begins a session";
const SERVERS: &str = "all servers of the arbiter answer";
const YOUNG: &str = "the servers are of version 3.5 or later";
const LONG: &str = "sessions may last as long as the leases need";
const SHORT: &str = "sessions end soon after the leases";
const WRITES: &str = "nodes can be made and deleted in the arbiter's subtree";
const THERE: &str = "the arbiter's nodes are there";
const FREE: &str = "no process holds the pipeline";
const MEND: &str = "mend what the message says, then check again";

pub(super) async fn check(tree: &Tree, lease: Duration, side: &Side) -> Vec<Finding> {
    let mut findings = Vec::new();
    // Over TLS the servers' ports do not answer in words.
    if !tree.place.has_tls() {
        findings.extend(servers(tree).await);
    }
    let looked = Box::pin(look(tree, lease, side, &mut findings));
    if let Err(error) = within(&tree.place, lease, looked).await {
        findings.push(Finding::fail(what_fails(&error), error.to_string(), MEND));
    }
    findings
}

/// What a failure is about.
fn what_fails(error: &ZooKeeperArbiterError) -> &'static str {
    match error {
        ZooKeeperArbiterError::ShortSession { .. } => LONG,
        ZooKeeperArbiterError::MissingRight { .. }
        | ZooKeeperArbiterError::NotChecked { .. }
        | ZooKeeperArbiterError::Refused { .. } => WRITES,
        ZooKeeperArbiterError::Layout { .. } => "the subtree is an arbiter of this version",
        ZooKeeperArbiterError::BadFile { .. } => "the files for TLS can be used",
        ZooKeeperArbiterError::Unreachable { .. }
        | ZooKeeperArbiterError::Late { .. }
        | ZooKeeperArbiterError::Lost { .. }
        | ZooKeeperArbiterError::BadAddress { .. }
        | ZooKeeperArbiterError::NotAServer { .. }
        | ZooKeeperArbiterError::Login { .. }
        | ZooKeeperArbiterError::Rebuilt { .. }
        | ZooKeeperArbiterError::BadPath { .. }
        | ZooKeeperArbiterError::Contention { .. }
        | ZooKeeperArbiterError::NoRandomness(_)
        | ZooKeeperArbiterError::RuntimeGone(_)
        | ZooKeeperArbiterError::Closed => REACHED,
    }
}

/// Every server by itself: one that is away is noticed by nobody until a second one goes.
async fn servers(tree: &Tree) -> Vec<Finding> {
    let (mut away, mut old, mut versions) = (Vec::new(), Vec::new(), Vec::new());
    for server in tree.place.servers() {
        match version::ask(server).await {
            Told::Version(version) => {
                if !version::is_young_enough(&version) {
                    old.push(format!("{server} is {version}"));
                }
                versions.push(format!("{server} is {version}"));
            }
            Told::Nothing => versions.push(format!("{server} does not tell (srvr is not allowed)")),
            Told::NotServing => away.push(format!("{server}: it has no majority to serve with")),
            Told::Unreachable(why) => away.push(format!("{server}: {why}")),
        }
    }
    let mut findings = Vec::new();
    findings.push(if away.is_empty() {
        Finding::pass(SERVERS)
    } else {
        Finding::warn(
            SERVERS,
            away.join("; "),
            "start these servers, or take them out of the arbiter's addresses; the others serve \
             while they are a majority of the ensemble",
        )
    });
    if !old.is_empty() {
        findings.push(Finding::fail(YOUNG, old.join("; "), "upgrade these servers"));
    } else if !versions.is_empty() {
        findings.push(Finding { detail: versions.join("; "), ..Finding::pass(YOUNG) });
    }
    findings
}

async fn look(
    tree: &Tree,
    lease: Duration,
    side: &Side,
    findings: &mut Vec<Finding>,
) -> Result<(), ZooKeeperArbiterError> {
    let client = tree.connect(lease).await?;
    let detail = tree.place.to_string();
    findings.push(Finding { detail, ..Finding::pass(REACHED) });
    findings.push(session(lease, client.session_timeout()));
    let id = tree.read_id(&client).await?;
    let counted = tree.probe(&client).await?;
    let root = tree.place.root();
    let detail = match (id, Known::of(&tree.place.spot()).await) {
        (Some(id), _) => id.to_string(),
        (None, None) => format!("the first start makes {root}"),
        (None, Some(known)) => {
            findings.push(missing(root, &known, counted));
            format!("the next start makes {root}")
        }
    };
    findings.push(Finding { detail, ..Finding::pass(WRITES) });
    findings.push(holder(tree.look(&client, &side.to_string()).await?));
    let nodes = tree.nodes(&client).await?;
    let names: Vec<String> = nodes.into_iter().map(|(name, _)| name).collect();
    findings.push(status::present(&names));
    Ok(())
}

/// Somebody has deleted the subtree, or the ensemble is another one.
fn missing(root: &str, known: &Known, counted: u64) -> Finding {
    let id = &known.id;
    if counted > known.seen {
        return Finding::warn(
            THERE,
            format!("{root} is gone; the next start makes it again, as {id}"),
            "nothing is to be done: positions are in the targets",
        );
    }
    Finding::fail(
        THERE,
        format!(
            "{root} is gone, and the ensemble has counted fewer transactions than this machine \
             remembers: it was made anew, and cannot be {id} again"
        ),
        "stop every process of the former arbiter, then run: otter-server position adopt",
    )
}

/// One that is too short was refused already.
fn session(lease: Duration, granted: Duration) -> Finding {
    let needed = session_for(lease);
    let seconds = Duration::as_secs_f32;
    if granted > needed * LATE_FACTOR {
        return Finding::warn(
            SHORT,
            format!(
                "leases of {} s were asked for, and the ensemble's shortest session is {} s: a \
                 process that dies is followed only then",
                seconds(&lease),
                seconds(&granted)
            ),
            "set minSessionTimeout or a shorter tickTime in the configuration of every server, or \
             make the lease longer",
        );
    }
    Finding {
        detail: format!("{} s for leases of {} s", seconds(&granted), seconds(&lease)),
        ..Finding::pass(LONG)
    }
}

/// A running pipeline is no fault, but a second process would have to wait.
fn holder(node: Option<Node>) -> Finding {
    match node {
        Some(node) => Finding::warn(
            FREE,
            format!("{} (term {}) holds it", node.holder, node.term),
            "leave it as it is: another `run` stands by, and takes over when that process ends",
        ),
        None => Finding::pass(FREE),
    }
}
