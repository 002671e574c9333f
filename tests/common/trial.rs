//! A release build for tests of the commands around it: not optimised, which takes a quarter of the time, and apart from
//! the one that people use.

/// Where it stands.
pub const FOLDER: &str = concat!(env!("CARGO_TARGET_TMPDIR"), "/trial");

/// What has cargo build it.
pub const ENVIRONMENT: [(&str, &str); 4] = [
    ("CARGO_TARGET_DIR", FOLDER),
    ("CARGO_PROFILE_RELEASE_LTO", "off"),
    ("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16"),
    ("CARGO_PROFILE_RELEASE_OPT_LEVEL", "0"),
];
