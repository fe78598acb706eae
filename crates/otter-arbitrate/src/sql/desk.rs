//! Asking for a side: a look without locks, and where the side is free, the grant.

use std::sync::Arc;
use std::time::Duration;

use otter_core::{ArbiterId, Campaign, Holder, Side, Term};
use tokio::time::{sleep, timeout};

use super::conn::{Conn, TextRow};
use super::error::SqlArbiterError;
use super::shared::Shared;
use super::text::LONGEST_SIDE;
use crate::holding::{Alive, Loss, Session};
use crate::machine::BootTime;
use crate::random::random_name;

/// Another process may be faster, a connection may have been closed while it was idle, and other
/// work of the server may be in the way; whoever has met all that so often is told.
const TRIES: u32 = 20;
/// A grant takes a few milliseconds; whoever meets another's looks again so soon.
const BETWEEN_TRIES: Duration = Duration::from_millis(10);

/// The outcome of asking over one connection.
enum Asked {
    Told(Campaign),
    /// Something changed in between.
    Again,
}

/// Asks once for a side. It must run to its end: in a task of its own.
pub(super) async fn ask(
    shared: Arc<Shared>,
    side: Side,
    alive: Arc<Alive>,
) -> Result<Campaign, SqlArbiterError> {
    let key = side.to_string();
    if key.chars().count() > LONGEST_SIDE {
        // The role behind the name takes some letters.
        return Err(SqlArbiterError::BadName { longest: LONGEST_SIDE - 10 });
    }
    // However many ask at once: only the server's time is counted, and not that of waiting for a turn.
    let mut desk = shared.desk.lock().await;
    let limit = shared.holding.answer_limit();
    match timeout(limit, Box::pin(ask_over_desk(&shared, &mut desk, (&side, &key), &alive))).await {
        Ok(outcome) => outcome,
        Err(_) => Err(SqlArbiterError::Late { address: shared.world.url.address(), limit }),
    }
}

async fn ask_over_desk(
    shared: &Arc<Shared>,
    desk: &mut Option<Conn>,
    side: (&Side, &str),
    alive: &Arc<Alive>,
) -> Result<Campaign, SqlArbiterError> {
    let mut tries = 0;
    loop {
        if *alive.0.borrow() {
            return Err(SqlArbiterError::Closed);
        }
        // Taken out, so that a connection is gone whose call was dropped or failed.
        let (mut conn, is_used) = match desk.take() {
            Some(conn) => (conn, true),
            None => {
                let conn = Conn::open(&shared.world.url, shared.holding.lease).await?;
                (conn, false)
            }
        };
        tries += 1;
        match ask_over(&mut conn, shared, side, alive).await {
            Ok(Asked::Told(campaign)) => {
                *desk = Some(conn);
                return Ok(campaign);
            }
            Ok(Asked::Again) if tries < TRIES => *desk = Some(conn),
            Ok(Asked::Again) => {
                return Err(SqlArbiterError::Contention { address: shared.world.url.address() });
            }
            Err(SqlArbiterError::Contention { .. }) if tries < TRIES => {}
            Err(SqlArbiterError::Lost { .. }) if is_used && tries < TRIES => {}
            Err(error) => return Err(error),
        }
        sleep(BETWEEN_TRIES).await;
    }
}

async fn ask_over(
    conn: &mut Conn,
    shared: &Arc<Shared>,
    (side, key): (&Side, &str),
    alive: &Arc<Alive>,
) -> Result<Asked, SqlArbiterError> {
    if let Some(holder) = shared.holding.own_holder(key) {
        return Ok(Asked::Told(Campaign::Held(holder)));
    }
    let session = shared.holding.session();
    if let Some(holder) = look(conn, shared, key, session.as_deref()).await? {
        return Ok(Asked::Told(Campaign::Held(holder)));
    }
    let session = match session.filter(|session| session.is_valid()) {
        Some(session) => session,
        None => begin_session(conn, shared).await?,
    };
    // Until the lease is held or not, what is found under our token is no leftover.
    let _granting = shared.holding.granting(key);
    let world = &shared.world;
    let counted = (shared.holding.arbiter.as_str(), shared.seen());
    let text = world.texts.grant(key, &session.token, counted);
    let rows = query(conn, shared, text).await?;
    let row = rows.last().map(Vec::as_slice).unwrap_or_default();
    let [id, Some(term), Some(held), Some(lives)] = row else {
        require_ours(shared, None)?;
        return Err(bad_answer(shared, "a grant without a term"));
    };
    require_ours(shared, id.as_deref())?;
    if held != "0" {
        return Ok(Asked::Again);
    }
    if lives == "0" {
        shared.holding.lose_session(&session, &Loss::Ended);
        return Ok(Asked::Again);
    }
    let term = read_term(shared, term)?;
    // Where the session is over already, what was granted ends with it.
    let lease = shared.holding.hold((side, key), Term(term), (&session, alive));
    Ok(lease.map_or(Asked::Again, |lease| Asked::Told(Campaign::Won(lease))))
}

/// Who else holds the side. What is stored under our own session and not known here is a grant
/// whose answer was lost.
async fn look(
    conn: &mut Conn,
    shared: &Shared,
    key: &str,
    session: Option<&Session>,
) -> Result<Option<Holder>, SqlArbiterError> {
    let rows = query(conn, shared, shared.world.texts.look(key)).await?;
    let Some([id, term, token, name]) = rows.first().map(Vec::as_slice) else {
        require_ours(shared, None)?;
        return Err(bad_answer(shared, "a look without an answer"));
    };
    require_ours(shared, id.as_deref())?;
    let (Some(term), Some(token), Some(name)) = (term, token, name) else { return Ok(None) };
    if session.is_some_and(|session| session.token == *token) {
        return Ok(None);
    }
    let term = read_term(shared, term)?;
    Ok(Some(Holder { name: name.clone(), term: Term(term) }))
}

/// A term that was granted.
pub(super) fn read_term(shared: &Shared, text: &str) -> Result<u64, SqlArbiterError> {
    let term = text.parse().map_err(|_| bad_answer(shared, "a term that is no number"))?;
    shared.note_seen(term);
    Ok(term)
}

/// Begins a session. Whoever calls it holds the desk, so that there is one at a time.
pub(super) async fn begin_session(
    conn: &mut Conn,
    shared: &Shared,
) -> Result<Arc<Session>, SqlArbiterError> {
    if let Some(over) = shared.holding.session() {
        shared.holding.lose_session(&over, &Loss::Late);
    }
    let world = &shared.world;
    let token = random_name().map_err(SqlArbiterError::NoRandomness)?;
    let text = world.texts.begin_session(&token, &shared.holding.holder, shared.lasts());
    // Before it is sent: the server begins to count later.
    let asked = BootTime::now();
    query(conn, shared, text).await?;
    let session = Arc::new(Session::new(token, asked, shared.holding.lease));
    shared.holding.begin_session(&session);
    Ok(session)
}

/// Executes a text, and tells where the arbiter's tables are gone.
pub(super) async fn query(
    conn: &mut Conn,
    shared: &Shared,
    text: String,
) -> Result<Vec<TextRow>, SqlArbiterError> {
    let world = &shared.world;
    let rows = conn.query(text).await;
    rows.map_err(|error| SqlArbiterError::asking(&world.url, world.texts.schema(), &error))
        .map_err(|error| if error.is_missing_table() { rebuilt(shared, None) } else { error })
}

/// The arbiter that answers must be the one that this process began with.
pub(super) fn require_ours(shared: &Shared, id: Option<&str>) -> Result<(), SqlArbiterError> {
    if id == Some(shared.holding.arbiter.as_str()) { Ok(()) } else { Err(rebuilt(shared, id)) }
}

fn rebuilt(shared: &Shared, id: Option<&str>) -> SqlArbiterError {
    SqlArbiterError::Rebuilt {
        place: shared.world.place(),
        ours: shared.holding.arbiter.clone(),
        found: id.map(ArbiterId::new),
    }
}

pub(super) fn bad_answer(shared: &Shared, what: &'static str) -> SqlArbiterError {
    SqlArbiterError::BadAnswer { place: shared.world.place(), what }
}
