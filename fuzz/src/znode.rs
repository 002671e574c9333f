//! Data of znodes: numbers, JSON with a pointer, and alarm thresholds.

use zookeeper_exporter::session::SessionError;
use zookeeper_exporter::znode::{Alarm, value};

/// The first line is a JSON pointer, the rest is the data.
pub fn znode(data: &[u8]) {
    let (pointer, data) = match data.iter().position(|byte| *byte == b'\n') {
        Some(end) => (&data[..end], &data[end + 1..]),
        None => (&b""[..], data),
    };
    let plain = value::number(data, "");
    let expected = std::str::from_utf8(data).ok().and_then(|text| text.trim().parse::<f64>().ok());
    assert_eq!(plain.ok(), expected.filter(|number| number.is_finite()));
    // Parsing the number from JSON must give exactly the same value.
    let in_a_list = [b"[", data, b"]"].concat();
    if let (Some(number), Ok(found)) = (expected, value::number(&in_a_list, "/0")) {
        assert_eq!(found.to_bits(), number.to_bits(), "JSON reads another number");
    }
    if let Ok(pointer) = std::str::from_utf8(pointer) {
        match value::number(data, pointer) {
            Ok(number) => assert!(number.is_finite()),
            Err(error) => assert!(matches!(error, SessionError::NotANumber | SessionError::Pointer)),
        }
    }
    if let Some(alarm) = Alarm::parse(data) {
        assert!(alarm.thresholds().count() > 0);
        assert!(alarm.thresholds().all(|(_, threshold)| threshold.is_finite()));
        assert_eq!(Alarm::parse(alarm.data().as_bytes()), Some(alarm), "{}", alarm.data());
    }
}
