//! Decimal digits of any script.
//!
//! Since 3.6 a server writes its quorum and election ports with `String.format("%d")`, which uses the digits of the
//! JVM's locale: `server.1=zk-1:٢٨٨٨:٣٨٨٨:participant` with ar-EG.

use std::borrow::Cow;

/// The zero of each run of ten digits in Unicode's category Nd, in order.
const ZEROS: [u32; 77] = [
    0x0030, 0x0660, 0x06f0, 0x07c0, 0x0966, 0x09e6, 0x0a66, 0x0ae6, 0x0b66, 0x0be6, 0x0c66, 0x0ce6, 0x0d66, 0x0de6,
    0x0e50, 0x0ed0, 0x0f20, 0x1040, 0x1090, 0x17e0, 0x1810, 0x1946, 0x19d0, 0x1a80, 0x1a90, 0x1b50, 0x1bb0, 0x1c40,
    0x1c50, 0xa620, 0xa8d0, 0xa900, 0xa9d0, 0xa9f0, 0xaa50, 0xabf0, 0xff10, 0x104a0, 0x10d30, 0x10d40, 0x11066,
    0x110f0, 0x11136, 0x111d0, 0x112f0, 0x11450, 0x114d0, 0x11650, 0x116c0, 0x116d0, 0x116da, 0x11730, 0x118e0,
    0x11950, 0x11bf0, 0x11c50, 0x11d50, 0x11da0, 0x11de0, 0x11f50, 0x16130, 0x16a60, 0x16ac0, 0x16b50, 0x16d70,
    0x1ccf0, 0x1d7ce, 0x1d7d8, 0x1d7e2, 0x1d7ec, 0x1d7f6, 0x1e140, 0x1e2f0, 0x1e4f0, 0x1e5f1, 0x1e950, 0x1fbf0,
];

/// The text with every decimal digit replaced by its ASCII digit.
#[must_use]
pub fn ascii(text: &str) -> Cow<'_, str> {
    if text.is_ascii() {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.chars().map(|c| value(c).and_then(|digit| char::from_digit(digit, 10)).unwrap_or(c)).collect())
}

/// The value of a digit; `None` for other characters.
fn value(c: char) -> Option<u32> {
    let run = ZEROS.partition_point(|zero| *zero <= c.into()).checked_sub(1)?;
    Some(u32::from(c) - ZEROS[run]).filter(|digit| *digit < 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_of_every_script_are_parsed() {
        for (text, read) in [
            ("127.77.7.1:٢٨٨١:٣٨٨١:participant", "127.77.7.1:2881:3881:participant"),
            ("۲۸۸۸", "2888"),
            ("२८८८", "2888"),
            ("၂၈၈၈", "2888"),
            ("２８８８", "2888"),
            ("𝟚𝟠𝟠𝟠", "2888"),
            ("zk-½²Ⅷ", "zk-½²Ⅷ"),
            ("plain 2888", "plain 2888"),
        ] {
            assert_eq!(ascii(text), read, "{text}");
        }
    }

    #[test]
    fn every_run_has_ten_numeric_characters() {
        assert!(ZEROS.is_sorted());
        for zero in ZEROS {
            for (digit, code) in (zero..zero + 10).enumerate() {
                let c = char::from_u32(code).expect("a character");
                assert!(c.is_numeric(), "{code:x}");
                assert_eq!(value(c), u32::try_from(digit).ok(), "{code:x}");
            }
        }
    }
}
