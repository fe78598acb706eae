//! What a mapping asks for and the source does not show: whether it is hidden, or not there.

use otter_core::mapping::Unmatched;
use otter_core::{Causes, DatabaseUrl, Finding, TableName};

use super::rights::account;
use super::tables::{backtick, shorten};
use super::trial::{Trial, Trying};
use crate::connection::{Connection, ConnectionError};

/// Statements in one remedy; an operator runs them in portions anyway.
const MOST_STATEMENTS: usize = 10;

/// Tables that are named and not seen.
#[derive(Debug, Default, PartialEq, Eq)]
struct Unseen {
    /// The account may not read them, where they are there.
    hidden: Vec<TableName>,
    /// There are none: the stream may tell of them later.
    absent: Vec<TableName>,
    /// They can be read and are no tables of users: views, and what belongs to the server.
    others: Vec<TableName>,
}

/// Tells what became of the names and patterns of a mapping that no table of the source meets.
/// Nothing where there are none.
///
/// That a table is not there yet is no fault, for its CREATE TABLE may come: only one that is hidden
/// fails.
pub async fn check_unmatched(url: &DatabaseUrl, unmatched: &Unmatched) -> Vec<Finding> {
    let mut findings = Vec::new();
    if !unmatched.names.is_empty() {
        match look(url, &unmatched.names).await {
            Ok((unseen, account)) => findings.extend(unseen.findings(&account)),
            Err(error) => {
                let what = "the source has the tables that the mapping names";
                findings.push(Finding::fail(what, Causes(&error).to_string(), "see the detail"));
            }
        }
    }
    if !unmatched.patterns.is_empty() {
        findings.push(Finding::warn(
            "each pattern of the mapping meets a table",
            format!(
                "no table is seen for {}; the server hides those that the account may not read",
                shorten(&unmatched.patterns)
            ),
            "check the patterns in the mapping, or GRANT SELECT on their tables to the account",
        ));
    }
    findings
}

/// Tries to read each table.
async fn look(url: &DatabaseUrl, names: &[TableName]) -> Result<(Unseen, String), ConnectionError> {
    let mut connection = Connection::connect(url).await?;
    let account = account(&mut connection).await;
    let mut unseen = Unseen::default();
    let mut trying = Trying::on(connection).await?;
    for name in names {
        let among = match trying.try_one(name).await? {
            Trial::Refused => &mut unseen.hidden,
            Trial::Absent => &mut unseen.absent,
            // One that is broken is a view, most often.
            Trial::Readable | Trial::Broken => &mut unseen.others,
        };
        among.push(name.clone());
    }
    trying.end().await;
    Ok((unseen, account))
}

impl Unseen {
    fn findings(&self, account: &str) -> Vec<Finding> {
        let mut findings = Vec::new();
        if !self.hidden.is_empty() {
            findings.push(Finding::fail(
                "the account may read the tables that the mapping names",
                format!(
                    "it may not read {}: nothing of them would be copied or compared",
                    named(&self.hidden)
                ),
                grants(&self.hidden, account),
            ));
        }
        if !self.absent.is_empty() {
            findings.push(Finding::warn(
                "the source has the tables that the mapping names",
                format!("it has no {}", named(&self.absent)),
                "check the names in the mapping; or leave them there, where the tables are still to \
                 be made",
            ));
        }
        if !self.others.is_empty() {
            findings.push(Finding::warn(
                "what the mapping names are tables",
                format!(
                    "views, or the server's own, of which nothing is carried: {}",
                    named(&self.others)
                ),
                "leave them out of the mapping",
            ));
        }
        findings
    }
}

fn named(names: &[TableName]) -> String {
    let names: Vec<String> = names.iter().map(ToString::to_string).collect();
    shorten(&names)
}

fn grants(names: &[TableName], account: &str) -> String {
    let grant = |name: &TableName| {
        let (database, table) = (backtick(&name.database), backtick(&name.table));
        format!("GRANT SELECT ON {database}.{table} TO {account}")
    };
    let mut grants: Vec<String> = names.iter().take(MOST_STATEMENTS).map(grant).collect();
    if names.len() > MOST_STATEMENTS {
        grants.push("and so on; or on whole databases".to_owned());
    }
    grants.join(";\n")
}

#[cfg(test)]
mod tests {
    use otter_core::Verdict;

    use super::*;

    #[test]
    fn what_is_hidden_fails_and_what_may_come_does_not() {
        let unseen = Unseen {
            hidden: vec![TableName::new("shop", "countries")],
            absent: vec![TableName::new("shop", "next")],
            others: Vec::new(),
        };
        let findings = unseen.findings("'otter'@'%'");
        let [hidden, absent] = findings.as_slice() else { panic!("{findings:?}") };
        assert_eq!(hidden.verdict, Verdict::Fail);
        let grant = "GRANT SELECT ON `shop`.`countries` TO 'otter'@'%'";
        assert_eq!(hidden.remedy.as_deref(), Some(grant));
        assert!(hidden.detail.contains("shop.countries"), "{hidden:?}");
        assert_eq!(absent.verdict, Verdict::Warn);
        assert!(absent.detail.contains("shop.next"), "{absent:?}");
        assert!(Unseen::default().findings("'otter'@'%'").is_empty());
    }

    #[test]
    fn many_grants_are_cut() {
        let names: Vec<TableName> =
            (0..12).map(|number| TableName::new("d", format!("t{number}"))).collect();
        let text = grants(&names, "'o'@'%'");
        assert_eq!(text.lines().count(), MOST_STATEMENTS + 1);
        assert!(text.ends_with("and so on; or on whole databases"), "{text}");
    }
}
