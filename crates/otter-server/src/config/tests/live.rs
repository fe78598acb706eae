//! What a running process takes from the file: limits of speed, and the brake.

use super::*;

const BRAKE: &str = "brake = { threads_running = 64, replica_lag_s = 30, \
                     replicas = [\"mysql://otter:${HANGZHOU_PASSWORD}@10.1.0.6:3307\"] }";

fn with(line: &str) -> String {
    GOOD.replacen("start = \"now\"", &format!("start = \"now\"\n{line}"), 1)
}

#[test]
fn a_brake_bounds_sessions_and_the_lag_of_replicas() {
    let config = parse(&with(BRAKE)).unwrap();
    let brake = &config.pipelines.first().unwrap().brake;
    assert_eq!(brake.threads_running, NonZeroU64::new(64));
    assert_eq!(brake.replica_lag, Some(Duration::from_secs(30)));
    let [replica] = brake.replicas.as_slice() else { panic!("one replica") };
    assert_eq!(replica.address(), "10.1.0.6:3307");
    // What a variable holds may have any character.
    assert_eq!(replica.password().expose(), "one@/");
    assert!(!format!("{config:?}").contains("one@/"));
    assert!(!parse(GOOD).unwrap().pipelines.first().unwrap().brake.is_any());
}

#[test]
fn a_brake_that_would_never_brake_is_refused() {
    for (brake, words) in [
        ("{}", "has no `threads_running`"),
        ("{ replica_lag_s = 30 }", "has no `replicas`: add replicas = [\"mysql://"),
        ("{ replicas = [\"mysql://a@b\"] }", "has no `replica_lag_s`"),
        ("{ threads_running = 0 }", "takes a whole number from 1"),
        ("{ replica_lag_s = 30, replicas = [\"b\"] }", "`brake` of pipeline `hangzhou-virginia`"),
        ("{ replica_lag_s = 30, replicas = \"b\" }", "takes a list of texts, such as [\"mysql://"),
        ("{ lag = 30 }", "unknown key `lag`"),
        ("30", "takes a table"),
    ] {
        let told = parse(&with(&format!("brake = {brake}"))).unwrap_err().to_string();
        assert!(told.contains(words) && told.contains("line 18"), "{brake}: {told}");
    }
}

#[test]
fn only_limits_of_speed_and_brakes_change_live() {
    let first = parse(GOOD).unwrap();
    for line in [
        "rows_per_second = 5",
        "mb_per_second = 1",
        BRAKE,
        "verify_rows_per_second = 9",
        "# nothing",
    ] {
        assert!(first.differs_live_only(&parse(&with(line)).unwrap()), "{line}");
    }
    for (text, by) in [
        ("start = \"now\"", "start = \"earliest\""),
        ("crm.people", "crm.persons"),
        ("start = \"now\"", "start = \"now\"\nconnections = 2"),
        ("start = \"now\"", "start = \"now\"\nmode = \"fast\""),
    ] {
        let later = parse(&GOOD.replacen(text, by, 1)).unwrap();
        assert!(!first.differs_live_only(&later), "{by}");
    }
    let second = "from = \"hangzhou\"\nto = \"virginia\"\ntables = [ { from = \"other.*\" } ]\n";
    assert!(!first.differs_live_only(&parse(&two_pipelines(second)).unwrap()));
}
