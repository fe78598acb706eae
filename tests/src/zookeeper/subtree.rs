//! A subtree that is deleted, as an administrator does it.

use zookeeper_client::{Client, Error};

/// Whoever makes nodes meanwhile is met again so often.
const TRIES: usize = 100;

/// Deletes a node and all below it at once, as `deleteall` of `zkCli.sh` does.
///
/// # Panics
/// Where the servers do not answer, or others make nodes faster than they can be deleted.
pub async fn delete_subtree(servers: &str, root: &str) {
    let client = Client::connect(servers).await.expect("the servers answer");
    for _ in 0..TRIES {
        let nodes = nodes_below(&client, root).await;
        let mut writer = client.new_multi_writer();
        for node in nodes.iter().rev() {
            writer.add_delete(node, None).expect("a path");
        }
        if writer.commit().await.is_ok() {
            return;
        }
    }
    panic!("{root} cannot be deleted");
}

/// A node and all below it, parents first.
async fn nodes_below(client: &Client, root: &str) -> Vec<String> {
    let mut found = vec![root.to_owned()];
    let mut next = 0;
    while let Some(parent) = found.get(next).cloned() {
        next += 1;
        match client.list_children(&parent).await {
            Ok(children) => found.extend(children.iter().map(|name| format!("{parent}/{name}"))),
            Err(Error::NoNode) => {}
            Err(error) => panic!("{parent}: {error}"),
        }
    }
    found
}
