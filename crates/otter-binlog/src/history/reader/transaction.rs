//! What begins and ends transactions, with the ids of XA.

use super::super::statement::{DmlKind, Statement, TransactionControl, Xid};
use super::cursor::Cursor;
use super::{Result, administration};

pub(super) fn read(first: &str, cursor: &mut Cursor<'_>) -> Result<Statement> {
    let control = match first {
        // MariaDB: a compound statement outside of a routine.
        "BEGIN" if cursor.is_word("NOT") => return Ok(Statement::Dml(DmlKind::Other)),
        "START" if !cursor.is_word("TRANSACTION") => {
            return administration::read(first, cursor).map(Statement::Ddl);
        }
        "BEGIN" | "START" => TransactionControl::Begin,
        "COMMIT" => TransactionControl::Commit,
        "ROLLBACK" => {
            cursor.eat_word("WORK");
            if cursor.is_word("TO") {
                TransactionControl::RollbackTo
            } else {
                TransactionControl::Rollback
            }
        }
        "XA" => return read_xa(cursor).map(Statement::Transaction),
        _ => TransactionControl::Savepoint,
    };
    Ok(Statement::Transaction(control))
}

fn read_xa(cursor: &mut Cursor<'_>) -> Result<TransactionControl> {
    let verb = cursor.take_word().unwrap_or_default();
    let control = match &*verb {
        "START" | "BEGIN" => TransactionControl::XaStart,
        "END" => TransactionControl::XaEnd,
        "PREPARE" => TransactionControl::XaPrepare,
        "COMMIT" => TransactionControl::XaCommit,
        "ROLLBACK" => TransactionControl::XaRollback,
        _ => return Err(cursor.refuse("START, END, PREPARE, COMMIT or ROLLBACK")),
    };
    Ok(control(read_xid(cursor)?))
}

fn read_xid(cursor: &mut Cursor<'_>) -> Result<Xid> {
    let global = cursor.literal("an XA id")?;
    if !cursor.eat_symbol(b',') {
        return Ok(Xid { global, branch: Vec::new(), format: 1 });
    }
    let branch = cursor.literal("a branch of an XA id")?;
    if !cursor.eat_symbol(b',') {
        return Ok(Xid { global, branch, format: 1 });
    }
    let format = cursor.number("a format id")?;
    let format = u32::try_from(format).map_err(|_| cursor.refuse("a format id of 32 bits"))?;
    Ok(Xid { global, branch, format })
}
