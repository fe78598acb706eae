use otter_core::PipelineId;
use tokio::sync::oneshot;

use super::*;

const LEASE: Duration = Duration::from_secs(60);

fn holding() -> Arc<Holding> {
    Arc::new(Holding::new(ArbiterId::new("ours"), LEASE))
}

fn session() -> Arc<Session> {
    Arc::new(Session::new("token".to_owned(), BootTime::now(), LEASE))
}

fn alive() -> Arc<Alive> {
    Arc::new(Alive(watch::channel(false).0))
}

/// The lease of side `a` under a term.
fn hold(holding: &Arc<Holding>, session: &Arc<Session>, term: u64) -> Option<Lease> {
    let side = Side::target(PipelineId::new("a"));
    holding.hold((&side, "a"), Term(term), (session, &alive()))
}

fn stored(side: &str, term: u64) -> Stored {
    Stored { side: side.to_owned(), term }
}

#[tokio::test]
async fn work_goes_on_until_the_arbiter_is_closed() {
    let alive = alive();
    let (begin, has_begun) = oneshot::channel();
    let (held, ended) = oneshot::channel::<()>();
    alive.spawn(async move {
        begin.send(()).unwrap();
        std::future::pending::<()>().await;
        drop(held);
    });
    has_begun.await.unwrap();
    alive.0.send_replace(true);
    assert!(ended.await.is_err(), "what the work held is dropped with it");
}

#[test]
fn a_question_takes_a_part_of_the_lease_at_most() {
    let limit = |lease| Holding::new(ArbiterId::new("ours"), lease).answer_limit();
    assert_eq!(limit(Duration::from_secs(8)), Duration::from_secs(2));
    assert_eq!(limit(Duration::from_secs(8_000)), LONGEST_ANSWER);
}

#[test]
fn leases_are_held_under_the_session_that_is_valid_now() {
    let (holding, current) = (holding(), session());
    assert!(hold(&holding, &current, 1).is_none(), "no session has begun");
    holding.begin_session(&current);
    assert!(hold(&holding, &session(), 1).is_none(), "it is another session");
    let lease = hold(&holding, &current, 1).unwrap();
    assert!(lease.is_held());
    assert_eq!(holding.held(), [stored("a", 1)]);
    current.extend(BootTime(0));
    assert!(hold(&holding, &current, 2).is_none(), "its time is over");
    assert!(!lease.is_held());
}

#[test]
fn one_lease_ends_by_its_term() {
    let (holding, current) = (holding(), session());
    holding.begin_session(&current);
    let lease = hold(&holding, &current, 4).unwrap();
    holding.lose(&stored("a", 3), &Loss::Vanished);
    assert!(lease.is_held());
    holding.lose(&stored("a", 4), &Loss::Vanished);
    assert!(!lease.is_held());
    drop(lease);
    assert_eq!(holding.releases(), [], "it is not ours to give back");
}

#[test]
fn sides_are_known_while_they_are_granted_and_held() {
    let (holding, current) = (holding(), session());
    holding.begin_session(&current);
    assert!(!holding.is_known("a"));
    let granting = holding.granting("a");
    assert!(holding.is_known("a") && !holding.is_known("b"));
    let lease = hold(&holding, &current, 1);
    drop(granting);
    assert!(holding.is_known("a"));
    drop(lease);
    assert!(!holding.is_known("a"));
}

#[test]
fn what_was_given_back_is_not_given_back_again() {
    let (holding, current) = (holding(), session());
    holding.begin_session(&current);
    drop(hold(&holding, &current, 1));
    drop(hold(&holding, &current, 2));
    assert_eq!(holding.releases(), [stored("a", 1), stored("a", 2)]);
    holding.released(&[stored("a", 1)]);
    assert_eq!(holding.releases(), [stored("a", 2)]);
}
