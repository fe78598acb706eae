//! What a server answers, as the bytes that it sent.

use otter_server::sandbox::Server;
use sqlx::mysql::MySqlRow;
use sqlx::{AssertSqlSafe, Connection, Row};

/// One value of a row: `None` is NULL.
pub type Cell = Option<Vec<u8>>;

/// Returns the rows of one query in the order of the server, each value as its
/// text in the text protocol.
///
/// # Panics
/// Where the server refuses the query.
pub async fn rows(server: &Server, query: &str) -> Vec<Vec<Cell>> {
    let mut connection = server.connect().await.expect("the server takes a connection");
    let answer = sqlx::raw_sql(AssertSqlSafe(query)).fetch_all(&mut connection).await;
    let rows = match answer {
        Ok(rows) => rows.iter().map(cells).collect(),
        Err(error) => panic!("{error}\nin: {query}"),
    };
    connection.close().await.expect("the server takes the farewell");
    rows
}

fn cells(row: &MySqlRow) -> Vec<Cell> {
    // Unchecked: whatever its type is, a value of the text protocol is bytes.
    let cell = |index| row.try_get_unchecked::<Cell, usize>(index).expect("the column exists");
    (0..row.len()).map(cell).collect()
}

/// Returns the rows of one query with each value as text, and NULL as `NULL`.
///
/// # Panics
/// Where the server refuses the query.
pub async fn texts(server: &Server, query: &str) -> Vec<Vec<String>> {
    let text = |cell: Cell| {
        cell.map_or_else(|| "NULL".to_owned(), |bytes| String::from_utf8_lossy(&bytes).into_owned())
    };
    let rows = rows(server, query).await;
    rows.into_iter().map(|row| row.into_iter().map(text).collect()).collect()
}

/// Returns the one value of a query with one row and one column, as text.
///
/// # Panics
/// Where there is another number of rows or columns.
pub async fn text(server: &Server, query: &str) -> String {
    let mut rows = texts(server, query).await;
    match (rows.pop(), rows.is_empty()) {
        (Some(mut row), true) if row.len() == 1 => row.remove(0),
        _ => panic!("not one value: {query}"),
    }
}

/// Returns the last column of the one row of a query, as text.
///
/// # Panics
/// Where there is another number of rows.
pub async fn last_column(server: &Server, query: &str) -> String {
    let mut rows = texts(server, query).await;
    let last = rows.pop().filter(|_| rows.is_empty()).and_then(|mut row| row.pop());
    last.unwrap_or_else(|| panic!("not one row: {query}"))
}

/// Returns the one number of a query with one row and one column.
///
/// # Panics
/// Where it is no whole number, or negative.
pub async fn number(server: &Server, query: &str) -> u64 {
    let text = text(server, query).await;
    text.parse().unwrap_or_else(|_| panic!("no number: {text}, of {query}"))
}
