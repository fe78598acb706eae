//! Whether schema changes of the source can be executed.

use otter_core::Finding;

use super::grants::Grants;
use super::{Desk, TargetCheck, pass};
use crate::mysql::connect::Flavour;
use crate::mysql::names::identifier;
use crate::mysql::{DdlPolicies, DdlPolicy, MySqlLoadError};

pub(super) async fn check(
    desk: &mut Desk,
    check: &TargetCheck<'_>,
    grants: &Grants,
    findings: &mut Vec<Finding>,
) -> Result<(), MySqlLoadError> {
    let rights = rights_for(&check.ddl);
    if rights.is_empty() {
        return Ok(());
    }
    let what = "schema changes can be executed";
    // By the numbers that InnoDB gives to tables a later process knows what was executed.
    let view = match desk.facts.flavour {
        Flavour::MySql => "INNODB_TABLES",
        Flavour::MariaDb => "INNODB_SYS_TABLES",
    };
    let probe = format!("SELECT TABLE_ID FROM information_schema.{view} WHERE NAME = ''");
    if desk.conn.query(&probe).await.is_err() {
        findings.push(Finding::fail(
            what,
            format!("the account may not read information_schema.{view}"),
            format!("GRANT PROCESS ON *.* TO {}", desk.facts.account),
        ));
        return Ok(());
    }
    let mut schemas: Vec<&str> = check.tables.iter().map(|table| &*table.name.database).collect();
    schemas.sort_unstable();
    schemas.dedup();
    let mut complete = true;
    for schema in schemas {
        let unseen: Vec<&str> =
            rights.iter().copied().filter(|right| !grants.allow(right, schema)).collect();
        if unseen.is_empty() {
            continue;
        }
        complete = false;
        let unseen = unseen.join(", ");
        findings.push(Finding::warn(
            what,
            format!("rights on {schema} are not seen; a role may give them: {unseen}"),
            format!("GRANT {unseen} ON {}.* TO {}", identifier(schema), desk.facts.account),
        ));
    }
    if complete {
        findings.push(pass(what, "the rights are there"));
    }
    Ok(())
}

/// The rights that the kinds need which are executed.
fn rights_for(ddl: &DdlPolicies) -> Vec<&'static str> {
    let applies = |policy: DdlPolicy| policy == DdlPolicy::Apply;
    let mut rights = Vec::new();
    let mut need = |is_needed: bool, right| {
        if is_needed {
            rights.push(right);
        }
    };
    let (create, alter, rename) = (applies(ddl.create), applies(ddl.alter), applies(ddl.rename));
    let database = applies(ddl.database);
    need(create || alter || rename || database, "CREATE");
    need(alter || rename || database, "ALTER");
    // A table is dropped that is emptied, and one whose name goes to another.
    need(applies(ddl.drop) || applies(ddl.truncate) || alter || rename || database, "DROP");
    need(create || alter, "INDEX");
    need(create || alter, "REFERENCES");
    rights
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_rights_are_asked_for_that_are_used() {
        assert!(rights_for(&DdlPolicies::default()).is_empty());
        let ddl = DdlPolicies { truncate: DdlPolicy::Apply, ..DdlPolicies::default() };
        assert_eq!(rights_for(&ddl), ["DROP"]);
        let all = rights_for(&DdlPolicy::Apply.into());
        assert_eq!(all, ["CREATE", "ALTER", "DROP", "INDEX", "REFERENCES"]);
    }
}
