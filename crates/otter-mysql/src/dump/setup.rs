//! What is sent to a server before it dumps: the session's variables, the registration, and the
//! command itself. No I/O here.

use std::fmt::Write;
use std::time::Duration;

use mysql_common::packets::{BinlogDumpFlags, ComBinlogDump, ComBinlogDumpGtid, ComRegisterSlave};
use mysql_common::proto::MySerialize;

use super::error::DumpError;
use super::request::{AtEnd, DumpRequest, DumpStart};
use crate::gtid_text::{parse_mariadb, parse_mysql};
use crate::{Flavor, ServerInfo};

pub(super) const COM_REGISTER_SLAVE: u8 = 0x15;

/// Ids of our readers lie in the highest sixteenth, where nobody numbers servers by hand.
const RESERVED_IDS: u32 = 0xf000_0000;
/// A slow target may keep us from reading for long: an hour, until the server gives us up.
const NET_WRITE_TIMEOUT_S: u32 = 3600;
const SHORTEST_HEARTBEAT: Duration = Duration::from_millis(10);
const LONGEST_HEARTBEAT: Duration = Duration::from_secs(3600);

/// Everything to send, in this order.
#[derive(Debug)]
pub(super) struct Dump {
    pub(super) session: String,
    pub(super) registration: Vec<u8>,
    /// The command's code and body.
    pub(super) command: (u8, Vec<u8>),
    pub(super) replica_id: u32,
}

pub(super) fn prepare(info: &ServerInfo, request: &DumpRequest) -> Result<Dump, DumpError> {
    if !info.log_bin {
        return Err(DumpError::NoBinlog);
    }
    if !(SHORTEST_HEARTBEAT..=LONGEST_HEARTBEAT).contains(&request.heartbeat) {
        return Err(DumpError::BadHeartbeat(request.heartbeat));
    }
    let replica_id = replica_id(info.server_id)?;
    let command = command(info, request, replica_id)?;
    let mut registration = Vec::new();
    // The name is what `SHOW REPLICAS` tells the DBA.
    ComRegisterSlave::new(replica_id)
        .with_hostname(b"otter".as_slice())
        .serialize(&mut registration);
    Ok(Dump {
        session: session(info, request)?,
        registration: registration.split_off(1),
        command,
        replica_id,
    })
}

/// One SET for all variables.
fn session(info: &ServerInfo, request: &DumpRequest) -> Result<String, DumpError> {
    let heartbeat = request.heartbeat.as_nanos();
    let uuid = random_uuid()?;
    // MySQL: errors of the dump are told apart by their texts, so they must be in English.
    let mut sql = format!(
        "SET @@session.net_write_timeout = {NET_WRITE_TIMEOUT_S}, \
         @@session.lc_messages = 'en_US', \
         @master_heartbeat_period = {heartbeat}, @source_heartbeat_period = {heartbeat}, \
         @slave_uuid = '{uuid}', @replica_uuid = '{uuid}'"
    );
    if info.binlog_checksum.is_some() {
        // Read at the server, not from `info`: it may have changed in between.
        sql.push_str(
            ", @master_binlog_checksum = @@global.binlog_checksum, \
             @source_binlog_checksum = @@global.binlog_checksum",
        );
    }
    if info.flavor() == Flavor::MariaDb {
        // MariaDB: 4 means that we know its GTID events; otherwise they come as dummies.
        sql.push_str(", @mariadb_slave_capability = 4");
    }
    if let DumpStart::MariaDbGtid(text) = &request.start {
        let position = parse_mariadb(text)
            .map_err(|source| DumpError::BadPosition { text: text.clone(), source })?;
        // Strict: a position that this server never had is refused, not silently passed over.
        let _ = write!(
            sql,
            ", @slave_connect_state = '{position}', @slave_gtid_strict_mode = 1, \
             @slave_gtid_ignore_duplicates = 0"
        );
    }
    Ok(sql)
}

fn command(
    info: &ServerInfo,
    request: &DumpRequest,
    replica_id: u32,
) -> Result<(u8, Vec<u8>), DumpError> {
    // MySQL: this bit asks for heartbeats with 64-bit positions (8.0.26); before, it has no effect.
    const HEARTBEAT_V2: u16 = 0x02;
    // MariaDB: the same bit asks for the statements' texts.
    const ANNOTATE_ROWS: u16 = 0x02;
    let mut flags = match request.at_end {
        AtEnd::Wait => BinlogDumpFlags::empty(),
        AtEnd::Stop => BinlogDumpFlags::BINLOG_DUMP_NON_BLOCK,
    };
    flags |= BinlogDumpFlags::from_bits_retain(match info.flavor() {
        Flavor::MySql if info.version.is_at_least(8, 0, 26) => HEARTBEAT_V2,
        Flavor::MariaDb if request.annotate_rows => ANNOTATE_ROWS,
        Flavor::MySql | Flavor::MariaDb => 0,
    });
    let mut bytes = Vec::new();
    match (&request.start, info.flavor()) {
        (DumpStart::MySqlGtid(text), Flavor::MySql) => {
            let sids = parse_mysql(text)
                .map_err(|source| DumpError::BadPosition { text: text.clone(), source })?;
            if !info.gtid_mode.as_deref().is_some_and(|mode| mode.eq_ignore_ascii_case("ON")) {
                return Err(DumpError::NoGtids);
            }
            ComBinlogDumpGtid::new(replica_id)
                .with_pos(4)
                .with_flags(flags)
                .with_sids(sids)
                .serialize(&mut bytes);
        }
        (DumpStart::MariaDbGtid(_), Flavor::MariaDb) => {
            ComBinlogDump::new(replica_id).with_pos(4).with_flags(flags).serialize(&mut bytes);
        }
        (DumpStart::File { name, offset }, _) => {
            let offset = u32::try_from(*offset)
                .map_err(|_| DumpError::OffsetTooLarge { file: name.clone(), offset: *offset })?;
            ComBinlogDump::new(replica_id)
                .with_pos(offset)
                .with_flags(flags)
                .with_filename(name.as_bytes())
                .serialize(&mut bytes);
        }
        (DumpStart::MySqlGtid(_), Flavor::MariaDb) | (DumpStart::MariaDbGtid(_), Flavor::MySql) => {
            return Err(DumpError::OtherFlavor { server: info.flavor() });
        }
    }
    let body = bytes.split_off(1);
    Ok((bytes.first().copied().unwrap_or_default(), body))
}

/// Two readers with one id end each other's dumps for ever, so each takes a random one.
fn replica_id(of_the_server: u32) -> Result<u32, DumpError> {
    loop {
        let id = RESERVED_IDS | getrandom::u32().map_err(|_| DumpError::NoRandom)?;
        // MySQL: the highest number is not a server id.
        if id != of_the_server && id != u32::MAX {
            return Ok(id);
        }
    }
}

fn random_uuid() -> Result<String, DumpError> {
    let mut random = [0; 16];
    getrandom::fill(&mut random).map_err(|_| DumpError::NoRandom)?;
    let mut text = String::with_capacity(36);
    for (index, byte) in random.iter().enumerate() {
        if matches!(index, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        let _ = write!(text, "{byte:02x}");
    }
    Ok(text)
}

#[cfg(test)]
mod tests;
