//! JSON whose numbers keep their text: `1`, `1.0` and `1e0` are three values here, as they are for
//! whoever reads the lines.

use std::collections::BTreeMap;
use std::iter::Peekable;
use std::str::Chars;

/// A JSON value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Json {
    Null,
    Bool(bool),
    /// As it is written.
    Number(String),
    Text(String),
    List(Vec<Json>),
    Object(Object),
}

/// The members of an object; their order says nothing.
pub(crate) type Object = BTreeMap<String, Json>;

/// How keys may be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keys {
    /// JSON.
    Quoted,
    /// As in Maxwell's cases: `{ id: 1 }` too.
    Loose,
}

impl Json {
    /// Reads one value and nothing behind it.
    pub(crate) fn read(text: &str, keys: Keys) -> Result<Self, String> {
        let mut reader = Reader { letters: text.chars().peekable(), keys };
        let value = reader.value().map_err(|error| format!("{error} in {text}"))?;
        reader.skip_space();
        match reader.letters.next() {
            None => Ok(value),
            Some(letter) => Err(format!("{letter:?} behind the end of {text}")),
        }
    }

    /// The text of a string.
    pub(crate) fn text(&self) -> Option<&str> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }
}

struct Reader<'t> {
    letters: Peekable<Chars<'t>>,
    keys: Keys,
}

impl Reader<'_> {
    fn skip_space(&mut self) {
        while self.letters.next_if(|letter| matches!(letter, ' ' | '\t' | '\n' | '\r')).is_some() {}
    }

    /// The next letter that is no space.
    fn ahead(&mut self) -> Option<char> {
        self.skip_space();
        self.letters.peek().copied()
    }

    fn take(&mut self, wanted: char) -> bool {
        self.ahead() == Some(wanted) && self.letters.next().is_some()
    }

    fn expect(&mut self, wanted: char) -> Result<(), String> {
        if self.take(wanted) { Ok(()) } else { Err(format!("no {wanted:?}")) }
    }

    fn value(&mut self) -> Result<Json, String> {
        match self.ahead() {
            Some('{') => self.object().map(Json::Object),
            Some('[') => self.list().map(Json::List),
            Some('"') => self.string().map(Json::Text),
            Some('-' | '0'..='9') => self.number().map(Json::Number),
            Some(letter) if letter.is_ascii_lowercase() => match &*self.word() {
                "null" => Ok(Json::Null),
                "true" => Ok(Json::Bool(true)),
                "false" => Ok(Json::Bool(false)),
                word => Err(format!("{word:?} is no value")),
            },
            other => Err(format!("{other:?} begins no value")),
        }
    }

    fn object(&mut self) -> Result<Object, String> {
        self.expect('{')?;
        let mut object = Object::new();
        if self.take('}') {
            return Ok(object);
        }
        loop {
            let key = self.key()?;
            self.expect(':')?;
            let value = self.value()?;
            if object.insert(key.clone(), value).is_some() {
                return Err(format!("the key {key:?} comes twice"));
            }
            if self.take('}') {
                return Ok(object);
            }
            self.expect(',')?;
        }
    }

    fn key(&mut self) -> Result<String, String> {
        if self.ahead() == Some('"') {
            return self.string();
        }
        let word = if self.keys == Keys::Loose { self.word() } else { String::new() };
        if word.is_empty() { Err("no key".into()) } else { Ok(word) }
    }

    fn word(&mut self) -> String {
        let mut word = String::new();
        while let Some(letter) =
            self.letters.next_if(|letter| letter.is_ascii_alphanumeric() || *letter == '_')
        {
            word.push(letter);
        }
        word
    }

    fn list(&mut self) -> Result<Vec<Json>, String> {
        self.expect('[')?;
        let mut list = Vec::new();
        if self.take(']') {
            return Ok(list);
        }
        loop {
            list.push(self.value()?);
            if self.take(']') {
                return Ok(list);
            }
            self.expect(',')?;
        }
    }

    /// The escapes are serde's business.
    fn string(&mut self) -> Result<String, String> {
        self.expect('"')?;
        let mut quoted = String::from('"');
        let mut is_escaped = false;
        loop {
            let letter = self.letters.next().ok_or("a string without an end")?;
            quoted.push(letter);
            if letter == '"' && !is_escaped {
                return serde_json::from_str(&quoted).map_err(|error| error.to_string());
            }
            is_escaped = letter == '\\' && !is_escaped;
        }
    }

    /// The grammar is serde's business, the text stays.
    fn number(&mut self) -> Result<String, String> {
        let mut number = String::new();
        while let Some(letter) = self.letters.next_if(|letter| {
            letter.is_ascii_digit() || matches!(letter, '-' | '+' | '.' | 'e' | 'E')
        }) {
            number.push(letter);
        }
        match serde_json::from_str::<serde_json::Number>(&number) {
            Ok(_) => Ok(number),
            Err(error) => Err(format!("{number}: {error}")),
        }
    }
}

#[test]
fn numbers_are_compared_as_they_are_written() {
    let read = |text| Json::read(text, Keys::Quoted).unwrap();
    assert_eq!(read("1.50"), Json::Number("1.50".into()));
    assert_ne!(read("1.5"), read("1.50"));
    assert_ne!(read("1"), read("\"1\""));
    assert_eq!(read("18446744073709551615"), Json::Number(u64::MAX.to_string()));
    assert_eq!(read(r#"{"a": [1, null], "b": true}"#), read(r#"{"b":true,"a":[1,null]}"#));
    assert_eq!(read(r#""a\"\\\u00e9""#), Json::Text("a\"\\é".into()));
}

#[test]
fn what_is_no_json_is_refused() {
    let loose = Json::read("{ a: 1, b_2: {} }", Keys::Loose).unwrap();
    assert_eq!(loose, Json::read(r#"{"a":1,"b_2":{}}"#, Keys::Quoted).unwrap());
    for text in
        ["{a: 1}", "{\"a\": 1, \"a\": 1}", "[1,]", "{\"a\" 1}", "01", "1.", "nul", "\"a", "1 2", ""]
    {
        assert!(Json::read(text, Keys::Quoted).is_err(), "{text}");
    }
}
