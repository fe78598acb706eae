//! Whether a source table's rows fit a target table, and how they are written there.
//!
//! Pure. A target that would change a value without an error (rounding, padding, stamping) does
//! not fit; one that refuses a value with an error does, since the refusal is a finding.

mod compaction;
mod constant;
mod types;

use std::sync::Arc;

use otter_core::nearest::nearest;
use otter_core::{Column, ColumnType, Table};
use otter_mysql::ParameterType;

pub(crate) use compaction::Compaction;
use compaction::compaction;

use super::error::MySqlLoadError;
use super::literal::{LineForm, RowsStatement, line_form, parameter_type, rows_statement};
use super::names::{identifier, qualified};
use super::refusal::KnownNames;
use super::target::{TargetColumn, TargetTable};

/// How one source table's rows are written to the target.
#[derive(Debug)]
pub(crate) struct TablePlan {
    /// The definition that the rows follow.
    pub(crate) source: Arc<Table>,
    pub(crate) target: TargetTable,
    /// `schema`.`table`.
    pub(crate) quoted: String,
    /// One per source column.
    pub(crate) columns: Vec<ColumnPlan>,
    /// Sets of source columns that tell rows apart, the best first.
    pub(crate) identities: Vec<Vec<usize>>,
    /// How the changes of several transactions to one row may become one change.
    pub(crate) compaction: Compaction,
    /// Whether many new rows go by a faster way than INSERTs of literals, where the server has one.
    pub(crate) loads: bool,
    /// The statement that takes them as parameters.
    pub(crate) rows_statement: Arc<RowsStatement>,
    /// The same for rows that may be there already, as they are.
    pub(crate) same_statement: Arc<RowsStatement>,
}

/// How one column's values are written.
#[derive(Debug)]
pub(crate) struct ColumnPlan {
    /// The target's name in backquotes.
    pub(crate) quoted: String,
    /// The target's own name.
    pub(crate) name: Arc<str>,
    /// Whether values are written; the target makes generated ones itself.
    pub(crate) written: bool,
    /// Whether the target would stamp the column on an update that leaves it out.
    pub(crate) stamps: bool,
    pub(crate) text: TextForm,
    /// The source's labels, where the column is an ENUM or SET and they are known.
    pub(crate) labels: Option<Arc<[Arc<str>]>>,
    pub(crate) target: TargetForm,
    /// The most letters that the target keeps; it drops further trailing spaces in silence.
    pub(crate) max_letters: Option<u64>,
    /// Whether the target drops trailing spaces that the source keeps.
    pub(crate) drops_spaces: bool,
    /// How values stand in a line of `LOAD DATA`.
    pub(crate) line: LineForm,
    /// How values are sent as parameters.
    pub(crate) parameter: ParameterType,
}

/// How a text value becomes a literal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum TextForm {
    /// As a quoted string where it is valid UTF-8, else as bytes.
    Utf8,
    /// As a quoted string where it is plain ASCII, else as bytes with this introducer.
    AsciiBased(Arc<str>),
    /// As bytes with this introducer.
    Coded(Arc<str>),
}

/// What the target's column is, as far as comparing a whole row differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum TargetForm {
    /// Text in this character set.
    Text(String),
    Json,
    Enum,
    Geometry,
    Vector,
    Other,
}

impl TablePlan {
    /// The names of the columns that identify rows, for messages.
    pub(crate) fn key_names(&self) -> Vec<Arc<str>> {
        self.identities.first().map_or_else(Vec::new, |key| {
            key.iter()
                .filter_map(|index| Some(Arc::clone(&self.columns.get(*index)?.name)))
                .collect()
        })
    }
}

impl KnownNames for TablePlan {
    fn column(&self, name: &str) -> Option<&str> {
        self.target.column(name).map(|column| &*column.name)
    }

    fn key(&self, name: &str) -> Option<&str> {
        self.target.key_names.iter().find(|key| key.eq_ignore_ascii_case(name)).map(String::as_str)
    }
}

/// Makes the plan for a table.
///
/// # Errors
/// [`MySqlLoadError::Unfit`] naming the column and the statement that mends it.
pub(crate) fn fit(
    source: &Arc<Table>,
    target: Option<TargetTable>,
) -> Result<TablePlan, MySqlLoadError> {
    let unfit = |what: String, remedy: String| MySqlLoadError::Unfit {
        table: source.name.clone(),
        what,
        remedy,
    };
    let Some(target) = target else {
        return Err(unfit(
            "it does not exist, or the account may not see it".to_owned(),
            "create it as it is in the source, and grant SELECT, INSERT, UPDATE and DELETE on it"
                .to_owned(),
        ));
    };
    let quoted = qualified(&target.name.database, &target.name.table);
    if let Some((what, remedy)) = unfit_table(&target, &quoted) {
        return Err(unfit(what, remedy));
    }
    let mut columns = Vec::with_capacity(source.columns.len());
    for column in &source.columns {
        let Some(there) = target.column(&column.name) else {
            if is_hidden_hash(column) {
                columns.push(hidden_column(column));
                continue;
            }
            return Err(unfit(missing(source, &target, column), add_column(&quoted, column)));
        };
        let problem = if let ColumnType::Constant { text } = &column.column_type {
            constant::unfit_constant(text, there)
        } else if there.generated {
            None
        } else {
            types::unfit_column(column, there)
        };
        if let Some((what, needed)) = problem {
            return Err(unfit(
                format!("column {} {what}", column.name),
                format!("ALTER TABLE {quoted} MODIFY COLUMN {} {needed}", identifier(&there.name)),
            ));
        }
        columns.push(plan_column(column, there));
    }
    let identities = identities(source, &target);
    if let (Some(column), true) = (source.dropped_key.first(), identities.is_empty()) {
        return Err(unfit(
            format!(
                "column {column} of the source's primary key is dropped, and no unique key without \
                 NULL tells rows apart by the columns that are left"
            ),
            format!(
                "do not drop {column}, or, where other columns are unique in the source: ALTER \
                 TABLE {quoted} ADD UNIQUE KEY (…)"
            ),
        ));
    }
    let missing = target
        .columns
        .iter()
        .find(|column| !column.has_default && source.column_index(&column.name).is_none());
    if let Some(column) = missing {
        return Err(unfit(
            format!("column {} is not in the source and has no default", column.name),
            format!(
                "ALTER TABLE {quoted} MODIFY COLUMN {} {} NULL",
                identifier(&column.name),
                column.column_type
            ),
        ));
    }
    let compaction = compaction(source, &target, &columns, &identities);
    let mut written = columns.iter().filter(|column| column.written).peekable();
    let loads = written.peek().is_some() && written.all(|it| it.line != LineForm::Never);
    let [new_rows, same_rows] =
        [false, true].map(|may_be_there| rows_statement(&quoted, &columns, may_be_there));
    Ok(TablePlan {
        source: Arc::clone(source),
        target,
        quoted,
        columns,
        identities,
        compaction,
        loads,
        rows_statement: new_rows,
        same_statement: same_rows,
    })
}

/// MariaDB: a unique key over a BLOB, or over more bytes than a key holds, is a hidden column with a
/// hash of them, which the binlog tells of as if it were one of the table's.
fn is_hidden_hash(column: &Column) -> bool {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    column.name.strip_prefix("DB_ROW_HASH_").is_some_and(is_number)
        && matches!(column.column_type, ColumnType::Integer { bytes: 8, .. })
}

/// A column that the target makes itself, if it has it at all.
fn hidden_column(column: &Column) -> ColumnPlan {
    ColumnPlan {
        quoted: identifier(&column.name),
        name: Arc::clone(&column.name),
        written: false,
        stamps: false,
        text: TextForm::Utf8,
        labels: None,
        target: TargetForm::Other,
        max_letters: None,
        drops_spaces: false,
        line: LineForm::Never,
        parameter: ParameterType::Bytes,
    }
}

fn missing(source: &Table, target: &TargetTable, column: &Column) -> String {
    let others = target.columns.iter().map(|there| &*there.name);
    let free = others.filter(|name| source.column_index(name).is_none());
    match nearest(&column.name, free) {
        Some(near) => format!("column {} is missing; did you mean {near}?", column.name),
        None => format!("column {} is missing", column.name),
    }
}

fn add_column(quoted: &str, column: &Column) -> String {
    let name = identifier(&column.name);
    if let ColumnType::Constant { text } = &column.column_type {
        let letters = text.chars().count().max(1);
        return format!("ALTER TABLE {quoted} ADD COLUMN {name} varchar({letters}) NOT NULL");
    }
    format!("ALTER TABLE {quoted} ADD COLUMN {name} … as in the source")
}

/// The target's keys that tell the source's rows apart. Constants that a mapping adds belong to each
/// of them: what one source table's rows look like is never another one's row.
fn identities(source: &Table, target: &TargetTable) -> Vec<Vec<usize>> {
    let is_constant = |index: &usize| {
        let column = source.columns.get(*index);
        column.is_some_and(|it| matches!(it.column_type, ColumnType::Constant { .. }))
    };
    let constants: Vec<usize> = (0..source.columns.len()).filter(is_constant).collect();
    let mut identities = Vec::with_capacity(target.identities.len());
    for key in &target.identities {
        let columns = key.columns.iter().map(|name| source.column_index(name));
        let Some(mut columns) = columns.collect::<Option<Vec<usize>>>() else { continue };
        if columns.iter().all(is_constant) {
            continue;
        }
        let more = constants.iter().filter(|index| !columns.contains(index));
        columns.extend(more.copied().collect::<Vec<_>>());
        identities.push(columns);
    }
    identities
}

/// What makes the whole table unfit.
fn unfit_table(target: &TargetTable, quoted: &str) -> Option<(String, String)> {
    if !matches!(target.kind.as_str(), "BASE TABLE" | "SYSTEM VERSIONED") {
        return Some((
            format!("it is a {}", target.kind.to_lowercase()),
            "map to the table behind it".to_owned(),
        ));
    }
    if !target.transactional {
        let engine = target.engine.as_deref().unwrap_or("none");
        return Some((
            format!("its engine {engine} has no transactions"),
            format!("ALTER TABLE {quoted} ENGINE=InnoDB"),
        ));
    }
    // A trigger would run a second time what its effects in the source's binlog bring already.
    let trigger = target.triggers.first()?;
    Some((
        format!("it has the trigger {trigger}"),
        format!("DROP TRIGGER {}", qualified(&target.name.database, trigger)),
    ))
}

fn plan_column(source: &Column, target: &TargetColumn) -> ColumnPlan {
    let is_text = matches!(source.column_type, ColumnType::Text { .. });
    let mut text = TextForm::Utf8;
    let mut fixed = true;
    if let ColumnType::Text { charset, fixed: declared, .. } = &source.column_type {
        text = text_form(charset);
        fixed = *declared;
    }
    let mut labels = &None;
    if let ColumnType::Enum { labels: known } | ColumnType::Set { labels: known } =
        &source.column_type
    {
        labels = known;
    }
    let form = target_form(target);
    ColumnPlan {
        line: line_form(&source.column_type, target, &form),
        parameter: parameter_type(&source.column_type, &form),
        quoted: identifier(&target.name),
        name: Arc::clone(&target.name),
        written: !target.generated,
        stamps: target.stamps_updates && !target.generated,
        text,
        labels: labels.clone(),
        target: form,
        max_letters: if is_text { target.max_letters } else { None },
        drops_spaces: is_text && !fixed && target.data_type == "char",
    }
}

fn target_form(target: &TargetColumn) -> TargetForm {
    match (target.data_type.as_str(), &target.charset) {
        ("json", _) => TargetForm::Json,
        ("enum" | "set", _) => TargetForm::Enum,
        ("vector", _) => TargetForm::Vector,
        (
            "geometry" | "point" | "linestring" | "polygon" | "multipoint" | "multilinestring"
            | "multipolygon" | "geometrycollection" | "geomcollection",
            _,
        ) => TargetForm::Geometry,
        (_, Some(charset)) => TargetForm::Text(charset.clone()),
        (_, None) => TargetForm::Other,
    }
}

/// Character sets of which every printable ASCII byte stands for itself.
const ASCII_BASED: [&str; 22] = [
    "ascii", "latin1", "latin2", "latin5", "latin7", "cp1250", "cp1251", "cp1256", "cp1257",
    "cp850", "cp852", "cp866", "koi8r", "koi8u", "greek", "hebrew", "tis620", "gbk", "gb2312",
    "gb18030", "big5", "euckr",
];

fn text_form(charset: &Arc<str>) -> TextForm {
    if matches!(&**charset, "utf8" | "utf8mb3" | "utf8mb4") {
        TextForm::Utf8
    } else if ASCII_BASED.contains(&&**charset) {
        TextForm::AsciiBased(Arc::clone(charset))
    } else {
        TextForm::Coded(Arc::clone(charset))
    }
}

#[cfg(test)]
pub(crate) mod tests;
