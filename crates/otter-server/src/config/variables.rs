//! `${NAME}` in the strings of a configuration.

/// Reads a variable of the environment.
pub(super) type Lookup<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Why a text cannot be expanded.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum ExpandError {
    LoneDollar,
    Missing(String),
}

/// Replaces `${NAME}` by the variable and `$$` by `$`.
pub(super) fn expand(text: &str, lookup: Lookup<'_>) -> Result<String, ExpandError> {
    expand_with(text, &mut |name| lookup(name))
}

/// Expands a URL: what a variable puts in the place of user or password is percent-encoded, so
/// that a password may hold any character.
pub(super) fn expand_url(text: &str, lookup: Lookup<'_>) -> Result<String, ExpandError> {
    let login = text.split_once("://").and_then(|(scheme, rest)| {
        let (login, place) = rest.rsplit_once('@')?;
        Some((scheme, login, place))
    });
    let Some((scheme, login, place)) = login else { return expand(text, lookup) };
    let mut encoded = |name: &str| lookup(name).map(|value| percent_encode(&value));
    Ok(format!(
        "{}://{}@{}",
        expand(scheme, lookup)?,
        expand_with(login, &mut encoded)?,
        expand(place, lookup)?
    ))
}

fn expand_with(
    text: &str,
    lookup: &mut dyn FnMut(&str) -> Option<String>,
) -> Result<String, ExpandError> {
    let mut expanded = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        expanded.push_str(before);
        if let Some(after) = after.strip_prefix('$') {
            expanded.push('$');
            rest = after;
            continue;
        }
        let named = after.strip_prefix('{').and_then(|after| after.split_once('}'));
        let Some((name, after)) = named.filter(|(name, _)| is_name(name)) else {
            return Err(ExpandError::LoneDollar);
        };
        expanded.push_str(&lookup(name).ok_or_else(|| ExpandError::Missing(name.to_owned()))?);
        rest = after;
    }
    expanded.push_str(rest);
    Ok(expanded)
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

fn percent_encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lookup(name: &str) -> Option<String> {
        match name {
            "HOST" => Some("db.example:3307".to_owned()),
            "PASSWORD" => Some("p@s/s$?#%{é".to_owned()),
            "EMPTY" => Some(String::new()),
            "URL" => Some("mysql://otter:p%40ss@db/".to_owned()),
            _ => None,
        }
    }

    #[test]
    fn variables_are_read_and_doubled_dollars_are_dollars() {
        assert_eq!(expand("a${HOST}b$$c${EMPTY}", &lookup).unwrap(), "adb.example:3307b$c");
        assert_eq!(expand("${NONE}", &lookup), Err(ExpandError::Missing("NONE".into())));
        for text in ["$", "a$b", "${}", "${a b}", "${A", "$HOST"] {
            assert_eq!(expand(text, &lookup), Err(ExpandError::LoneDollar), "{text}");
        }
    }

    #[test]
    fn a_password_from_the_environment_may_hold_any_character() {
        let url = expand_url("mysql://otter:${PASSWORD}@${HOST}/", &lookup).unwrap();
        let url: otter_core::DatabaseUrl = url.parse().unwrap();
        assert_eq!(url.password().expose(), "p@s/s$?#%{é");
        assert_eq!(url.address(), "db.example:3307");
    }

    #[test]
    fn a_whole_url_from_the_environment_is_taken_as_it_is() {
        assert_eq!(expand_url("${URL}", &lookup).unwrap(), "mysql://otter:p%40ss@db/");
    }
}
