//! What can be wrong with a script, and what went wrong in it, without any value of a row.

use rhai::{EvalAltResult, ParseError, Position};

use super::engine::{COMPARED, LONGEST_RUN, MOST_OPERATIONS};

/// A script that cannot be used, or failed at a row.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ScriptError {
    /// It is no script.
    #[error("the script cannot be read: {0}")]
    Syntax(String),
    /// The row is used in another way than by its columns.
    #[error(
        "{place} of the script: use `row` with the name of a column only, such as row.country or \
         row[\"order no\"]"
    )]
    BareRow {
        /// Line and position.
        place: String,
    },
    /// A kind of text that hides what it reads.
    #[error("{place} of the script: write texts in \" and nothing else, without ${{…}}")]
    Text {
        /// Line and position.
        place: String,
    },
    /// A row image without a column that is asked for.
    #[error(
        "the row image does not hold column {0}: set binlog_row_image = FULL in the source and \
         reconnect the applications that set it otherwise; compare both sides and start the \
         pipeline afresh behind it"
    )]
    Absent(String),
    /// A text that cannot be shown to a script.
    #[error(
        "column {column} holds text in {charset} that a script cannot read: use another \
         column, or change the column's character set to utf8mb4"
    )]
    Charset {
        /// The column.
        column: String,
        /// The character set.
        charset: String,
    },
    /// It failed at a row.
    #[error("{place} of the script {what}")]
    Failed {
        /// Line and position.
        place: String,
        /// What went wrong, and what to write instead.
        what: String,
    },
    /// Its value is neither `true` nor `false`.
    #[error("the script's value is neither true nor false: let it end with a condition")]
    NoAnswer,
    /// Its value is no whole number.
    #[error(
        "the script's value is no whole number: let it end with one, such as row.id % 32, and say \
         what NULL and numbers above 9223372036854775807 shall be"
    )]
    NoNumber,
}

impl ScriptError {
    pub(super) fn syntax(error: &ParseError) -> Self {
        Self::Syntax(error.to_string())
    }

    /// Only the kind of an error is told: its message may hold values of the row.
    #[allow(clippy::wildcard_enum_match_arm, reason = "most kinds cannot happen here")]
    pub(super) fn evaluation(error: &EvalAltResult) -> Self {
        let what = match error.unwrap_inner() {
            EvalAltResult::ErrorTooManyOperations(_) => {
                format!("takes more than {MOST_OPERATIONS} operations: make it simpler")
            }
            EvalAltResult::ErrorTerminated(..) => {
                format!(
                    "takes more than {} ms of a processor: make it simpler",
                    LONGEST_RUN.as_millis()
                )
            }
            EvalAltResult::ErrorStackOverflow(_) => {
                "calls functions too deeply: make it simpler".to_owned()
            }
            EvalAltResult::ErrorDataTooLarge(..) => {
                "makes a text or a list that is too large: make it simpler".to_owned()
            }
            EvalAltResult::ErrorMismatchDataType(one, ..) if one == COMPARED => {
                "compares text with something else: convert one of them, as with \
                 parse_int(row.code) or row.number.to_string()"
                    .to_owned()
            }
            // Names of functions and types.
            EvalAltResult::ErrorFunctionNotFound(signature, _) => {
                format!("uses what there is not: {signature}")
            }
            EvalAltResult::ErrorVariableNotFound(name, _) => {
                format!("uses the variable {name}, which is not there; functions do not see row")
            }
            EvalAltResult::ErrorArithmetic(..) => {
                "calculates what is too large or divides by zero".to_owned()
            }
            EvalAltResult::ErrorMismatchDataType(..)
            | EvalAltResult::ErrorMismatchOutputType(..) => {
                "has a value of another type than is needed there".to_owned()
            }
            EvalAltResult::ErrorRuntime(..) => "throws".to_owned(),
            _ => "fails with this row".to_owned(),
        };
        Self::Failed { place: place(error.position()), what }
    }
}

/// A place as it stands in messages.
pub(super) fn place(position: Position) -> String {
    match (position.line(), position.position()) {
        (Some(line), Some(letter)) => format!("line {line}, letter {letter}"),
        (Some(line), None) => format!("line {line}"),
        (None, _) => "some place".to_owned(),
    }
}
