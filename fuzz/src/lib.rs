//! What holds whatever comes: one function for each fuzz target, which panics where it does not.
//!
//! libFuzzer calls them (`fuzz_targets/`), and `tests/quick/corpus.rs` replays what was found with them.
#![forbid(unsafe_code)]

#[path = "../../tests/common/page.rs"]
pub mod page;
#[path = "../../tests/common/replies.rs"]
pub mod replies;

mod ensemble;
mod files;
mod judge;
mod lines;
mod mntr;
mod monitor;
mod request;
mod session;
mod status;
mod words;
mod znode;

pub use ensemble::ensemble;
pub use files::{config, web_config};
pub use judge::judge;
pub use mntr::{mntr, mntr_bytes};
pub use monitor::monitor;
pub use request::{accept, allow, probe, timeout};
pub use session::session;
pub use status::status;
pub use words::{conf, srvr};
pub use znode::znode;

/// A target: what it checks of the bytes.
pub type Target = fn(&[u8]);

/// Every target by its name, which is that of its folder in `corpus/` and of its file in `fuzz_targets/`.
pub const TARGETS: [(&str, Target); 16] = [
    ("accept", accept),
    ("allow", allow),
    ("conf", conf),
    ("config", config),
    ("ensemble", ensemble),
    ("judge", judge),
    ("mntr", mntr),
    ("mntr_bytes", mntr_bytes),
    ("monitor", monitor),
    ("probe", probe),
    ("session", session),
    ("srvr", srvr),
    ("status", status),
    ("timeout", timeout),
    ("web_config", web_config),
    ("znode", znode),
];
