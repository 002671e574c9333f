//! For arbitrary input, parsers do not panic and the page is valid.

use proptest::prelude::*;
use zookeeper_exporter::exposition::{Format, Names, negotiate};
use zookeeper_exporter::reply::{conf, mntr, monitor, srvr, text};

use crate::common::{fixtures, member, named_page, page, read_page, report};

/// Lines similar to `mntr`, built from real keys, hostile namespaces, labels and unusual values.
fn line() -> impl Strategy<Value = String> {
    let name = prop_oneof![
        Just("app1".to_owned()),
        Just("na me".to_owned()),
        Just("q\"uo\\te".to_owned()),
        Just("a{b}".to_owned()),
        Just("ünïcödé".to_owned()),
        Just("\u{0}".to_owned()),
        Just("\",quantile=\"0.5".to_owned()),
        "\\PC{0,12}",
        ".{0,6}",
    ];
    let key = prop_oneof![
        Just("znode_count".to_owned()),
        Just("packets_received".to_owned()),
        Just("cnt_fsynctime".to_owned()),
        Just("sum_fsynctime".to_owned()),
        Just("p99_fsynctime".to_owned()),
        Just("server_state".to_owned()),
        Just("version".to_owned()),
        Just("peer_state".to_owned()),
        Just("max_file_descriptor_count".to_owned()),
        name.clone().prop_map(|name| format!("avg_{name}_write_per_namespace")),
        name.clone().prop_map(|name| format!("cnt_{name}_write_per_namespace")),
        name.clone().prop_map(|name| format!("sum_{name}_write_per_namespace")),
        name.clone().prop_map(|name| format!("{name}_quota_bytes_limit_per_namespace")),
        name.clone().prop_map(|name| format!("op_count_{name}")),
        name.clone().prop_map(|name| format!("max_{name}_ack_latency")),
        name.clone().prop_map(|name| format!("write_per_namespace_count{{key=\"{name}\"}}")),
        name.clone().prop_map(|name| format!("write_per_namespace{{key=\"{name}\",quantile=\"0.5\"}}")),
        name.clone().prop_map(|name| format!("jvm_info{{version=\"{name}\",vendor=\"{name}\",runtime=\"{name}\"}}")),
        name.clone().prop_map(|name| format!("updatelatency{{quantile=\"{name}\"}}")),
        name,
    ];
    let value = prop_oneof![
        any::<i64>().prop_map(|n| n.to_string()),
        any::<f64>().prop_map(|n| n.to_string()),
        Just("NaN".to_owned()),
        Just("-Infinity".to_owned()),
        Just("null".to_owned()),
        Just("1.0E-4".to_owned()),
        Just("18446744073709551615".to_owned()),
        Just("-1".to_owned()),
        Just("leader".to_owned()),
        ".{0,8}",
    ];
    (key, value).prop_map(|(key, value)| format!("zk_{key}\t{value}\n"))
}

fn check(mntr_bytes: &[u8], srvr_bytes: Option<&[u8]>) {
    let found = member("zk-1:2181", Some(mntr_bytes), srvr_bytes, None);
    let report = report(vec![found]);
    for format in [Format::Classic, Format::OpenMetrics] {
        for names in [Names::Catalogue, Names::Mntr] {
            let shown = named_page(&report, names, format);
            if let Err(error) = read_page(&shown, format) {
                panic!("{format:?} {names:?}: {error}\nfrom {:?}", String::from_utf8_lossy(mntr_bytes));
            }
        }
    }
}

/// Number of cases per property; `CASES=20000` increases it.
fn cases() -> u32 {
    std::env::var("CASES").ok().and_then(|text| text.parse().ok()).unwrap_or(400)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn parsers_accept_any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        let text = text(&bytes);
        let _ = (mntr::kind(&text), mntr::entries(&text).count(), mntr::lines(&text));
        let _ = (srvr::kind(&text), srvr::parse(&text).entries().count());
        let _ = (conf::kind(&text), conf::parse(&text));
        let _ = mntr::labels(&text).count();
        let _ = monitor::parse(&text).map(|monitor| monitor.entries().count());
        let _ = negotiate(Some(&text));
    }

    #[test]
    fn any_bytes_give_a_valid_page(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        check(&bytes, Some(&bytes));
        let mut prefixed = b"zk_version\t3.8.0-x\n".to_vec();
        prefixed.extend_from_slice(&bytes);
        check(&prefixed, None);
    }

    #[test]
    fn hostile_lines_give_a_valid_page(lines in proptest::collection::vec(line(), 0..60)) {
        check(lines.concat().as_bytes(), None);
    }

    #[test]
    fn a_mangled_real_reply_gives_a_valid_page(which in 0_usize..60, place in any::<usize>(), byte in any::<u8>(), cut in any::<usize>()) {
        let all = fixtures();
        let mut bytes = all[which % all.len()].mntr().into_bytes();
        let length = bytes.len();
        bytes[place % length] = byte;
        check(&bytes, None);
        bytes.truncate(cut % length);
        check(&bytes, None);
    }

    #[test]
    fn the_order_of_lines_does_not_matter(seed in any::<u64>()) {
        let leader = fixtures().into_iter().find(|fixture| fixture.name == "3.9.3/leader-prometheus-provider").unwrap().mntr();
        let mut lines: Vec<&str> = leader.split_inclusive('\n').collect();
        // Shuffle without a random generator: sort by a hash of line and seed.
        lines.sort_by_key(|line| line.bytes().fold(seed | 1, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)));
        let shuffled = lines.concat();
        let shown = |text: &str| page(&report(vec![member("zk-1:2181", Some(text.as_bytes()), None, None)]), Format::Classic);
        prop_assert_eq!(shown(&shuffled), shown(&leader));
    }
}
