//! Random values of the types with the widest domains, written and read back.

use otter_core::testkit::lease::lease;
use otter_core::{ColumnType, Load, Value};
use otter_tests::random::Random;

use crate::place::Place;
use crate::source::{INT, Image, Source, insert, table, text};

/// Rows of each test; enough for every letter that is special to follow every other.
const COUNT: usize = 600;

/// Writes the values and returns what `show` makes of each.
async fn through(
    place: &Place,
    sql: &str,
    column: ColumnType,
    show: &str,
    values: &[Value<'_>],
) -> Vec<String> {
    place.execute(&format!("CREATE TABLE r (id INT PRIMARY KEY, v {sql})")).await;
    let table = table(&place.database, "r", &[("id", INT), ("v", column)]);
    let images: Vec<Image<'_>> = values
        .iter()
        .zip(1..)
        .map(|(value, id)| vec![Some(Value::Int(id)), Some(*value)])
        .collect();
    let mut source = Source::new();
    let loader = place.begun(&source).await;
    let batch = source.batch(vec![vec![insert(&table, &images)]]);
    let _ = loader.load(batch, &lease(1)).await.unwrap();
    loader.close().await;
    let query = format!("SELECT {show} FROM {{db}}.r ORDER BY id");
    place.texts(&query).await.concat()
}

fn seeded() -> Random {
    let seed = Random::seed_from_environment();
    println!("OTTER_SEED={seed}");
    Random::new(seed)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02X}")).collect()
}

fn some_bytes(random: &mut Random) -> Vec<u8> {
    let length = random.below(40);
    (0..length).map(|_| u8::try_from(random.below(256)).unwrap()).collect()
}

/// Text in which letters that mean something to SQL are frequent.
fn some_text(random: &mut Random) -> String {
    const SPECIAL: [char; 14] =
        ['\'', '\\', '"', '`', '\0', '\n', '\r', '\u{1a}', '%', '_', ';', ' ', '🦦', 'ß'];
    let length = random.below(30);
    (0..length)
        .map(|_| match random.below(3) {
            0 => SPECIAL[usize::try_from(random.below(14)).unwrap()],
            1 => char::from(u8::try_from(random.below(128)).unwrap()),
            _ => {
                let code = u32::try_from(random.below(0x11_0000)).unwrap();
                char::from_u32(code).unwrap_or('x')
            }
        })
        .collect()
}

on_both! {
    async fn doubles_keep_every_bit(place: Place) {
        let mut random = seeded();
        let doubles: Vec<f64> = std::iter::repeat_with(|| f64::from_bits(random.number()))
            .filter(|value| value.is_finite() && *value != 0.0)
            .take(COUNT)
            .collect();
        let values: Vec<_> = doubles.iter().map(|value| Value::Double(*value)).collect();
        let shown = through(&place, "DOUBLE", ColumnType::Double, "v", &values).await;
        for (sent, found) in doubles.iter().zip(shown) {
            assert_eq!(found.parse::<f64>().unwrap().to_bits(), sent.to_bits(), "{found}");
        }
    }

    async fn floats_keep_every_bit(place: Place) {
        let mut random = seeded();
        let bits = || f32::from_bits(u32::try_from(random.number() >> 32).unwrap());
        let floats: Vec<f32> = std::iter::repeat_with(bits)
            .filter(|value| value.is_finite() && *value != 0.0)
            .take(COUNT)
            .collect();
        let values: Vec<_> = floats.iter().map(|value| Value::Float(*value)).collect();
        // A FLOAT is printed with six digits; as a DOUBLE it is printed whole.
        let shown = through(&place, "FLOAT", ColumnType::Float, "v * 1e0", &values).await;
        for (sent, found) in floats.iter().zip(shown) {
            assert_eq!(found.parse::<f64>().unwrap().to_bits(), f64::from(*sent).to_bits(), "{found}");
        }
    }

    async fn text_keeps_every_letter(place: Place) {
        let mut random = seeded();
        let texts: Vec<String> = (0..COUNT).map(|_| some_text(&mut random)).collect();
        let values: Vec<_> = texts.iter().map(|text| Value::Text(text.as_bytes())).collect();
        let sql = "VARCHAR(200) CHARACTER SET utf8mb4";
        let shown = through(&place, sql, text("utf8mb4"), "HEX(v)", &values).await;
        for (sent, found) in texts.iter().zip(shown) {
            assert_eq!(found, hex(sent.as_bytes()), "{sent:?}");
        }
    }

    async fn text_of_one_byte_per_letter_keeps_every_byte(place: Place) {
        let mut random = seeded();
        let texts: Vec<Vec<u8>> = (0..COUNT).map(|_| some_bytes(&mut random)).collect();
        let values: Vec<_> = texts.iter().map(|text| Value::Text(text)).collect();
        let sql = "VARCHAR(200) CHARACTER SET latin1";
        let shown = through(&place, sql, text("latin1"), "HEX(v)", &values).await;
        for (sent, found) in texts.iter().zip(shown) {
            assert_eq!(found, hex(sent));
        }
    }

    async fn bytes_keep_every_byte(place: Place) {
        let mut random = seeded();
        let blobs: Vec<Vec<u8>> = (0..COUNT).map(|_| some_bytes(&mut random)).collect();
        let values: Vec<_> = blobs.iter().map(|blob| Value::Bytes(blob)).collect();
        let column = ColumnType::Bytes { max_bytes: 255, fixed: false };
        let shown = through(&place, "VARBINARY(255)", column, "HEX(v)", &values).await;
        for (sent, found) in blobs.iter().zip(shown) {
            assert_eq!(found, hex(sent));
        }
    }

    async fn decimals_and_integers_keep_every_digit(place: Place) {
        let mut random = seeded();
        let digits: Vec<String> = (0..COUNT)
            .map(|_| {
                let sign = if random.below(2) == 0 { "-" } else { "" };
                let whole = u128::from(random.number()) * u128::from(random.number()) % 10_u128.pow(35);
                let rest = random.number() % 10_u64.pow(19);
                // A zero has no sign.
                format!("{sign}{}.{rest:019}", whole + 1)
            })
            .collect();
        let values: Vec<_> = digits.iter().map(|digits| Value::Decimal(digits)).collect();
        let column = ColumnType::Decimal { precision: 60, scale: 19, unsigned: false };
        let shown = through(&place, "DECIMAL(60,19)", column, "v", &values).await;
        assert_eq!(shown, digits);
        place.execute("DROP TABLE r").await;
        let numbers: Vec<u64> = (0..COUNT).map(|_| random.number() >> random.below(64)).collect();
        let other = Place { schema: format!("{}_more", place.schema), ..place };
        let values: Vec<_> = numbers.iter().map(|number| Value::UInt(*number)).collect();
        let column = ColumnType::Integer { bytes: 8, unsigned: true };
        let shown = through(&other, "BIGINT UNSIGNED", column, "v", &values).await;
        assert_eq!(shown, numbers.iter().map(ToString::to_string).collect::<Vec<_>>());
    }
}
