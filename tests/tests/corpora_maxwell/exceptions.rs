//! What of Maxwell's cases cannot be compared word by word, each line by itself, and why.

use otter_server::sandbox::Flavor;

use super::case::{Case, Change, Content};
use super::json::{Json, Keys};

/// One expected line that is not compared as it stands.
#[derive(Debug)]
pub(crate) struct Exception {
    pub(crate) file: &'static str,
    pub(crate) line: usize,
    /// The server that it is about; both without one.
    pub(crate) flavor: Option<Flavor>,
    pub(crate) treatment: Treatment,
    pub(crate) reason: &'static str,
}

/// What is done with such a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Treatment {
    /// No statement makes it: no line may come for it.
    Nothing,
    /// No line may come for it; its row is that of a line before, which was compared.
    Again,
    /// It is compared with the type `insert`.
    AsInsert,
    /// It is compared, but this column is a text that holds the document.
    DocumentAsText(&'static str),
}

const MARK: &str = "Maxwell's own line around a copy of the table: `tail` copies nothing";
const COPY: &str = "Maxwell's copy of a row that is there: `tail` copies nothing";
const RENAMED: &str = "Maxwell's copy of a row: compared with the line of its INSERT statement";
const LONGTEXT: &str = "MariaDB's JSON is LONGTEXT with a constraint; its binlog says text";

const fn bootstrap(
    file: &'static str,
    line: usize,
    treatment: Treatment,
    reason: &'static str,
) -> Exception {
    Exception { file, line, flavor: None, treatment, reason }
}

const fn document(line: usize) -> Exception {
    let (file, flavor) = ("test_json", Some(Flavor::MariaDb));
    Exception { file, line, flavor, treatment: Treatment::DocumentAsText("j"), reason: LONGTEXT }
}

/// All of them.
pub(crate) const EXCEPTIONS: [Exception; 16] = [
    bootstrap("bootstrap-no-pk", 9, Treatment::AsInsert, RENAMED),
    bootstrap("bootstrap-no-pk", 10, Treatment::AsInsert, RENAMED),
    bootstrap("bootstrap-no-pk", 11, Treatment::AsInsert, RENAMED),
    bootstrap("bootstrap-no-pk", 12, Treatment::Nothing, MARK),
    bootstrap("bootstrap-no-pk", 13, Treatment::Again, COPY),
    bootstrap("bootstrap-no-pk", 14, Treatment::Again, COPY),
    bootstrap("bootstrap-no-pk", 15, Treatment::Again, COPY),
    bootstrap("bootstrap-no-pk", 16, Treatment::Nothing, MARK),
    bootstrap("bootstrap-null-values", 6, Treatment::Nothing, MARK),
    bootstrap("bootstrap-null-values", 7, Treatment::AsInsert, RENAMED),
    bootstrap("bootstrap-null-values", 8, Treatment::Nothing, MARK),
    bootstrap("bootstrap-single-row", 7, Treatment::Nothing, MARK),
    bootstrap("bootstrap-single-row", 8, Treatment::Again, COPY),
    bootstrap("bootstrap-single-row", 9, Treatment::Nothing, MARK),
    document(5),
    document(9),
];

/// A line that comes last of a file although the file does not tell it.
#[derive(Debug)]
pub(crate) struct Untold {
    pub(crate) file: &'static str,
    pub(crate) line: &'static str,
    pub(crate) reason: &'static str,
}

const ASKED: &str = "the statement that asks Maxwell for a copy is an INSERT; of the three files \
                     that have it only bootstrap-single-row tells its line";

/// All of them.
pub(crate) const UNTOLD: [Untold; 2] = [
    Untold {
        file: "bootstrap-no-pk",
        line: r#"{ database: "maxwell", table: "bootstrap", type: "insert", data: { database_name: "shard_1", inserted_rows: 0, total_rows: 0, binlog_position: 0, id: 1, is_complete: 0, table_name: "table_no_pk", created_at: null, started_at: null, completed_at: null, binlog_file: null, where_clause: null, client_id: "maxwell", comment: null } }"#,
        reason: ASKED,
    },
    Untold {
        file: "bootstrap-null-values",
        line: r#"{ database: "maxwell", table: "bootstrap", type: "insert", data: { database_name: "shard_1", inserted_rows: 0, total_rows: 0, binlog_position: 0, id: 1, is_complete: 0, table_name: "null_bootstraps", created_at: null, started_at: null, completed_at: null, binlog_file: null, where_clause: null, client_id: "maxwell", comment: null } }"#,
        reason: ASKED,
    },
];

/// What `tail` has to print for a case.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    /// A schema change that begins with this word.
    Ddl(String),
    /// A change of a row, and the column that holds its document as text.
    Row { line: usize, change: Change, document: Option<&'static str> },
}

/// The lines that a case expects of `tail`, in order, and how many exceptions were needed.
pub(crate) fn steps(case: &Case, flavor: Flavor) -> (Vec<Step>, usize) {
    let mut steps = Vec::new();
    let mut excepted = 0;
    for item in &case.items {
        let mut change = match &item.content {
            Content::Statement(statement) => {
                steps.extend(ddl_word(statement).map(Step::Ddl));
                continue;
            }
            Content::Expected(change) => change.clone(),
        };
        let exception = EXCEPTIONS.iter().find(|exception| {
            (exception.file, exception.line) == (&*case.name, item.line)
                && exception.flavor.is_none_or(|only| only == flavor)
        });
        excepted += usize::from(exception.is_some());
        let document = match exception.map(|exception| exception.treatment) {
            None => None,
            Some(Treatment::DocumentAsText(column)) => Some(column),
            Some(Treatment::AsInsert) => {
                change.kind = as_insert(&change, case, item.line);
                None
            }
            Some(Treatment::Nothing) => {
                assert!(change.data.is_empty(), "{}:{} has a row", case.name, item.line);
                continue;
            }
            Some(Treatment::Again) => {
                change.kind = as_insert(&change, case, item.line);
                let was_told =
                    |step: &Step| matches!(step, Step::Row { change: told, .. } if *told == change);
                assert!(steps.iter().any(was_told), "{}:{} is new", case.name, item.line);
                continue;
            }
        };
        steps.push(Step::Row { line: item.line, change, document });
    }
    for untold in UNTOLD.iter().filter(|untold| untold.file == case.name) {
        excepted += 1;
        let Ok(Json::Object(mut object)) = Json::read(untold.line, Keys::Loose) else {
            panic!("{}", untold.line)
        };
        let change = Change::take_from(&mut object).unwrap();
        steps.push(Step::Row { line: 0, change, document: None });
    }
    (steps, excepted)
}

fn as_insert(change: &Change, case: &Case, line: usize) -> String {
    assert_eq!(change.kind, "bootstrap-insert", "{}:{line}", case.name);
    "insert".into()
}

/// The first word of a statement that changes a schema.
fn ddl_word(statement: &str) -> Option<String> {
    let word = statement.split_whitespace().next()?.to_ascii_uppercase();
    match &*word {
        "CREATE" | "DROP" | "ALTER" | "TRUNCATE" => Some(word),
        "INSERT" | "UPDATE" | "DELETE" | "USE" | "SET" => None,
        _ => panic!("what does {statement:?} log?"),
    }
}

/// How many exceptions there are of all servers: each one counts once.
pub(crate) fn count() -> usize {
    let reasons =
        EXCEPTIONS.iter().map(|one| one.reason).chain(UNTOLD.iter().map(|one| one.reason));
    reasons.filter(|reason| !reason.is_empty()).count()
}

/// How many exceptions a run over all files has to meet with this server.
pub(crate) fn count_for(flavor: Flavor) -> usize {
    let of_server = |one: &&Exception| one.flavor.is_none_or(|only| only == flavor);
    EXCEPTIONS.iter().filter(of_server).count() + UNTOLD.len()
}
