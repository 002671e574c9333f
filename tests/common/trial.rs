//! An unoptimised release build for tests of the commands around it: it takes a quarter of the time, and is separate
//! from the release build of the developer.

/// Target directory of the build.
pub const FOLDER: &str = concat!(env!("CARGO_TARGET_TMPDIR"), "/trial");

/// Environment variables for cargo.
pub const ENVIRONMENT: [(&str, &str); 4] = [
    ("CARGO_TARGET_DIR", FOLDER),
    ("CARGO_PROFILE_RELEASE_LTO", "off"),
    ("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16"),
    ("CARGO_PROFILE_RELEASE_OPT_LEVEL", "0"),
];
