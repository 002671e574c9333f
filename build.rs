//! Embeds the runbooks, and the build information for `--version` and `zk_exporter_build_info`.
//!
//! Revision, branch and date come from the git checkout for release builds, or from the environment:
//! `ZOOKEEPER_EXPORTER_REVISION`, `ZOOKEEPER_EXPORTER_BRANCH` and `SOURCE_DATE_EPOCH` (Unix seconds).

use std::env::var;
use std::process::Command;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    if let Err(error) = runbooks() {
        println!("cargo::error=docs/runbooks: {error}");
    }
    let rustc = var("RUSTC").unwrap_or_else(|_| "rustc".into());
    // The output has the form `rustc 1.95.0 (59807616e 2026-04-14)`.
    let rustc = output(&rustc, &["--version"]);
    let rustc = rustc.as_deref().and_then(|text| text.split(' ').nth(1)).unwrap_or("unknown");
    set("RUSTC", rustc);
    set("TARGET", &var("TARGET").unwrap_or_default());
    // The cargo features of the package; it has none so far.
    set("FEATURES", &var("CARGO_CFG_FEATURE").ok().filter(|text| !text.is_empty()).unwrap_or_else(|| "none".into()));

    // Only for release builds: a test build must not be repeated after each commit.
    let in_git = var("PROFILE").is_ok_and(|profile| profile == "release");
    let git = |arguments: &[&str]| if in_git { output("git", arguments) } else { None };
    for file in ["HEAD", "logs/HEAD"] {
        if let Some(path) = git(&["rev-parse", "--git-path", file]) {
            println!("cargo:rerun-if-changed={path}");
        }
    }
    for (name, arguments) in
        [("REVISION", ["rev-parse", "--short=12", "HEAD"]), ("BRANCH", ["rev-parse", "--abbrev-ref", "HEAD"])]
    {
        let variable = format!("ZOOKEEPER_EXPORTER_{name}");
        println!("cargo:rerun-if-env-changed={variable}");
        let value = var(variable).ok().filter(|value| !value.is_empty()).or_else(|| git(&arguments));
        set(name, value.as_deref().unwrap_or("unknown"));
    }
    println!("cargo:rerun-if-env-changed=SOURCE_DATE_EPOCH");
    let seconds = var("SOURCE_DATE_EPOCH").ok().or_else(|| git(&["log", "-1", "--format=%ct"]));
    let date = seconds.and_then(|seconds| seconds.trim().parse().ok()).map_or_else(|| "unknown".to_owned(), date);
    set("DATE", &date);
}

/// Writes the runbooks as an array sorted by name, included by `src/runbook/mod.rs`.
fn runbooks() -> std::io::Result<()> {
    println!("cargo:rerun-if-changed=docs/runbooks");
    println!("cargo:rerun-if-changed=docs/verdicts.md");
    let root = std::env::current_dir()?;
    let mut files = vec![("verdicts".to_owned(), root.join("docs/verdicts.md"))];
    for entry in std::fs::read_dir(root.join("docs/runbooks"))? {
        let path = entry?.path();
        if let Some(name) = path.file_name().and_then(|name| name.to_str()?.strip_suffix(".md")) {
            files.push((name.to_owned(), path.clone()));
        }
    }
    files.sort();
    let mut rows = String::new();
    for (name, path) in &files {
        // Quoted and escaped as Rust string literals.
        let (name, path) = (format!("{name:?}"), format!("{:?}", path.to_string_lossy()));
        rows.push_str(&["    (", &name, ", include_str!(", &path, ")),\n"].concat());
    }
    let text = format!("/// The documents by name.\nconst FILES: &[(&str, &str)] = &[\n{rows}];\n");
    let out = var("OUT_DIR").map_err(std::io::Error::other)?;
    std::fs::write(std::path::Path::new(&out).join("runbooks.rs"), text)
}

fn set(name: &str, value: &str) {
    // A line break would begin another instruction for cargo.
    let value: String = value.chars().filter(|c| !c.is_control()).take(200).collect();
    println!("cargo:rustc-env=ZOOKEEPER_EXPORTER_BUILD_{name}={value}");
}

fn output(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).output().ok().filter(|output| output.status.success())?;
    let text = String::from_utf8(output.stdout).ok()?.trim().to_owned();
    (!text.is_empty()).then_some(text)
}

/// Formats Unix seconds as `2026-11-30` (days to civil date; Howard Hinnant's algorithm).
fn date(seconds: u64) -> String {
    let days = seconds / 86_400 + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let (day, month) = (day_of_year - (153 * shifted + 2) / 5 + 1, (shifted + 2) % 12 + 1);
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}")
}
