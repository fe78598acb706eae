//! The little shop of the demo: its tables, its accounts, and what is in stock when it opens.
//!
//! The same statements suit MariaDB and MySQL, so that source and target may be of either kind.

/// The tables, in the order in which they are made and compared.
pub(super) const TABLES: [&str; 6] =
    ["customers", "products", "orders", "order_items", "visits", "pulse"];

/// How many products there are; the load only changes them.
pub(super) const PRODUCTS: u32 = 500;

/// How many customers there are when the shop opens.
pub(super) const FIRST_CUSTOMERS: u32 = 1_000;

/// Makes the tables, on both sides alike.
pub(super) const SCHEMA: &str = "
CREATE DATABASE shop CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci;
CREATE TABLE shop.customers (
  id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
  email VARCHAR(190) NOT NULL,
  name VARCHAR(120) NOT NULL,
  tier ENUM('basic', 'silver', 'gold') NOT NULL DEFAULT 'basic',
  balance DECIMAL(12,2) NOT NULL DEFAULT 0,
  born DATE NULL,
  newsletter TINYINT(1) NOT NULL DEFAULT 0,
  created_at DATETIME(3) NOT NULL,
  changed_at TIMESTAMP(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6),
  UNIQUE KEY email (email)
) ENGINE=InnoDB;
CREATE TABLE shop.products (
  id INT UNSIGNED NOT NULL PRIMARY KEY,
  sku CHAR(10) CHARACTER SET ascii NOT NULL,
  title VARCHAR(200) NOT NULL,
  description TEXT NULL,
  price DECIMAL(10,2) NOT NULL,
  stock INT NOT NULL,
  rating DOUBLE NULL,
  labels SET('new', 'sale', 'eco', 'gift') NOT NULL DEFAULT '',
  picture VARBINARY(64) NULL,
  flags BIT(12) NOT NULL DEFAULT b'0',
  UNIQUE KEY sku (sku)
) ENGINE=InnoDB;
CREATE TABLE shop.orders (
  id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
  customer_id BIGINT UNSIGNED NOT NULL,
  status ENUM('placed', 'paid', 'shipped', 'returned') NOT NULL,
  total DECIMAL(12,2) NOT NULL,
  placed_at DATETIME(6) NOT NULL,
  note TEXT NULL,
  KEY customer (customer_id),
  CONSTRAINT order_customer FOREIGN KEY (customer_id) REFERENCES shop.customers (id)
) ENGINE=InnoDB;
CREATE TABLE shop.order_items (
  order_id BIGINT UNSIGNED NOT NULL,
  line SMALLINT UNSIGNED NOT NULL,
  product_id INT UNSIGNED NOT NULL,
  quantity MEDIUMINT NOT NULL,
  price DECIMAL(10,2) NOT NULL,
  PRIMARY KEY (order_id, line),
  KEY product (product_id),
  CONSTRAINT item_order FOREIGN KEY (order_id) REFERENCES shop.orders (id)
) ENGINE=InnoDB;
CREATE TABLE shop.visits (
  seen_at DATETIME(6) NOT NULL,
  customer_id BIGINT UNSIGNED NULL,
  page VARCHAR(80) NOT NULL,
  stayed TIME(3) NOT NULL,
  season YEAR NOT NULL,
  agent BLOB NULL
) ENGINE=InnoDB;
CREATE TABLE shop.pulse (
  id TINYINT NOT NULL PRIMARY KEY,
  beat BIGINT UNSIGNED NOT NULL
) ENGINE=InnoDB;
";

/// What the shop has when it opens; made on the source while the pipeline runs, so that the
/// target receives it like every later change.
pub(super) fn opening() -> String {
    let mut text = String::from("USE shop; INSERT INTO pulse VALUES (1, 0);");
    for (from, through) in chunks(PRODUCTS) {
        text.push_str(&format!("INSERT INTO products {PRODUCT_COLUMNS} VALUES "));
        text.push_str(&rows(from, through, product));
    }
    for (from, through) in chunks(FIRST_CUSTOMERS) {
        text.push_str(&format!("INSERT INTO customers {CUSTOMER_COLUMNS} VALUES "));
        text.push_str(&rows(from, through, customer));
    }
    text
}

/// The transactions and rows of [`opening`].
pub(super) fn opening_totals() -> (u64, u64) {
    let statements = 1 + chunks(PRODUCTS).count() + chunks(FIRST_CUSTOMERS).count();
    let rows = 1 + u64::from(PRODUCTS) + u64::from(FIRST_CUSTOMERS);
    (u64::try_from(statements).unwrap_or(u64::MAX), rows)
}

const PRODUCT_COLUMNS: &str =
    "(id, sku, title, description, price, stock, rating, labels, picture, flags)";
const CUSTOMER_COLUMNS: &str =
    "(id, email, name, tier, balance, born, newsletter, created_at, changed_at)";

fn product(id: u32) -> String {
    let title = TITLES.get(id as usize % TITLES.len()).copied().unwrap_or("Thing");
    let description = if id.is_multiple_of(5) {
        "NULL".to_owned()
    } else {
        format!("'Our {title}, no. {id} — \u{1f9a6}'")
    };
    let rating = if id.is_multiple_of(7) {
        "NULL".to_owned()
    } else {
        format!("{}.{}", id % 5, (id % 4) * 25)
    };
    let picture =
        if id.is_multiple_of(3) { "NULL".to_owned() } else { format!("X'00FF{id:08X}0A27'") };
    format!(
        "({id}, 'SKU-{id:05}', '{title} {id}', {description}, {}.{:02}, {}, {rating}, {}, {picture}, {})",
        5 + id % 200,
        id % 100,
        10_000 + id,
        id % 16,
        id % 4096
    )
}

fn customer(id: u32) -> String {
    let name = NAMES.get(id as usize % NAMES.len()).copied().unwrap_or("Ada");
    let born = if id.is_multiple_of(4) {
        "NULL".to_owned()
    } else {
        format!("'{}-{:02}-{:02}'", 1940 + id % 65, 1 + id % 12, 1 + id % 28)
    };
    format!(
        "({id}, 'customer{id}@example.com', '{name}', {}, {}.{:02}, {born}, {}, NOW(3), NOW(6))",
        1 + id % 3,
        id % 900,
        id % 100,
        id % 2
    )
}

const TITLES: [&str; 8] =
    ["Teapot", "Lantern", "Notebook", "Umbrella", "Café cup", "Blanket", "Compass", "Kite"];

/// Names of many alphabets: what arrives must be the same bytes.
pub(super) const NAMES: [&str; 8] = [
    "Ada Lovelace",
    "José Álvarez",
    "李清照",
    "Zoë Ångström",
    "Дмитрий",
    "नीलम",
    "O''Neill",
    "Σοφία",
];

/// Runs of up to 500 ids from 1 on: one INSERT each.
fn chunks(count: u32) -> impl Iterator<Item = (u32, u32)> {
    (1..=count).step_by(500).map(move |from| (from, count.min(from + 499)))
}

fn rows(from: u32, through: u32, row: fn(u32) -> String) -> String {
    let mut text = (from..=through).map(row).collect::<Vec<_>>().join(", ");
    text.push(';');
    text
}
