//! Incidents of an ensemble: judges two scrapes, orders findings by cause, and records transitions.
//!
//! - [`Judged`] has the newest report of the ensembles with the findings of verdict and alert conditions.
//! - [`explain()`] orders the conditions that hold by the cause graph (`alert::causes`); [`Explanation`] is the result
//!   of `why` as text, as JSON and on the status page.
//! - [`FlightRecorder`] compares successive reports and keeps a bounded number of changes; [`EventHistory`] is its
//!   history of one ensemble.

mod canaries;
mod changes;
pub mod clock;
mod details;
mod explain;
mod explanation;
mod figures;
mod history;
mod judged;
mod recorder;
mod remedies;
mod transition;
mod why;
mod znodes;

pub use explain::{Scene, Sighting, explain};
pub use explanation::{Cause, Evidence, Explanation, Note, Symptom};
pub use history::EventHistory;
pub use judged::{Judged, detailed};
pub use recorder::{EventPage, EventQuery, FlightRecorder, MAX_PAGE, RING_BYTES, TOTAL_BYTES};
pub use transition::{Transition, TransitionInfo, TransitionKind};
pub use why::{summary, why};
