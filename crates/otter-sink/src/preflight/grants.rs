//! The account's rights, as `SHOW GRANTS` tells them.
//!
//! Only for what cannot be tried without changing something. Rights that come by a role may not be
//! shown, so a right that is not found is doubtful rather than missing.

use super::Desk;
use crate::mysql::MySqlLoadError;

/// The grants of an account, one statement each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Grants(Vec<Grant>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Grant {
    /// Upper case, without columns.
    rights: Vec<String>,
    /// `*.*`, `` `shop`.* `` or `` `shop`.`item` ``.
    on: String,
}

impl Grants {
    pub(super) async fn read(desk: &mut Desk) -> Result<Self, MySqlLoadError> {
        let rows = desk.rows("SHOW GRANTS").await?;
        Ok(Self(rows.iter().filter_map(|row| parse(row.first()?.as_deref()?)).collect()))
    }

    /// Whether the account has a right on a whole schema.
    pub(super) fn allow(&self, right: &str, schema: &str) -> bool {
        self.0.iter().any(|grant| {
            let has = |name: &str| grant.rights.iter().any(|known| known == name);
            (has(right) || has("ALL PRIVILEGES") || has("ALL")) && covers(&grant.on, schema)
        })
    }
}

fn parse(text: &str) -> Option<Grant> {
    let (rights, tail) = text.strip_prefix("GRANT ")?.split_once(" ON ")?;
    let (on, _) = tail.split_once(" TO ")?;
    let rights = rights.split(',').map(|right| right.trim().to_ascii_uppercase()).collect();
    Some(Grant { rights, on: on.to_owned() })
}

/// Whether the object of a grant is the whole schema or more.
fn covers(on: &str, schema: &str) -> bool {
    let Some(granted) = on.strip_suffix(".*") else { return false };
    if granted == "*" {
        return true;
    }
    let granted = granted.trim_matches('`').replace("``", "`");
    // Wildcards of schema names; others than escaped ones are too rare to be told apart.
    granted.replace("\\_", "_").replace("\\%", "%") == schema
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rights_are_found_on_the_schema_and_on_everything() {
        let grants = |lines: &[&str]| Grants(lines.iter().filter_map(|line| parse(line)).collect());
        let root = grants(&["GRANT ALL PRIVILEGES ON *.* TO `root`@`localhost` WITH GRANT OPTION"]);
        assert!(root.allow("CREATE", "otter"));
        let some = grants(&[
            "GRANT USAGE ON *.* TO `o`@`%`",
            "GRANT SELECT, INSERT, CREATE ON `ot\\_ter`.* TO `o`@`%`",
            "GRANT CREATE ON `shop`.`item` TO `o`@`%`",
            "GRANT `role`@`%` TO `o`@`%`",
        ]);
        assert!(some.allow("CREATE", "ot_ter"));
        assert!(!some.allow("DROP", "ot_ter"));
        assert!(!some.allow("CREATE", "shop"));
    }
}
