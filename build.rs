//! Hands the compiler's version to `zk_exporter_build_info`.

use std::process::Command;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let told =
        Command::new(rustc).arg("--version").output().ok().and_then(|output| String::from_utf8(output.stdout).ok());
    // `rustc 1.95.0 (59807616e 2026-04-14)`
    let version = told.as_deref().and_then(|told| told.split(' ').nth(1)).unwrap_or("unknown");
    println!("cargo:rustc-env=ZOOKEEPER_EXPORTER_RUSTC={version}");
}
