//! The format of Maxwell's cases: SQL statements, and the lines that are expected after them.

use super::json::{Json, Keys, Object};

/// One file.
#[derive(Debug, Clone)]
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) items: Vec<Item>,
}

/// A statement, or what is expected of those before it.
#[derive(Debug, Clone)]
pub(crate) struct Item {
    /// Where it begins in its file, from 1.
    pub(crate) line: usize,
    pub(crate) content: Content,
}

#[derive(Debug, Clone)]
pub(crate) enum Content {
    Statement(String),
    Expected(Change),
}

/// A change of a row without its envelope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Change {
    pub(crate) database: String,
    pub(crate) table: String,
    pub(crate) kind: String,
    pub(crate) data: Object,
    pub(crate) old: Option<Object>,
}

impl Change {
    /// Takes the change out of an object; what is left is the envelope.
    pub(crate) fn take_from(object: &mut Object) -> Result<Self, String> {
        let change = Self {
            database: text(object, "database")?,
            table: text(object, "table")?,
            kind: text(object, "type")?,
            data: members(object, "data")?.ok_or("no data")?,
            old: members(object, "old")?,
        };
        Ok(change)
    }
}

fn text(object: &mut Object, key: &str) -> Result<String, String> {
    match object.remove(key) {
        Some(Json::Text(text)) => Ok(text),
        other => Err(format!("{key} is {other:?}")),
    }
}

fn members(object: &mut Object, key: &str) -> Result<Option<Object>, String> {
    match object.remove(key) {
        None => Ok(None),
        Some(Json::Object(members)) => Ok(Some(members)),
        Some(other) => Err(format!("{key} is {other:?}")),
    }
}

/// What of Maxwell's envelope says nothing about the row.
const PASSING: [&str; 4] = ["ts", "xid", "xoffset", "commit"];

impl Case {
    /// Reads a file. Whatever does not follow the format is an error with its line.
    pub(crate) fn read(name: &str, text: &str) -> Result<Self, String> {
        let mut items: Vec<(usize, String)> = Vec::new();
        for (index, line) in text.lines().enumerate() {
            let number = index + 1;
            let at = |what: &str| format!("{name}, line {number}: {what}");
            if line.trim().is_empty() || line.starts_with('#') {
                continue;
            }
            let is_arrow = arrow(line).is_some();
            if !is_arrow && line.trim_start().starts_with("->") {
                return Err(at("an arrow without an object"));
            }
            if is_arrow || !line.starts_with(char::is_whitespace) {
                items.push((number, line.trim().to_owned()));
            } else {
                let (_, item) = items.last_mut().ok_or_else(|| at("it continues nothing"))?;
                item.push(' ');
                item.push_str(line.trim());
            }
        }
        let item = |(line, text): (usize, String)| {
            let content =
                content(&text).map_err(|error| format!("{name}, line {line}: {error}"))?;
            Ok::<_, String>(Item { line, content })
        };
        let items: Vec<Item> = items.into_iter().map(item).collect::<Result<_, _>>()?;
        if !items.iter().any(|item| matches!(item.content, Content::Expected(_))) {
            return Err(format!("{name}: nothing is expected"));
        }
        Ok(Self { name: name.to_owned(), items })
    }
}

/// The object of a line that begins with an arrow and an object.
fn arrow(line: &str) -> Option<&str> {
    let object = line.trim_start().strip_prefix("->")?.trim_start();
    object.starts_with('{').then_some(object)
}

fn content(text: &str) -> Result<Content, String> {
    let Some(object) = arrow(text) else {
        let statement = text.strip_suffix(';').unwrap_or(text).trim_end();
        if !statement.starts_with(|letter: char| letter.is_ascii_alphabetic()) {
            return Err(format!("no statement: {text}"));
        }
        return Ok(Content::Statement(statement.to_owned()));
    };
    let Json::Object(mut object) = Json::read(object, Keys::Loose)? else {
        return Err("no object".into());
    };
    let change = Change::take_from(&mut object)?;
    match object.keys().find(|key| !PASSING.contains(&key.as_str())) {
        None => Ok(Content::Expected(change)),
        Some(key) => Err(format!("the key {key:?} is unknown")),
    }
}

#[test]
fn statements_and_expectations_come_in_their_order() {
    let text = "# a comment\nuse db\ncreate table t (\n\n  id int)\ninsert into t\n# in between\n\tset id = 1;\n  ->  { database: \"db\", table: \"t\",\n  \"type\": \"insert\", data: {id: 1}, xid: 7 }\n";
    let case = Case::read("own", text).unwrap();
    let [used, created, inserted, expected] = &case.items[..] else { panic!("{case:?}") };
    let statement = |item: &Item| match &item.content {
        Content::Statement(text) => text.clone(),
        Content::Expected(change) => panic!("{change:?}"),
    };
    assert_eq!((used.line, statement(used)), (2, "use db".into()));
    assert_eq!((created.line, statement(created)), (3, "create table t ( id int)".into()));
    assert_eq!((inserted.line, statement(inserted)), (6, "insert into t set id = 1".into()));
    let Content::Expected(change) = &expected.content else { panic!("{expected:?}") };
    assert_eq!((expected.line, &*change.database, &*change.table), (9, "db", "t"));
    assert_eq!((&*change.kind, &change.old), ("insert", &None));
    assert_eq!(change.data["id"], Json::Number("1".into()));
}

#[test]
fn what_does_not_follow_the_format_is_refused() {
    let good =
        "insert into t set id = 1\n-> {database: \"d\", table: \"t\", type: \"insert\", data: {}}";
    Case::read("own", good).unwrap();
    for bad in [
        "",
        "insert into t set id = 1",
        "  continues nothing",
        &good.replace("{}}", "{}"),
        &good.replace("-> {", "-> "),
        &good.replace("data: {}", "data: 1"),
        &good.replace("data: {}", "data: {}, more: 1"),
        &good.replace("table: \"t\",", ""),
        &good.replace("data: {}", "data: {}, old: []"),
        &good.replace("insert into", ";"),
    ] {
        assert!(Case::read("own", bad).is_err(), "{bad}");
    }
}
