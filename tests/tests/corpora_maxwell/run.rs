//! One server whose changes a running `otter-server tail` prints.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use otter_server::sandbox::{Flavor, Server};
use otter_tests::otter::program;
use otter_tests::{query, testbed};
use sqlx::AssertSqlSafe;
use sqlx::mysql::MySqlConnection;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

use super::case::{Case, Change, Content};
use super::exceptions::Step;
use super::json::{Json, Keys, Object};

/// How long a line may take.
const DEADLINE: Duration = Duration::from_secs(60);

/// What Maxwell asks for copies with, by the columns that bootstrap-single-row tells.
const BOOTSTRAP: &str = "
    CREATE DATABASE maxwell;
    CREATE TABLE maxwell.bootstrap (id INT AUTO_INCREMENT PRIMARY KEY, database_name VARCHAR(255),
        table_name VARCHAR(255), where_clause TEXT, is_complete TINYINT(1) UNSIGNED DEFAULT 0,
        inserted_rows BIGINT UNSIGNED DEFAULT 0, total_rows BIGINT UNSIGNED DEFAULT 0,
        created_at DATETIME, started_at DATETIME, completed_at DATETIME, binlog_file VARCHAR(255),
        binlog_position INT UNSIGNED DEFAULT 0, client_id VARCHAR(255) DEFAULT 'maxwell',
        comment VARCHAR(255))";

/// A server, and what `tail` prints of it.
#[derive(Debug)]
pub(crate) struct Run {
    // Killed when this is dropped, before its server.
    _tail: Child,
    server: Server,
    flavor: Flavor,
    lines: Lines<BufReader<ChildStdout>>,
    mark: u64,
}

impl Run {
    /// Starts both. The server is as Maxwell's tests have it.
    pub(crate) async fn start(flavor: Flavor, metadata: &str) -> Self {
        let server = testbed::server(flavor)
            .source()
            .arg(format!("--binlog-row-metadata={metadata}"))
            .arg("--character-set-server=utf8mb3")
            .arg("--default-time-zone=+00:00")
            .start()
            .await;
        let mark =
            "CREATE DATABASE otter_mark; CREATE TABLE otter_mark.mark (id BIGINT PRIMARY KEY)";
        testbed::execute(&server, mark).await;
        let mut command = Command::new(program());
        command.args(["tail", "--from", "earliest"]).env("OTTER_TAIL_URL", server.url());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut tail = command.spawn().unwrap();
        let lines = BufReader::new(tail.stdout.take().unwrap()).lines();
        Self { _tail: tail, server, flavor, lines, mark: 0 }
    }

    /// Makes the databases new, with the tables of Maxwell's schemas.
    pub(crate) async fn renew(&mut self, schemas: &[(String, String)]) {
        let databases = query::texts(&self.server, "SHOW DATABASES").await;
        for database in databases.into_iter().flatten() {
            let stays = ["information_schema", "mysql", "performance_schema", "sys", "otter_mark"];
            if !stays.contains(&&*database) {
                testbed::execute(&self.server, &format!("DROP DATABASE `{database}`")).await;
            }
        }
        testbed::execute(&self.server, BOOTSTRAP).await;
        // The other form of `sharded`, for servers without fractions of seconds, has a place of
        // its own.
        for database in ["test", "shard_1", "shard_2", "shard_55"] {
            testbed::execute(&self.server, &format!("CREATE DATABASE {database}")).await;
            for (name, text) in schemas {
                let goes_here = match &**name {
                    "enum.sql" => database == "test",
                    "sharded_55.sql" => database == "shard_55",
                    _ => database.starts_with("shard_") && database != "shard_55",
                };
                if goes_here {
                    testbed::execute(&self.server, &format!("USE {database}; {text}")).await;
                }
            }
        }
        // What it took is nobody's case.
        self.printed().await;
    }

    /// Executes the statements of a case on one connection, and returns what `tail` prints of them.
    pub(crate) async fn execute(&mut self, case: &Case) -> Vec<String> {
        let mut connection = self.server.connect().await.unwrap();
        one(&mut connection, "USE shard_1").await;
        if case.name == "test_minimal" {
            one(&mut connection, "SET SESSION binlog_row_image = minimal").await;
        }
        for item in &case.items {
            if let Content::Statement(statement) = &item.content {
                one(&mut connection, statement).await;
            }
        }
        self.printed().await
    }

    /// What has been printed since the last call.
    async fn printed(&mut self) -> Vec<String> {
        self.mark += 1;
        let insert = format!("INSERT INTO otter_mark.mark VALUES ({})", self.mark);
        testbed::execute(&self.server, &insert).await;
        let mut lines = Vec::new();
        loop {
            let line = tokio::time::timeout(DEADLINE, self.lines.next_line()).await;
            let Ok(Ok(Some(line))) = line else { panic!("{line:?} after {lines:#?}") };
            let Some(mark) = mark_of(&line) else {
                lines.push(line);
                continue;
            };
            assert_eq!(mark, self.mark.to_string());
            return lines;
        }
    }

    /// Compares what came with what a case expects; tells the number of rows.
    pub(crate) fn compare(&self, place: &str, expected: &[Step], lines: &[String]) -> u64 {
        let mut rows = 0;
        for (step, line) in expected.iter().zip(lines) {
            match step {
                Step::Ddl(word) => {
                    let sql = read(line).remove("sql");
                    let sql = sql.as_ref().and_then(Json::text).unwrap_or_default();
                    let first = sql.split_whitespace().next().unwrap_or_default();
                    assert!(first.eq_ignore_ascii_case(word), "{place}: no {word}: {line}");
                }
                Step::Row { line: number, change, document } => {
                    let mut object = read(line);
                    let mut came = Change::take_from(&mut object)
                        .unwrap_or_else(|error| panic!("{place}:{number}: {error}: {line}"));
                    assert_envelope(object, line);
                    if let Some(column) = document {
                        assert_eq!(self.flavor, Flavor::MariaDb);
                        unfold(&mut came, column);
                    }
                    assert_eq!(&came, change, "{place}:{number}: {line}");
                    rows += 1;
                }
            }
        }
        assert_eq!(expected.len(), lines.len(), "{place}: {expected:#?} and {lines:#?}");
        rows
    }
}

async fn one(connection: &mut MySqlConnection, statement: &str) {
    if let Err(error) = sqlx::raw_sql(AssertSqlSafe(statement)).execute(connection).await {
        panic!("{error}: {statement}");
    }
}

/// A line as an object.
fn read(line: &str) -> Object {
    serde_json::from_str::<serde_json::Value>(line).unwrap();
    match Json::read(line, Keys::Quoted) {
        Ok(Json::Object(object)) => object,
        other => panic!("{other:?}: {line}"),
    }
}

fn mark_of(line: &str) -> Option<String> {
    let mut object = read(line);
    if object.get("type").and_then(Json::text) != Some("insert") {
        return None;
    }
    let mut change = Change::take_from(&mut object).unwrap();
    match change.data.remove("id") {
        Some(Json::Number(mark)) if change.database == "otter_mark" => Some(mark),
        _ => None,
    }
}

/// What is left of a line without its change: each statement is a transaction of one row.
fn assert_envelope(mut rest: Object, line: &str) {
    assert_eq!(rest.remove("commit"), Some(Json::Bool(true)), "{line}");
    for key in ["ts", "server_id"] {
        assert!(matches!(rest.remove(key), Some(Json::Number(_))), "{key}: {line}");
    }
    for key in ["position", "gtid"] {
        assert!(matches!(rest.remove(key), Some(Json::Text(_))), "{key}: {line}");
    }
    assert!(rest.is_empty(), "{rest:?}: {line}");
}

/// Puts the document in place of the text that holds it.
fn unfold(change: &mut Change, column: &str) {
    let cell = change.data.get_mut(column).unwrap();
    let document = cell.text().map(|text| Json::read(text, Keys::Quoted).unwrap());
    *cell = document.expect("the document comes as text");
}

/// The files of a folder with their texts, by name.
pub(crate) fn files(folder: &Path) -> Vec<(String, String)> {
    let entries = std::fs::read_dir(folder)
        .unwrap_or_else(|error| panic!("cannot read {}: {error}", folder.display()));
    let mut files: Vec<(String, String)> = entries
        .map(|entry| {
            let path = entry.unwrap().path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap().to_owned();
            (name, std::fs::read_to_string(&path).unwrap())
        })
        .collect();
    files.sort();
    files
}
