use proptest::prelude::*;

use super::*;

fn text(document: &[u8]) -> Result<String, ValueError> {
    let mut output = Vec::new();
    write_json(document, &mut output)?;
    Ok(String::from_utf8(output).unwrap())
}

/// A small encoder of arrays and objects, large format only, no inlining of what need not be.
#[derive(Debug, Clone)]
pub(super) enum Json {
    Null,
    Bool(bool),
    Int(i64),
    UInt(u64),
    Double(f64),
    Text(String),
    Array(Vec<Json>),
    Object(Vec<(String, Json)>),
}

impl Json {
    pub(super) fn encode(&self) -> (u8, Vec<u8>) {
        match self {
            Self::Null => (kind::LITERAL, vec![0, 0, 0, 0]),
            Self::Bool(true) => (kind::LITERAL, vec![1, 0, 0, 0]),
            Self::Bool(false) => (kind::LITERAL, vec![2, 0, 0, 0]),
            Self::Int(number) => (kind::INT64, number.to_le_bytes().to_vec()),
            Self::UInt(number) => (kind::UINT64, number.to_le_bytes().to_vec()),
            Self::Double(number) => (kind::DOUBLE, number.to_bits().to_le_bytes().to_vec()),
            Self::Text(text) => {
                let mut bytes = Vec::new();
                let mut length = text.len();
                while length >= 0x80 {
                    bytes.push(u8::try_from(length & 0x7f).unwrap() | 0x80);
                    length >>= 7;
                }
                bytes.push(u8::try_from(length).unwrap());
                bytes.extend_from_slice(text.as_bytes());
                (kind::STRING, bytes)
            }
            Self::Array(values) => (kind::LARGE_ARRAY, container(&[], values.iter())),
            Self::Object(pairs) => {
                let keys: Vec<&str> = pairs.iter().map(|(key, _)| key.as_str()).collect();
                (kind::LARGE_OBJECT, container(&keys, pairs.iter().map(|(_, value)| value)))
            }
        }
    }

    /// The document as it is stored, its kind first.
    pub(super) fn document(&self) -> Vec<u8> {
        let (kind, bytes) = self.encode();
        [&[kind][..], &bytes].concat()
    }

    pub(super) fn text(&self) -> String {
        let quote = |text: &str| {
            let mut output = Vec::new();
            scalar::write_string(text.as_bytes(), &mut output).unwrap();
            String::from_utf8(output).unwrap()
        };
        match self {
            Self::Null => "null".into(),
            Self::Bool(value) => value.to_string(),
            Self::Int(number) => number.to_string(),
            Self::UInt(number) => number.to_string(),
            Self::Double(number) => {
                let mut output = Vec::new();
                crate::row::number::write_json_double(*number, &mut output);
                String::from_utf8(output).unwrap()
            }
            Self::Text(text) => quote(text),
            Self::Array(values) => {
                format!("[{}]", values.iter().map(Self::text).collect::<Vec<_>>().join(", "))
            }
            Self::Object(pairs) => {
                let pair =
                    |(key, value): &(String, Self)| format!("{}: {}", quote(key), value.text());
                format!("{{{}}}", pairs.iter().map(pair).collect::<Vec<_>>().join(", "))
            }
        }
    }
}

fn container<'a>(keys: &[&str], values: impl ExactSizeIterator<Item = &'a Json>) -> Vec<u8> {
    let head = 8 + keys.len() * 6 + values.len() * 5;
    let word = |number: usize| u32::try_from(number).unwrap().to_le_bytes();
    let (mut entries, mut tail) = (Vec::new(), Vec::new());
    for key in keys {
        entries.extend_from_slice(&word(head + tail.len()));
        entries.extend_from_slice(&u16::try_from(key.len()).unwrap().to_le_bytes());
        tail.extend_from_slice(key.as_bytes());
    }
    let count = values.len();
    for value in values {
        let (kind, bytes) = value.encode();
        entries.push(kind);
        if Size::Large.inlines(kind) {
            entries.extend_from_slice(&bytes);
        } else {
            entries.extend_from_slice(&word(head + tail.len()));
            tail.extend_from_slice(&bytes);
        }
    }
    [&word(count)[..], &word(head + tail.len()), &entries, &tail].concat()
}

pub(super) fn json() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::Bool),
        any::<i64>().prop_map(Json::Int),
        any::<u64>().prop_map(Json::UInt),
        prop::num::f64::NORMAL.prop_map(Json::Double),
        ".{0,200}".prop_map(Json::Text),
    ];
    leaf.prop_recursive(5, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Json::Array),
            prop::collection::vec(("[a-z\"\u{1}]{0,5}", inner), 0..6).prop_map(Json::Object),
        ]
    })
}

#[test]
fn a_small_object_of_the_server_is_read_in_stored_order() {
    // {"b": 1, "aa": [true, -2]} as MySQL stores it.
    let document = [
        0x00, 2, 0, 34, 0, 18, 0, 1, 0, 19, 0, 2, 0, 0x05, 1, 0, 0x02, 21, 0, b'b', b'a', b'a', 2,
        0, 10, 0, 0x04, 1, 0, 0x05, 0xfe, 0xff, 0, 0, 0,
    ];
    assert_eq!(text(&document).unwrap(), r#"{"b": 1, "aa": [true, -2]}"#);
}

#[test]
fn opaque_values_are_printed_as_the_server_does() {
    let decimal = [0x0f, 246, 4, 3, 2, 0x81, 0x32];
    assert_eq!(text(&decimal).unwrap(), "1.50");
    let bytes = [0x0f, 15, 2, 0x00, 0xff];
    assert_eq!(text(&bytes).unwrap(), r#""base64:type15:AP8=""#);
    // 2024-01-02 03:04:05.600000
    let packed: i64 = (((2024 * 13 + 1) << 5 | 2) << 17 | 3 << 12 | 4 << 6 | 5) << 24 | 600_000;
    let mut document = vec![0x0f, 12, 8];
    document.extend_from_slice(&packed.to_le_bytes());
    assert_eq!(text(&document).unwrap(), r#""2024-01-02 03:04:05.600000""#);
}

#[test]
fn an_empty_document_is_null() {
    assert_eq!(text(&[]).unwrap(), "null");
}

#[test]
fn documents_that_point_into_themselves_end_in_an_error() {
    // An array whose two elements are the array itself: without bounds 2^100 values.
    let mut document = vec![0x02, 2, 0, 10, 0];
    document.extend_from_slice(&[0x02, 0, 0, 0x02, 0, 0]);
    assert!(text(&document).is_err());
}

#[test]
fn a_document_deeper_than_the_server_allows_is_refused() {
    let nest = |depth| (0..depth).fold(Json::Null, |inner, _| Json::Array(vec![inner]));
    let encode = |json: Json| {
        let (kind, bytes) = json.encode();
        [&[kind][..], &bytes].concat()
    };
    assert!(text(&encode(nest(100))).is_ok());
    assert!(text(&encode(nest(101))).is_err());
}

proptest! {
    #[test]
    fn every_document_comes_back_as_text(json in json()) {
        let (kind, bytes) = json.encode();
        prop_assert_eq!(text(&[&[kind][..], &bytes].concat()).unwrap(), json.text());
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..120)) {
        let _ = text(&bytes);
    }
}
