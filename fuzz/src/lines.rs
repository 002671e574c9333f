//! Realistic `mntr` replies: keys of the catalogue in both dialects, with hostile names, labels and values.

use std::fmt::Write;

use arbitrary::{Result, Unstructured};
use zookeeper_exporter::catalogue::{Metric, rows};

/// Maximum number of lines; more find nothing new.
const MOST_LINES: usize = 64;

/// Names of namespaces, peers and pools that have broken parsers.
const NAMES: [&str; 10] =
    ["app1", "na me", "q\"uo\\te", "a{b}", "ünï", "\0", "\",quantile=\"0.5", "x_per_namespace", "", "a,b=\"c\"}"];

const VALUES: [&str; 16] = [
    "0",
    "1",
    "-1",
    "-0.0",
    "NaN",
    "Infinity",
    "-Infinity",
    "null",
    "1.0E-4",
    "18446744073709551615",
    "9223372036854775807",
    "-9223372036854775808",
    "leader",
    "0x1f",
    "1\t2",
    " 3 ",
];

/// Generates a reply from the input, until the input is used up.
pub fn reply(input: &mut Unstructured<'_>) -> Result<String> {
    let mut text = String::new();
    if input.ratio(7, 8)? {
        text.push_str("zk_version\t3.8.0-x, built on 2024\n");
    }
    for _ in 0..MOST_LINES {
        if input.is_empty() {
            break;
        }
        line(input, &mut text)?;
    }
    Ok(text)
}

fn line(input: &mut Unstructured<'_>, text: &mut String) -> Result<()> {
    let row = nth_row(input.arbitrary::<u16>()?);
    let key = row.key;
    match input.int_in_range(0..=9)? {
        0..=2 => text.push_str(&format!("zk_{key}")),
        3 => text.push_str(&format!("zk_{}_{key}", part(input)?)),
        4 => text.push_str(&format!("zk_{}_{}_{key}", part(input)?, name(input)?)),
        5 => text.push_str(&format!("zk_{key}{{quantile=\"{}\"}}", name(input)?)),
        6 => text.push_str(&format!("zk_{key}_{}{{key=\"{}\"}}", part(input)?, name(input)?)),
        7 => {
            let quantile = *input.choose(&["0.5", "0.9", "0.99", "2"])?;
            text.push_str(&format!("zk_{key}{{key=\"{}\",quantile=\"{quantile}\"}}", name(input)?));
        }
        8 => text.push_str(&format!("zk_{}", name(input)?)),
        // Not a valid line of `mntr`.
        _ => text.push_str(name(input)?),
    }
    let end = if input.ratio(1, 16)? { "\r\n" } else { "\n" };
    let _ = write!(text, "\t{}{end}", value(input)?);
    Ok(())
}

fn nth_row(number: u16) -> &'static Metric {
    let count = rows().count();
    rows().nth(usize::from(number) % count).expect("the catalogue has rows")
}

fn part(input: &mut Unstructured<'_>) -> Result<&'static str> {
    input.choose(&["cnt", "sum", "avg", "min", "max", "p50", "p95", "p99", "p999", "count", "total"]).copied()
}

fn name<'a>(input: &mut Unstructured<'a>) -> Result<&'a str> {
    if input.ratio(3, 4)? { input.choose(&NAMES).copied() } else { input.arbitrary() }
}

fn value(input: &mut Unstructured<'_>) -> Result<String> {
    Ok(match input.int_in_range(0..=4)? {
        0 | 1 => input.choose(&VALUES)?.to_string(),
        2 => input.arbitrary::<i64>()?.to_string(),
        3 => input.arbitrary::<f64>()?.to_string(),
        _ => input.arbitrary::<&str>()?.to_owned(),
    })
}
