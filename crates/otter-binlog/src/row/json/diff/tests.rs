use proptest::prelude::*;

use super::super::tests::{Json, json};
use super::*;

fn packed(bytes: &[u8]) -> Vec<u8> {
    let length = match u16::try_from(bytes.len()).unwrap() {
        small @ 0..=250 => vec![u8::try_from(small).unwrap()],
        length => [&[0xfc][..], &length.to_le_bytes()].concat(),
    };
    [length, bytes.to_vec()].concat()
}

fn difference(operation: u8, path: &str, value: Option<&Json>) -> Vec<u8> {
    let value = value.map(|value| packed(&value.document())).unwrap_or_default();
    [vec![operation], packed(path.as_bytes()), value].concat()
}

fn apply(document: &[u8], differences: &[u8]) -> Result<String, ValueError> {
    let mut output = b"before".to_vec();
    write_changed_json(document, differences, &mut output)?;
    Ok(String::from_utf8(output.split_off(6)).unwrap())
}

fn object(members: &[(&str, Json)]) -> Json {
    Json::Object(members.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect())
}

fn told(differences: &[u8]) -> Result<String, ValueError> {
    let mut output = b"before".to_vec();
    write_json_changes(differences, &mut output)?;
    Ok(String::from_utf8(output.split_off(6)).unwrap())
}

#[test]
fn differences_are_told_step_by_step() {
    assert_eq!(told(&[]).unwrap(), "[]");
    let list = Json::Array(vec![Json::Int(7)]);
    let differences = [
        difference(operation::REPLACE, r#"$."a \"b""#, Some(&list)),
        difference(operation::INSERT, "$.c[0]", Some(&Json::Null)),
        difference(operation::REMOVE, "$.d", None),
    ]
    .concat();
    assert_eq!(
        told(&differences).unwrap(),
        r#"[{"op": "replace", "path": "$.\"a \\\"b\"", "value": [7]}, "#.to_owned()
            + r#"{"op": "insert", "path": "$.c[0]", "value": null}, "#
            + r#"{"op": "remove", "path": "$.d"}]"#
    );
    assert_eq!(told(&difference(9, "$.d", None)), Err(UNKNOWN));
    assert!(told(&differences[..differences.len() - 1]).is_err());
}

proptest! {
    #[test]
    fn no_differences_make_the_telling_panic_or_grow_without_bounds(
        bytes in prop::collection::vec(any::<u8>(), 0..80),
    ) {
        let _ = told(&bytes);
    }
}

#[test]
fn keys_are_inserted_in_the_servers_order() {
    let document = object(&[("b", Json::Int(1)), ("aa", Json::Null)]).document();
    let insert = |path: &str| difference(operation::INSERT, path, Some(&Json::Int(7)));
    let differences = [insert("$.a"), insert("$.ab"), insert(r#"$."""#)].concat();
    assert_eq!(
        apply(&document, &differences).unwrap(),
        r#"{"": 7, "a": 7, "b": 1, "aa": null, "ab": 7}"#
    );
}

#[test]
fn differences_that_take_too_long_are_refused() {
    let document = Json::Array(vec![Json::Null]).document();
    let insert = difference(operation::INSERT, "$[0]", Some(&Json::Int(7))).repeat(100);
    let replace = difference(operation::REPLACE, "$[0]", Some(&Json::Int(7))).repeat(100);
    let apply_within = |differences: &[u8], steps| {
        apply_all(&mut Node::parse(&document, 0).unwrap(), differences, steps)
    };
    assert_eq!(apply_within(&insert, 5050), Ok(()));
    assert_eq!(apply_within(&insert, 5049), Err(TOO_MUCH));
    assert_eq!(apply_within(&replace, 0), Ok(()));
}

#[test]
fn quoted_keys_are_unescaped() {
    let key = "a\"\\/\u{8}\u{c}\n\r\t\u{1}é😀 .[*]";
    let document = object(&[(key, Json::Int(1))]).document();
    let path = r#"$."a\"\\\/\b\f\n\r\t\u0001\u00e9\ud83d\ude00 .[*]""#;
    let remove = difference(operation::REMOVE, path, None);
    assert_eq!(apply(&document, &remove).unwrap(), "{}");
}

#[test]
fn places_are_counted_from_either_end_and_inserts_beyond_go_to_the_end() {
    let list = Json::Array((0..3).map(Json::Int).collect()).document();
    let changed = |operation, path: &str| {
        let value = (operation != operation::REMOVE).then_some(&Json::Bool(true));
        apply(&list, &difference(operation, path, value))
    };
    assert_eq!(changed(operation::REPLACE, "$[last]").unwrap(), "[0, 1, true]");
    assert_eq!(changed(operation::REMOVE, "$[last-2]").unwrap(), "[1, 2]");
    assert_eq!(changed(operation::INSERT, "$[last]").unwrap(), "[0, 1, true, 2]");
    assert_eq!(changed(operation::INSERT, "$[9]").unwrap(), "[0, 1, 2, true]");
    assert_eq!(changed(operation::INSERT, "$[last-9]").unwrap(), "[true, 0, 1, 2]");
    assert_eq!(changed(operation::REPLACE, "$[3]"), Err(UNFITTING));
    assert_eq!(changed(operation::REMOVE, "$[last-3]"), Err(UNFITTING));
}

#[test]
fn differences_that_do_not_fit_are_refused_and_none_is_guessed() {
    let document = object(&[("a", Json::Int(1)), ("l", Json::Array(vec![]))]).document();
    let one = Some(&Json::Int(1));
    for (operation, path, value) in [
        (operation::REPLACE, "$", one),
        (operation::REPLACE, "$.b", one),
        (operation::REPLACE, "$.a[0]", one),
        (operation::INSERT, "$.a", one),
        (operation::INSERT, "$.l.x", one),
        (operation::INSERT, "$[0]", one),
        (operation::REMOVE, "$.b", None),
        (operation::REMOVE, "$.l[0]", None),
        (operation::REMOVE, "$.*", None),
        (operation::REMOVE, "$**.a", None),
        (operation::REMOVE, "$.l[*]", None),
        (operation::REMOVE, "$.l[0 to 1]", None),
        (operation::REMOVE, r#"$."a"#, None),
        (operation::REMOVE, r#"$."\ud83d""#, None),
        (operation::REMOVE, "a", None),
        (3, "$.a", one),
    ] {
        assert!(apply(&document, &difference(operation, path, value)).is_err(), "{path}");
    }
}

#[test]
fn no_differences_leave_the_document() {
    assert_eq!(apply(&Json::Array(vec![Json::Null]).document(), &[]).unwrap(), "[null]");
}

#[test]
fn a_document_never_grows_deeper_than_the_server_allows() {
    let nest = |depth| (0..depth).fold(Json::Array(vec![]), |inner, _| Json::Array(vec![inner]));
    let put = |depth| difference(operation::INSERT, "$[0]", Some(&nest(depth)));
    let document = nest(0).document();
    assert!(apply(&document, &put(98)).is_ok());
    assert_eq!(apply(&document, &put(99)), Err(super::super::BROKEN));
}

/// A document as the server stores it: keys sorted, each once.
fn stored(json: Json) -> Json {
    match json {
        Json::Array(elements) => Json::Array(elements.into_iter().map(stored).collect()),
        Json::Object(members) => {
            let mut members: Vec<_> =
                members.into_iter().map(|(key, value)| (key, stored(value))).collect();
            members.sort_by(|(a, _), (b, _)| (a.len(), a).cmp(&(b.len(), b)));
            members.dedup_by(|(a, _), (b, _)| a == b);
            Json::Object(members)
        }
        scalar => scalar,
    }
}

/// What is to be done: which way to go at each level, what to do there, and with which value.
type Step = (Vec<usize>, u8, Json);

fn leg(key: &str) -> String {
    format!(".{}", Json::Text(key.to_owned()).text())
}

/// Changes the document and writes the difference, or does nothing where the step does not fit.
fn change(root: &mut Json, (ways, operation, value): &Step) -> Vec<u8> {
    let mut path = "$".to_owned();
    if !change_below(root, &mut path, ways, *operation, value) {
        return Vec::new();
    }
    difference(*operation, &path, (*operation != operation::REMOVE).then_some(value))
}

fn change_below(
    at: &mut Json,
    path: &mut String,
    ways: &[usize],
    operation: u8,
    value: &Json,
) -> bool {
    let Some((last, rest)) = ways.split_first() else { return false };
    if !rest.is_empty() {
        match at {
            Json::Array(elements) if !elements.is_empty() => {
                let index = last % elements.len();
                path.push_str(&format!("[{index}]"));
                return change_below(&mut elements[index], path, rest, operation, value);
            }
            Json::Object(members) if !members.is_empty() => {
                let index = last % members.len();
                path.push_str(&leg(&members[index].0));
                return change_below(&mut members[index].1, path, rest, operation, value);
            }
            _ => {}
        }
    }
    let is_insert = operation == operation::INSERT;
    match at {
        Json::Array(elements) if is_insert => {
            let index = last % (elements.len() + 1);
            path.push_str(&format!("[{index}]"));
            elements.insert(index, value.clone());
        }
        Json::Array(elements) if !elements.is_empty() => {
            let index = last % elements.len();
            path.push_str(&format!("[{index}]"));
            if operation == operation::REMOVE {
                elements.remove(index);
            } else {
                elements[index] = value.clone();
            }
        }
        Json::Object(members) if is_insert => {
            let key = format!("k{last}");
            if members.iter().any(|(other, _)| *other == key) {
                return false;
            }
            path.push_str(&leg(&key));
            members.push((key, value.clone()));
            members.sort_by(|(a, _), (b, _)| (a.len(), a).cmp(&(b.len(), b)));
        }
        Json::Object(members) if !members.is_empty() => {
            let index = last % members.len();
            path.push_str(&leg(&members[index].0));
            if operation == operation::REMOVE {
                members.remove(index);
            } else {
                members[index].1 = value.clone();
            }
        }
        _ => return false,
    }
    true
}

fn step() -> impl Strategy<Value = Step> {
    (prop::collection::vec(0_usize..40, 1..5), 0_u8..3, json().prop_map(stored))
}

proptest! {
    #[test]
    fn the_changed_document_is_the_one_that_the_changes_make(
        document in json().prop_map(stored), steps in prop::collection::vec(step(), 0..6),
    ) {
        let mut expected = document.clone();
        let differences: Vec<u8> =
            steps.iter().flat_map(|step| change(&mut expected, step)).collect();
        prop_assert_eq!(apply(&document.document(), &differences).unwrap(), expected.text());
    }

    #[test]
    fn no_bytes_make_it_panic(
        document in prop::collection::vec(any::<u8>(), 0..80),
        differences in prop::collection::vec(any::<u8>(), 0..80),
    ) {
        let _ = apply(&document, &differences);
        let whole = Json::Array(vec![Json::Null]).document();
        let _ = apply(&whole, &differences);
        let remove = difference(operation::REMOVE, "$[0]", None);
        let _ = apply(&document, &remove);
    }
}
