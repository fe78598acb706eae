//! Random changes of rows, as statements for one session.

use otter_core::testkit::random::Random;

use super::table::{Column, Key, Rank, Table, quote, quoted};

/// A few statements that belong together: most often one.
pub(super) fn any(tables: &[std::sync::Arc<Table>], random: &mut Random) -> Vec<String> {
    if tables.is_empty() {
        return Vec::new();
    }
    let table = random.choose(tables).clone();
    match random.below(100) {
        0..=27 => vec![insert(&table, "INSERT INTO", random)],
        28..=31 => vec![insert(&table, "INSERT IGNORE INTO", random)],
        32..=39 => vec![insert(&table, "REPLACE INTO", random)],
        40..=49 => {
            let insert = insert(&table, "INSERT INTO", random);
            vec![format!("{insert} ON DUPLICATE KEY UPDATE {}", assignments(&table, random))]
        }
        50..=64 => vec![update(&table, random)],
        65..=69 => vec![move_key(&table, random)],
        70..=75 => swap(&table, random),
        76..=78 => vec![copy(&table, random)],
        79..=81 => {
            let other = random.choose(tables).clone();
            vec![joined(&table, &other, random)]
        }
        // Tables that grow for ever cost time and show nothing more.
        82 if random.chance(20) => bulk(&table, random),
        82..=84 => vec![format!("DELETE FROM {} LIMIT {}", place(&table), 1 + random.below(40))],
        _ => vec![format!("DELETE FROM {}{}", place(&table), condition(&table, random))],
    }
}

fn place(table: &Table) -> String {
    format!("shop.{}", quote(&table.name))
}

fn insert(table: &Table, verb: &str, random: &mut Random) -> String {
    let is_whole = random.chance(80);
    let is_here = |column: &&Column, random: &mut Random| {
        column.generated.is_none() && (is_whole || !column.nullable || random.chance(60))
    };
    let columns: Vec<&Column> =
        table.columns.iter().filter(|column| is_here(column, random)).collect();
    let names: Vec<String> = columns.iter().map(|column| column.name.clone()).collect();
    let count = if random.chance(70) { 1 } else { 1 + random.below(8) };
    let mut tuples = Vec::new();
    for _ in 0..count {
        let values: Vec<String> =
            columns.iter().map(|column| column.literal(random, table.domain)).collect();
        tuples.push(format!("({})", values.join(", ")));
    }
    format!("{verb} {} ({}) VALUES {}", place(table), quoted(&names), tuples.join(", "))
}

/// So many rows that a transaction of them is cut into pieces where memory is short.
fn bulk(table: &Table, random: &mut Random) -> Vec<String> {
    let columns: Vec<&Column> =
        table.columns.iter().filter(|column| column.generated.is_none()).collect();
    let names: Vec<String> = columns.iter().map(|column| column.name.clone()).collect();
    let mut statements = vec!["BEGIN".to_owned()];
    for _ in 0..6 {
        let row = |random: &mut Random| {
            let values: Vec<String> =
                columns.iter().map(|column| column.literal(random, table.domain)).collect();
            format!("({})", values.join(", "))
        };
        let rows: Vec<String> = (0..80).map(|_| row(random)).collect();
        let (place, names) = (place(table), quoted(&names));
        statements.push(format!("REPLACE INTO {place} ({names}) VALUES {}", rows.join(", ")));
    }
    statements.push("COMMIT".to_owned());
    statements.push(format!("DELETE FROM {} LIMIT 300", place(table)));
    statements
}

/// New values for some columns, key columns among them now and then.
fn assignments(table: &Table, random: &mut Random) -> String {
    let keys = random.chance(15);
    let is_free = |column: &&Column| {
        column.generated.is_none()
            && (keys || !table.primary().is_some_and(|key| key.columns.contains(&column.name)))
    };
    let mut free: Vec<&Column> = table.columns.iter().filter(is_free).collect();
    if free.is_empty() {
        free = table.columns.iter().filter(|column| column.generated.is_none()).collect();
    }
    let mut texts: Vec<String> = Vec::new();
    for _ in 0..1 + random.below(3) {
        let column = *random.choose(&free);
        let name = quote(&column.name);
        if texts.iter().any(|text| text.starts_with(&name)) {
            continue;
        }
        texts.push(format!("{name} = {}", column.literal(random, table.domain)));
    }
    texts.join(", ")
}

/// Which rows: by a key, by several, by a range, by another column, or any few.
fn condition(table: &Table, random: &mut Random) -> String {
    let keyed: Vec<&Key> = table.keys.iter().filter(|key| key.rank != Rank::Plain).collect();
    if !keyed.is_empty() && random.chance(85) {
        let key = *random.choose(&keyed);
        let Some(first) = key.columns.first().and_then(|name| table.column(name)) else {
            return " LIMIT 1".to_owned();
        };
        let name = quote(&first.name);
        let literal = |random: &mut Random| first.kind.literal(random, table.domain);
        return match random.below(10) {
            0..=5 => format!(" WHERE {name} = {}", literal(random)),
            6 | 7 => format!(
                " WHERE {name} IN ({}, {}, {})",
                literal(random),
                literal(random),
                literal(random)
            ),
            8 => format!(
                " WHERE {name} >= {} ORDER BY {name} LIMIT {}",
                literal(random),
                1 + random.below(12)
            ),
            _ => format!(" ORDER BY {} DESC LIMIT {}", quoted(&key.columns), 1 + random.below(12)),
        };
    }
    let column = random.choose(&table.columns);
    let name = quote(&column.name);
    match random.below(4) {
        0 => format!(" WHERE {name} IS NULL LIMIT {}", 1 + random.below(5)),
        1 => format!(" WHERE {name} IS NOT NULL LIMIT {}", 1 + random.below(5)),
        _ => format!(" LIMIT {}", 1 + random.below(4)),
    }
}

fn update(table: &Table, random: &mut Random) -> String {
    let ignore = if random.chance(5) { "IGNORE " } else { "" };
    format!(
        "UPDATE {ignore}{} SET {}{}",
        place(table),
        assignments(table, random),
        condition(table, random)
    )
}

/// Gives rows another key, by counting or by a value.
fn move_key(table: &Table, random: &mut Random) -> String {
    let Some(key) = table.keys.iter().find(|key| key.rank != Rank::Plain) else {
        return update(table, random);
    };
    let column = key.columns.last().and_then(|name| table.column(name));
    let Some(column) = column.filter(|column| column.generated.is_none()) else {
        return update(table, random);
    };
    let name = quote(&column.name);
    if column.kind.counts() && random.chance(50) {
        let order = if random.chance(50) { "DESC" } else { "ASC" };
        return format!(
            "UPDATE {} SET {name} = {name} + 1 ORDER BY {name} {order} LIMIT {}",
            place(table),
            1 + random.below(20)
        );
    }
    format!(
        "UPDATE {} SET {name} = {}{}",
        place(table),
        column.literal(random, table.domain),
        condition(table, random)
    )
}

/// Two rows exchange a unique value, by way of a third value or of NULL.
fn swap(table: &Table, random: &mut Random) -> Vec<String> {
    let uniques: Vec<&Key> = table.keys.iter().filter(|key| key.rank != Rank::Plain).collect();
    if uniques.is_empty() {
        return vec![update(table, random)];
    }
    let key = *random.choose(&uniques);
    let column = key.columns.first().and_then(|name| table.column(name));
    let Some(column) = column.filter(|column| column.generated.is_none()) else {
        return vec![update(table, random)];
    };
    let (place, name) = (place(table), quote(&column.name));
    let literal = |random: &mut Random| column.kind.literal(random, table.domain);
    let (one, two) = (literal(random), literal(random));
    let aside = if column.nullable {
        "NULL".to_owned()
    } else {
        // Beyond the usual values, so that it is free most often.
        column.kind.literal(random, table.domain * 3)
    };
    let back = if column.nullable {
        format!("UPDATE {place} SET {name} = {two} WHERE {name} IS NULL LIMIT 1")
    } else {
        format!("UPDATE {place} SET {name} = {two} WHERE {name} = {aside}")
    };
    vec![
        format!("UPDATE {place} SET {name} = {aside} WHERE {name} = {one}"),
        format!("UPDATE {place} SET {name} = {one} WHERE {name} = {two}"),
        back,
    ]
}

/// Copies rows under other keys.
fn copy(table: &Table, random: &mut Random) -> String {
    let columns: Vec<&Column> =
        table.columns.iter().filter(|column| column.generated.is_none()).collect();
    let names: Vec<String> = columns.iter().map(|column| column.name.clone()).collect();
    let is_unique = |column: &Column| {
        table.keys.iter().any(|key| key.rank != Rank::Plain && key.columns.contains(&column.name))
    };
    let mut values = Vec::new();
    for column in &columns {
        values.push(match (is_unique(column), column.kind.counts(), column.nullable) {
            (true, true, _) => format!("{} + {}", quote(&column.name), table.domain),
            (true, false, true) => "NULL".to_owned(),
            (true, false, false) => column.literal(random, table.domain),
            (false, ..) => quote(&column.name),
        });
    }
    format!(
        "INSERT IGNORE INTO {0} ({1}) SELECT {2} FROM {0} LIMIT {3}",
        place(table),
        quoted(&names),
        values.join(", "),
        1 + random.below(15)
    )
}

/// Changes or deletes rows of two tables at once.
fn joined(table: &Table, other: &Table, random: &mut Random) -> String {
    if table.name == other.name {
        return update(table, random);
    }
    let (one, two) = (place(table), place(other));
    let pair = |table: &Table, random: &mut Random| {
        let name = table.keys.first().and_then(|key| key.columns.first());
        let column = name.and_then(|name| table.column(name));
        column.map(|column| {
            let literal = column.kind.literal(random, table.domain);
            format!("{}.{} = {literal}", quote(&table.name), quote(&column.name))
        })
    };
    let (Some(left), Some(right)) = (pair(table, random), pair(other, random)) else {
        return update(table, random);
    };
    if random.chance(40) {
        let (first, second) = (quote(&table.name), quote(&other.name));
        return format!("DELETE {first}, {second} FROM {one}, {two} WHERE {left} AND {right}");
    }
    let set = |table: &Table, random: &mut Random| {
        let free: Vec<&Column> =
            table.columns.iter().filter(|column| column.generated.is_none()).collect();
        let column = *random.choose(&free);
        let literal = column.literal(random, table.domain);
        format!("{}.{} = {literal}", quote(&table.name), quote(&column.name))
    };
    let sets = [set(table, random), set(other, random)].join(", ");
    format!("UPDATE {one}, {two} SET {sets} WHERE {left} AND {right}")
}
