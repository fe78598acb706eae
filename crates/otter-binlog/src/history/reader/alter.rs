//! ALTER: finds out what is altered, and reads the list of a table's changes.

use super::super::statement::{
    AlterTable, CharsetClause, Ddl, KeyAction, KeyDefinition, QualifiedName, SchemaChange,
};
use super::cursor::Cursor;
use super::options::TableOptions;
use super::{Result, alter_action, create, database, options, with_change, without_change};

pub(super) fn read(cursor: &mut Cursor<'_>) -> Result<Ddl> {
    cursor.eat_any_word(&["ONLINE", "OFFLINE"]);
    cursor.eat_word("IGNORE");
    skip_prefix(cursor)?;
    let at_object = cursor.clone();
    let Some(object) = cursor.take_word() else {
        return Err(cursor.refuse("what is altered"));
    };
    let kind = match &*object {
        "TABLE" => return alter_table(cursor),
        "DATABASE" | "SCHEMA" => return database::alter(cursor),
        "SEQUENCE" => {
            cursor.eat_if_exists();
            let mut ddl = without_change("ALTER SEQUENCE");
            ddl.tables.push(cursor.table_name()?);
            return Ok(ddl);
        }
        "VIEW" => {
            let mut ddl = without_change("ALTER VIEW");
            ddl.tables.push(cursor.table_name()?);
            return Ok(ddl);
        }
        "PROCEDURE" => "ALTER PROCEDURE",
        "FUNCTION" => "ALTER FUNCTION",
        "PACKAGE" => "ALTER PACKAGE",
        "LIBRARY" => "ALTER LIBRARY",
        "EVENT" => "ALTER EVENT",
        "USER" => "ALTER USER",
        "ROLE" => "ALTER ROLE",
        "SERVER" => "ALTER SERVER",
        "INSTANCE" => "ALTER INSTANCE",
        "TABLESPACE" => "ALTER TABLESPACE",
        "LOGFILE" => "ALTER LOGFILE GROUP",
        "RESOURCE" => "ALTER RESOURCE GROUP",
        _ => return Err(at_object.refuse("what is altered")),
    };
    Ok(without_change(kind))
}

/// What may stand before VIEW, EVENT and TABLESPACE.
fn skip_prefix(cursor: &mut Cursor<'_>) -> Result<()> {
    loop {
        if cursor.eat_word("DEFINER") {
            cursor.eat_symbol(b'=');
            create::skip_account(cursor)?;
        } else if cursor.eat_word("ALGORITHM") {
            cursor.eat_symbol(b'=');
            cursor.skip_one()?;
        } else if cursor.eat_words(&["SQL", "SECURITY"]) {
            cursor.skip_one()?;
        } else if !cursor.eat_any_word(&["UNDO", "JSON", "RELATIONAL", "DUALITY", "MATERIALIZED"]) {
            return Ok(());
        }
    }
}

/// More than all columns of the widest table and all of its keys: each change is compared with the
/// others.
const MOST_CHANGES: usize = 8192;

fn alter_table(cursor: &mut Cursor<'_>) -> Result<Ddl> {
    let if_exists = cursor.eat_if_exists();
    let name = cursor.table_name()?;
    create::skip_wait(cursor)?;
    let mut draft = AlterDraft::new(AlterTable { if_exists, ..AlterTable::new(name.clone()) });
    while !cursor.is_end() {
        alter_action::read(cursor, &mut draft)?;
        if draft.alter.columns.len() + draft.alter.keys.len() > MOST_CHANGES {
            return Err(cursor.refuse("the end, after so many changes"));
        }
        cursor.eat_symbol(b',');
    }
    let AlterDraft { mut alter, options, mut others, charset_before_convert } = draft;
    alter.charset_is_later = charset_before_convert.is_some_and(|before| before != options.charset);
    alter.charset = options.charset;
    if options.is_versioned {
        alter.versioning = Some(true);
    }
    others.extend(alter.rename.clone());
    let mut ddl = with_change("ALTER TABLE", &name, SchemaChange::AlterTable(alter));
    ddl.tables.extend(others);
    Ok(ddl)
}

/// What ALTER TABLE does, as it is gathered.
pub(super) struct AlterDraft {
    pub(super) alter: AlterTable,
    pub(super) options: TableOptions,
    /// Other tables that take part.
    pub(super) others: Vec<QualifiedName>,
    charset_before_convert: Option<CharsetClause>,
}

impl AlterDraft {
    fn new(alter: AlterTable) -> Self {
        Self {
            alter,
            options: TableOptions::default(),
            others: Vec::new(),
            charset_before_convert: None,
        }
    }

    pub(super) fn add_key(&mut self, key: KeyDefinition) {
        self.alter.keys.push(KeyAction::Add { key, or_replace: false });
    }

    pub(super) fn convert(&mut self, clause: CharsetClause) {
        self.charset_before_convert = Some(self.options.charset.clone());
        self.alter.convert = Some(clause);
    }

    /// Reads an option of the table.
    pub(super) fn read_option(&mut self, cursor: &mut Cursor<'_>) -> Result<()> {
        options::read_one(cursor, &mut self.options)
    }
}
