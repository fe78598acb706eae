use mysql_common::io::ParseBuf;
use mysql_common::proto::MyDeserialize;

use super::*;
use crate::ServerVersion;
use crate::server_info::tests::info;

const UUID: &str = "3e11fa47-71ca-11e1-9e33-c80aa9429562";

fn mysql() -> ServerInfo {
    info("9.7.4", &[("log_bin", "ON"), ("gtid_mode", "ON"), ("binlog_checksum", "CRC32")])
}

fn mariadb() -> ServerInfo {
    info("10.11.19-MariaDB", &[("log_bin", "ON"), ("binlog_checksum", "NONE")])
}

fn file(offset: u64) -> DumpRequest {
    DumpRequest::new(DumpStart::File { name: "bin.000007".to_owned(), offset })
}

#[test]
fn a_mysql_gtid_set_travels_with_its_tags() {
    let text = format!("{UUID}:1-5:blue:7");
    let dump = prepare(&mysql(), &DumpRequest::new(DumpStart::MySqlGtid(text))).unwrap();
    let (code, mut bytes) = dump.command;
    bytes.insert(0, code);
    let sent = ComBinlogDumpGtid::deserialize((), &mut ParseBuf(&bytes)).unwrap();
    let sids: Vec<String> = sent.sids().iter().map(ToString::to_string).collect();
    assert_eq!(sids, [format!("{UUID}:1-5"), format!("{UUID}:blue:7")]);
    assert_eq!((sent.server_id(), sent.pos()), (dump.replica_id, 4));
}

#[test]
fn a_mariadb_position_travels_in_a_variable() {
    let start = DumpStart::MariaDbGtid("1-2-3, 0-1-5".to_owned());
    let dump = prepare(&mariadb(), &DumpRequest::new(start)).unwrap();
    assert!(dump.session.contains("@slave_connect_state = '0-1-5,1-2-3'"), "{}", dump.session);
    assert!(dump.session.contains("@mariadb_slave_capability = 4"));
}

#[test]
fn a_file_position_beyond_the_protocol_is_refused() {
    assert!(prepare(&mysql(), &file(u64::from(u32::MAX))).is_ok());
    let error = prepare(&mysql(), &file(1 << 32)).unwrap_err();
    assert!(matches!(error, DumpError::OffsetTooLarge { offset: 0x1_0000_0000, .. }));
}

#[test]
fn what_a_server_cannot_serve_is_refused_before_it_is_asked() {
    let gtid = |text: &str| DumpRequest::new(DumpStart::MySqlGtid(text.to_owned()));
    let mut plain = mysql();
    plain.gtid_mode = Some("OFF_PERMISSIVE".to_owned());
    assert!(matches!(prepare(&plain, &gtid("")), Err(DumpError::NoGtids)));
    assert!(matches!(prepare(&mariadb(), &gtid("")), Err(DumpError::OtherFlavor { .. })));
    let position = DumpRequest::new(DumpStart::MariaDbGtid("0-1-1".to_owned()));
    assert!(matches!(prepare(&mysql(), &position), Err(DumpError::OtherFlavor { .. })));
    assert!(matches!(prepare(&mysql(), &gtid("0-1-1")), Err(DumpError::BadPosition { .. })));
    let mut silent = mysql();
    silent.log_bin = false;
    assert!(matches!(prepare(&silent, &gtid("")), Err(DumpError::NoBinlog)));
    let mut request = gtid("");
    request.heartbeat = Duration::ZERO;
    assert!(matches!(prepare(&mysql(), &request), Err(DumpError::BadHeartbeat(_))));
}

#[test]
fn heartbeats_are_asked_for_in_nanoseconds_under_both_names() {
    let mut request = file(4);
    request.heartbeat = Duration::from_millis(1500);
    let session = prepare(&mysql(), &request).unwrap().session;
    for name in ["@master_heartbeat_period", "@source_heartbeat_period"] {
        assert!(session.contains(&format!("{name} = 1500000000")), "{session}");
    }
}

#[test]
fn readers_have_ids_of_their_own_in_the_reserved_range() {
    let ids: Vec<u32> = (0..20).map(|_| prepare(&mysql(), &file(4)).unwrap().replica_id).collect();
    assert!(ids.iter().all(|id| *id >= RESERVED_IDS && *id < u32::MAX));
    let mut distinct = ids.clone();
    distinct.sort_unstable();
    distinct.dedup();
    assert!(distinct.len() > 1, "{ids:?}");
}

#[test]
fn wide_heartbeats_are_asked_only_of_servers_that_know_them() {
    for (version, flags) in [("9.7.4", 2), ("8.0.26", 2), ("8.0.25", 0), ("5.7.44", 0)] {
        let mut server = mysql();
        server.version = ServerVersion::parse(version);
        let (_, body) = prepare(&server, &file(4)).unwrap().command;
        assert_eq!(body[4..6], [flags, 0], "{version}");
    }
    let mut request = file(4);
    request.annotate_rows = true;
    assert_eq!(prepare(&mariadb(), &request).unwrap().command.1[4..6], [2, 0]);
}
