//! The properties that hold for every input: one function per fuzz target, which panics if a property is violated.
//!
//! libFuzzer calls them through `fuzz_targets/`; `tests/quick/corpus.rs` replays the corpus.
#![forbid(unsafe_code)]

#[path = "../../tests/common/page.rs"]
pub mod page;
#[path = "../../tests/common/replies.rs"]
pub mod replies;

mod clients;
mod ensemble;
mod files;
mod judge;
mod lines;
mod mntr;
mod monitor;
mod native;
mod replicas;
mod request;
mod session;
mod status;
mod words;
mod znode;

pub use clients::cons;
pub use ensemble::ensemble;
pub use files::{config, web_config};
pub use judge::judge;
pub use mntr::{mntr, mntr_bytes};
pub use monitor::monitor;
pub use native::native;
pub use replicas::hash;
pub use request::{accept, allow, probe, timeout};
pub use session::session;
pub use status::status;
pub use words::{conf, srvr};
pub use znode::znode;

/// A target: checks the properties for an input.
pub type Target = fn(&[u8]);

/// All targets by name, which is also the name of the directory in `corpus/` and of the file in `fuzz_targets/`.
pub const TARGETS: [(&str, Target); 19] = [
    ("accept", accept),
    ("allow", allow),
    ("conf", conf),
    ("config", config),
    ("cons", cons),
    ("ensemble", ensemble),
    ("hash", hash),
    ("judge", judge),
    ("mntr", mntr),
    ("mntr_bytes", mntr_bytes),
    ("monitor", monitor),
    ("native", native),
    ("probe", probe),
    ("session", session),
    ("srvr", srvr),
    ("status", status),
    ("timeout", timeout),
    ("web_config", web_config),
    ("znode", znode),
];
