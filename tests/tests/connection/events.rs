//! Dumps and the events in them.

use otter_binlog::connection::{AtEnd, DumpError, DumpRequest, DumpStart, DumpStream};
use otter_server::sandbox::Server;
use tokio::time::timeout;

use crate::support::{DEADLINE, connect};

pub(crate) const HEARTBEAT: u8 = 0x1b;
pub(crate) const HEARTBEAT_V2: u8 = 0x29;
pub(crate) const QUERY: u8 = 0x02;
pub(crate) const ROTATE: u8 = 0x04;
pub(crate) const FORMAT_DESCRIPTION: u8 = 0x0f;
pub(crate) const XID: u8 = 0x10;
pub(crate) const TABLE_MAP: u8 = 0x13;
pub(crate) const WRITE_ROWS_V1: u8 = 0x17;
pub(crate) const WRITE_ROWS: u8 = 0x1e;
pub(crate) const GTID: u8 = 0x21;
pub(crate) const GTID_TAGGED: u8 = 0x2a;
pub(crate) const ANNOTATE_ROWS: u8 = 0xa0;
pub(crate) const MARIADB_GTID: u8 = 0xa2;

pub(crate) async fn dump(server: &Server, request: &DumpRequest) -> Result<DumpStream, DumpError> {
    let mut connection = connect(server, "").await?;
    let info = connection.server_info().await?;
    DumpStream::start(connection, &info, request).await
}

pub(crate) fn from_file(name: &str, offset: u64) -> DumpRequest {
    DumpRequest::new(DumpStart::File { name: name.to_owned(), offset })
}

pub(crate) fn stopping(mut request: DumpRequest) -> DumpRequest {
    request.at_end = AtEnd::Stop;
    request
}

/// The types of all events until the end of what there is.
pub(crate) async fn types(server: &Server, request: &DumpRequest) -> Vec<u8> {
    let mut stream = dump(server, &stopping(request.clone())).await.unwrap();
    let mut types = Vec::new();
    while let Some(event) = timeout(DEADLINE, stream.next_event()).await.unwrap().unwrap() {
        assert!(event.len() >= 19, "an event has a header");
        types.push(event[4]);
    }
    types
}

pub(crate) fn count(types: &[u8], wanted: u8) -> usize {
    types.iter().filter(|found| **found == wanted).count()
}

/// The error that ends a dump that should not begin.
pub(crate) async fn refusal(server: &Server, request: &DumpRequest) -> DumpError {
    let mut stream = match dump(server, request).await {
        Ok(stream) => stream,
        Err(error) => return error,
    };
    loop {
        match timeout(DEADLINE, stream.next_event()).await.unwrap() {
            Ok(event) => assert!(event.is_some(), "the dump ended without an error"),
            Err(error) => return error,
        }
    }
}
