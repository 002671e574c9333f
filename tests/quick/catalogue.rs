//! The catalogue follows the naming rules.

use std::collections::BTreeSet;

use zookeeper_exporter::catalogue::metric::{Label, Unit};
use zookeeper_exporter::catalogue::{Kind, Metric, Scope, Shape, catalogue, rows};

#[test]
fn family_names_are_unique() {
    let mut series = BTreeSet::new();
    for (_, family) in catalogue().families() {
        let mut names = vec![family.full_name()];
        if family.kind == Kind::Summary {
            names.extend(["_sum", "_count"].map(|suffix| format!("{}{suffix}", family.name)));
        }
        if family.kind == Kind::Histogram {
            names.extend(["_bucket", "_sum", "_count"].map(|suffix| format!("{}{suffix}", family.name)));
        }
        if family.kind == Kind::Counter {
            // In OpenMetrics a family also reserves its bare name.
            names.push(family.name.to_string());
        }
        for name in names {
            assert!(series.insert(name.clone()), "{name} twice");
        }
    }
    assert!(series.len() > 400);
    assert!(catalogue().families().count() < 10_000);
}

#[test]
fn names_and_help_are_valid_in_both_formats() {
    for (_, family) in catalogue().families() {
        let name = &family.name;
        assert!(name.starts_with("zk_") || name.starts_with("process_") && family.scope == Scope::Exporter, "{name}");
        assert!(name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_'), "{name}");
        for reserved in ["_total", "_count", "_sum", "_bucket", "_info", "_ms"] {
            assert!(!name.ends_with(reserved), "{name} ends in {reserved}");
        }
        let help = &family.help;
        assert!(!help.contains(['\n', '\\', '"']) && !help.ends_with('.') && help.len() > 10, "{name}: {help}");
        assert!(help.len() < 420, "{name}: HELP has {} bytes", help.len());
    }
}

/// The naming rules, implemented independently of the rows.
fn expected_name(row: &Metric) -> String {
    let key = row.key.strip_suffix("_total").filter(|_| row.shape == Shape::Counter).unwrap_or(row.key);
    let mut words: Vec<&str> = key.split('_').collect();
    let unit = match row.unit {
        Unit::Milliseconds | Unit::Seconds => Some("seconds"),
        Unit::Bytes => Some("bytes"),
        Unit::Things | Unit::Ratio => None,
    };
    words.retain(|word| *word != "ms" && *word != "count" && Some(*word) != unit);
    words.extend(unit);
    format!("zk_{}", words.join("_"))
}

/// Compares noun by noun; the plural is optional.
fn same_but_for_plural(name: &str, expected: &str) -> bool {
    let plural = |word: &str, singular: &str| {
        word == singular
            || *word == format!("{singular}s")
            || *word == format!("{singular}es")
            || singular.strip_suffix('y').is_some_and(|stem| *word == format!("{stem}ies"))
    };
    let (name, expected): (Vec<_>, Vec<_>) = (name.split('_').collect(), expected.split('_').collect());
    name.len() == expected.len() && name.iter().zip(&expected).all(|(word, singular)| plural(word, singular))
}

/// Names that deviate from the rules, each with its reason.
const EXCEPTIONS: [(&str, &str, &str); 7] = [
    ("op_count", "zk_ops", "the noun is the whole key"),
    (
        "jvm_classes_loaded",
        "zk_jvm_classes_currently_loaded",
        "with ..._loaded_total it would be one OpenMetrics family",
    ),
    ("jvm_info", "zk_jvm", "an info family's suffix is added by the encoder"),
    ("quota_count_limit_per_namespace", "zk_quota_znodes_limit_per_namespace", "count of what? of znodes"),
    ("quota_count_usage_per_namespace", "zk_quota_znodes_usage_per_namespace", "count of what? of znodes"),
    ("jvm_memory_pool_allocated_bytes_total", "zk_jvm_memory_pool_allocated_bytes", "a counter of bytes"),
    ("process_cpu_seconds_total", "zk_process_cpu_seconds", "a counter of seconds"),
];

#[test]
fn every_name_follows_from_its_key() {
    for row in rows() {
        if let Some((_, name, _)) = EXCEPTIONS.iter().find(|(key, _, _)| *key == row.key) {
            assert_eq!(row.name, *name);
            continue;
        }
        assert!(
            same_but_for_plural(row.name, &expected_name(row)),
            "{} is {}, the rules give {}",
            row.key,
            row.name,
            expected_name(row)
        );
    }
}

#[test]
fn units_are_base_units() {
    for row in rows() {
        let base = match row.unit {
            Unit::Milliseconds | Unit::Seconds => "seconds",
            Unit::Bytes => "bytes",
            Unit::Things | Unit::Ratio => "",
        };
        assert!(row.name.ends_with(base), "{}", row.name);
        let sets = matches!(row.label, Some(Label::Namespace | Label::Peer));
        assert!(!sets || !row.anchor, "{}: a set may be empty", row.key);
        assert!(row.help.contains("mntr key"), "{}: HELP lacks the original key", row.key);
    }
}
