//! Build information.

/// The package version.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
/// The git commit, or `unknown`.
pub const REVISION: &str = env!("ZOOKEEPER_EXPORTER_BUILD_REVISION");
/// The git branch, or `unknown`.
pub const BRANCH: &str = env!("ZOOKEEPER_EXPORTER_BUILD_BRANCH");
/// The date of the commit, or `unknown`.
pub const DATE: &str = env!("ZOOKEEPER_EXPORTER_BUILD_DATE");
/// The compiler version.
pub const RUSTC: &str = env!("ZOOKEEPER_EXPORTER_BUILD_RUSTC");
/// The target triple.
pub const TARGET: &str = env!("ZOOKEEPER_EXPORTER_BUILD_TARGET");
/// The enabled package features.
pub const FEATURES: &str = env!("ZOOKEEPER_EXPORTER_BUILD_FEATURES");

/// The text that `--version` prints after the program name.
pub const LONG: &str = concat!(
    env!("CARGO_PKG_VERSION"),
    "\n  revision:    ",
    env!("ZOOKEEPER_EXPORTER_BUILD_REVISION"),
    "\n  branch:      ",
    env!("ZOOKEEPER_EXPORTER_BUILD_BRANCH"),
    "\n  build date:  ",
    env!("ZOOKEEPER_EXPORTER_BUILD_DATE"),
    "\n  target:      ",
    env!("ZOOKEEPER_EXPORTER_BUILD_TARGET"),
    "\n  features:    ",
    env!("ZOOKEEPER_EXPORTER_BUILD_FEATURES"),
    "\n  rust:        ",
    env!("ZOOKEEPER_EXPORTER_BUILD_RUSTC"),
);
