//! The storm's tables, and what must hold of them at every moment that a reader can see.

/// Accounts of each colour; their balances begin at 1000.
pub(super) const ACCOUNTS: u64 = 120;
/// Seats, each held by one holder.
pub(super) const SEATS: u64 = 40;
/// Sessions that write.
pub(super) const SESSIONS: u64 = 6;

/// Tables that are compared at the end.
pub(super) const TABLES: [&str; 12] = [
    "shop.red",
    "shop.blue",
    "shop.left_twin",
    "shop.right_twin",
    "shop.seat",
    "shop.counter",
    "shop.journal",
    "shop.ticket",
    "shop.stamp",
    "shop.orders",
    "shop.item",
    "shop.ledger",
];

/// The tables, the same on both sides.
pub(super) const SCHEMA: &str = "
CREATE DATABASE shop CHARACTER SET utf8mb4;
CREATE TABLE shop.red (id INT PRIMARY KEY, balance BIGINT NOT NULL, note VARCHAR(20));
CREATE TABLE shop.blue (id INT PRIMARY KEY, balance BIGINT NOT NULL, note VARCHAR(20), KEY (balance));
CREATE TABLE shop.left_twin (id BIGINT PRIMARY KEY, v INT);
CREATE TABLE shop.right_twin (v VARCHAR(20) NOT NULL, id BIGINT NOT NULL, UNIQUE KEY (id));
CREATE TABLE shop.seat (id INT PRIMARY KEY, holder BIGINT NOT NULL, UNIQUE KEY (holder));
CREATE TABLE shop.counter (session INT PRIMARY KEY, n BIGINT NOT NULL, base BIGINT NOT NULL);
CREATE TABLE shop.journal (session INT NOT NULL, n BIGINT NOT NULL, PRIMARY KEY (session, n));
CREATE TABLE shop.ticket (id INT PRIMARY KEY, n BIGINT NOT NULL, base BIGINT NOT NULL);
CREATE TABLE shop.stamp (n BIGINT PRIMARY KEY);
CREATE TABLE shop.orders (id BIGINT PRIMARY KEY, total BIGINT NOT NULL);
CREATE TABLE shop.item (id BIGINT PRIMARY KEY, orders BIGINT NOT NULL, price BIGINT NOT NULL,
  FOREIGN KEY (orders) REFERENCES orders (id) ON DELETE CASCADE);
CREATE TABLE shop.ledger (owner INT NOT NULL, amount BIGINT NOT NULL);
CREATE TABLE shop.sentinel (id BIGINT PRIMARY KEY);
";

/// One number of a snapshot that has to be so, whatever was written last.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fact {
    pub(super) name: &'static str,
    /// A query of one number.
    pub(super) query: &'static str,
    pub(super) rule: Rule,
}

/// How a number has to be.
#[derive(Debug, Clone, Copy)]
pub(super) enum Rule {
    Is(i64),
    /// Never less than in an earlier snapshot.
    Grows,
}

/// All facts but those of each session.
pub(super) const FACTS: &[Fact] = &[
    fact("the balances of red", "SELECT SUM(balance) FROM shop.red", Rule::Is(120_000)),
    fact("the balances of blue", "SELECT SUM(balance) FROM shop.blue", Rule::Is(120_000)),
    fact("the accounts", "SELECT COUNT(*) FROM shop.red", Rule::Is(120)),
    fact(
        "twins on the left without one on the right",
        "SELECT COUNT(*) FROM shop.left_twin l LEFT JOIN shop.right_twin r ON r.id = l.id \
         WHERE r.id IS NULL",
        Rule::Is(0),
    ),
    fact(
        "twins on the right without one on the left",
        "SELECT COUNT(*) FROM shop.right_twin r LEFT JOIN shop.left_twin l ON l.id = r.id \
         WHERE l.id IS NULL",
        Rule::Is(0),
    ),
    fact("the holders", "SELECT SUM(holder) FROM shop.seat", Rule::Is(820)),
    fact("the highest holder", "SELECT MAX(holder) FROM shop.seat", Rule::Is(40)),
    fact(
        "the holders that are aside",
        "SELECT COUNT(*) FROM shop.seat WHERE holder < 1",
        Rule::Is(0),
    ),
    fact("the different holders", "SELECT COUNT(DISTINCT holder) FROM shop.seat", Rule::Is(40)),
    fact(
        "counters without all of their entries",
        "SELECT COUNT(*) FROM shop.counter c WHERE n - base <> \
         (SELECT COUNT(*) FROM shop.journal j WHERE j.session = c.session AND j.n > c.base AND j.n <= c.n)",
        Rule::Is(0),
    ),
    fact(
        "entries without their counter",
        "SELECT COUNT(*) - (SELECT SUM(n - base) FROM shop.counter) FROM shop.journal",
        Rule::Is(0),
    ),
    fact(
        "stamps that are missing below the last one",
        "SELECT (SELECT n - base FROM shop.ticket) - COUNT(*) FROM shop.stamp",
        Rule::Is(0),
    ),
    fact(
        "the last stamp and the ticket",
        "SELECT (SELECT n FROM shop.ticket) - MAX(n) FROM shop.stamp",
        Rule::Is(0),
    ),
    fact("the ticket", "SELECT n FROM shop.ticket", Rule::Grows),
    fact(
        "orders whose items are not their total",
        "SELECT COUNT(*) FROM shop.orders o WHERE total <> \
         (SELECT COALESCE(SUM(price), 0) FROM shop.item i WHERE i.orders = o.id)",
        Rule::Is(0),
    ),
    fact(
        "items without order",
        "SELECT COUNT(*) FROM shop.item i LEFT JOIN shop.orders o ON o.id = i.orders \
         WHERE o.id IS NULL",
        Rule::Is(0),
    ),
    fact("the ledger", "SELECT COALESCE(SUM(amount), 0) FROM shop.ledger", Rule::Is(0)),
    fact("the first session", "SELECT n FROM shop.counter WHERE session = 0", Rule::Grows),
    fact("the second session", "SELECT n FROM shop.counter WHERE session = 1", Rule::Grows),
    fact("the third session", "SELECT n FROM shop.counter WHERE session = 2", Rule::Grows),
    fact("the fourth session", "SELECT n FROM shop.counter WHERE session = 3", Rule::Grows),
    fact("the fifth session", "SELECT n FROM shop.counter WHERE session = 4", Rule::Grows),
    fact("the sixth session", "SELECT n FROM shop.counter WHERE session = 5", Rule::Grows),
];

const fn fact(name: &'static str, query: &'static str, rule: Rule) -> Fact {
    Fact { name, query, rule }
}

/// The first rows.
pub(super) fn first_rows() -> String {
    let rows = |count: u64, row: &dyn Fn(u64) -> String| {
        (1..=count).map(row).collect::<Vec<_>>().join(",")
    };
    let accounts = rows(ACCOUNTS, &|id| format!("({id}, 1000)"));
    let seats = rows(SEATS, &|id| format!("({id}, {id})"));
    let counters = (0..SESSIONS).map(|session| format!("({session}, 0, 0)"));
    format!(
        "INSERT INTO shop.red (id, balance) VALUES {accounts}; \
         INSERT INTO shop.blue (id, balance) VALUES {accounts}; \
         INSERT INTO shop.seat VALUES {seats}; \
         INSERT INTO shop.counter VALUES {}; \
         INSERT INTO shop.ticket VALUES (1, 1, 0); INSERT INTO shop.stamp VALUES (1)",
        counters.collect::<Vec<_>>().join(",")
    )
}
