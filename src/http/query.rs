//! Strict decoding of query parameters.

/// Maximum length of a query string, in bytes.
const MAX_BYTES: usize = 16 << 10;

/// The decoded parameters, in order.
///
/// # Errors
/// Malformed encoding or an overlong query, in one line.
pub(super) fn parameters(query: &str) -> Result<Vec<(String, String)>, String> {
    if query.len() > MAX_BYTES {
        return Err(format!("query too long: {} bytes, expected at most {MAX_BYTES}", query.len()));
    }
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            Ok((decoded(name)?, decoded(value)?))
        })
        .collect()
}

fn decoded(text: &str) -> Result<String, String> {
    let bad = || "malformed query: expected UTF-8 with percent escapes (%XX)".to_owned();
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let digit = |byte: Option<u8>| byte.and_then(|byte| char::from(byte).to_digit(16));
                let (high, low) = (digit(rest.next()).ok_or_else(bad)?, digit(rest.next()).ok_or_else(bad)?);
                u8::try_from(high * 16 + low).map_err(|_| bad())?
            }
            byte => byte,
        });
    }
    String::from_utf8(bytes).map_err(|_| bad())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decodes_strictly() {
        let pairs = parameters("target=zk-1%3A2181%2Czk-2&debug&a+b=c%20d&").expect("a valid query");
        let pairs: Vec<_> = pairs.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(pairs, [("target", "zk-1:2181,zk-2"), ("debug", ""), ("a b", "c d")]);
        for bad in ["a=%", "a=%2", "a=%zz", "a=%ff", "a=%+1"] {
            assert!(parameters(bad).is_err(), "{bad}");
        }
        assert!(parameters(&"a".repeat(20_000)).is_err());
    }
}
