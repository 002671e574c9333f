//! The data of a znode as a number: the whole text, or the target of a JSON pointer.

use serde_json::Value;

use crate::session::SessionError;

/// Parses the number. `pointer` is empty if the data is a plain number.
///
/// # Errors
/// `not_a_number` or `pointer`.
pub fn number(data: &[u8], pointer: &str) -> Result<f64, SessionError> {
    if pointer.is_empty() {
        let text = std::str::from_utf8(data).map_err(|_| SessionError::NotANumber)?;
        return parse(text).ok_or(SessionError::NotANumber);
    }
    let json: Value = serde_json::from_slice(data).map_err(|_| SessionError::Pointer)?;
    match json.pointer(pointer) {
        Some(Value::Number(number)) => number.as_f64().ok_or(SessionError::NotANumber),
        Some(Value::String(text)) => parse(text).ok_or(SessionError::NotANumber),
        Some(Value::Bool(set)) => Ok(f64::from(u8::from(*set))),
        Some(_) => Err(SessionError::NotANumber),
        None => Err(SessionError::Pointer),
    }
}

/// Parses a finite number; surrounding white space is ignored.
pub(super) fn parse(text: &str) -> Option<f64> {
    text.trim().parse().ok().filter(|number: &f64| number.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_as_programs_write_them() {
        for (data, pointer, expected) in [
            (&b"90"[..], "", Ok(90.0)),
            (b" 93.5\n", "", Ok(93.5)),
            (b"-1e3", "", Ok(-1000.0)),
            (b"", "", Err(SessionError::NotANumber)),
            (b"90%", "", Err(SessionError::NotANumber)),
            (b"NaN", "", Err(SessionError::NotANumber)),
            (b"inf", "", Err(SessionError::NotANumber)),
            (b"\xff\xfe", "", Err(SessionError::NotANumber)),
            (b"{\"a\":{\"b\":[1,2]}}", "/a/b/1", Ok(2.0)),
            (b"{\"a\":\"7\"}", "/a", Ok(7.0)),
            (b"{\"a\":8222222000083220485516}", "/a", Ok(8_222_222_000_083_220_485_516.0)),
            (b"{\"a\":true}", "/a", Ok(1.0)),
            (b"{\"a\":{}}", "/a", Err(SessionError::NotANumber)),
            (b"{\"a\":1}", "/b", Err(SessionError::Pointer)),
            (b"no json", "/a", Err(SessionError::Pointer)),
        ] {
            assert_eq!(number(data, pointer), expected, "{:?} {pointer}", String::from_utf8_lossy(data));
        }
    }
}
