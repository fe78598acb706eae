//! Whether both sides are the same: tables, definitions, rows.

use otter_server::sandbox::Server;

use crate::comparison::compare;
use crate::query::texts;

/// Compares everything in the database `shop`; returns the number of rows.
pub(super) async fn compare_all(
    source: &Server,
    target: &Server,
    same_servers: bool,
) -> Result<u64, String> {
    let (here, there) = tokio::join!(tables(source), tables(target));
    if here != there {
        return Err(format!("tables differ: {here:?} at the source, {there:?} at the target"));
    }
    let mut rows = 0;
    for name in &here {
        let query = if same_servers {
            format!("SHOW CREATE TABLE shop.`{name}`")
        } else {
            format!(
                "SELECT COLUMN_NAME, ORDINAL_POSITION, IS_NULLABLE, DATA_TYPE \
                 FROM information_schema.COLUMNS \
                 WHERE TABLE_SCHEMA = 'shop' AND TABLE_NAME = '{name}' ORDER BY ORDINAL_POSITION"
            )
        };
        let (ours, theirs) = tokio::join!(texts(source, &query), texts(target, &query));
        let (ours, theirs) = (without_counter(&ours), without_counter(&theirs));
        if ours != theirs {
            return Err(format!("definitions differ:\nsource {ours}\ntarget {theirs}"));
        }
        let table = format!("shop.{name}");
        match compare(source, target, (&table, &table)).await {
            Ok(count) => rows += count,
            Err(difference) => return Err(format!("{difference}\n{ours}")),
        }
    }
    Ok(rows)
}

async fn tables(server: &Server) -> Vec<String> {
    let query = "SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA = 'shop' \
                 ORDER BY TABLE_NAME";
    texts(server, query).await.concat()
}

/// The next number of a table says how many were tried, not how many rows there are.
fn without_counter(shown: &[Vec<String>]) -> String {
    let text = shown.iter().map(|row| row.join(" ")).collect::<Vec<_>>().join("\n");
    let words = text.split(' ').filter(|word| !word.starts_with("AUTO_INCREMENT="));
    words.collect::<Vec<_>>().join(" ")
}
