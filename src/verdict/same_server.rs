//! Whether two listed members are one server under two addresses.
//!
//! A server id is unique within an ensemble, so two members of one membership with the same id are one server, unless
//! their metrics contradict, or did when both last replied: two networks may have copies of one `zoo.cfg`. Without an
//! id (`conf` is refused, or of a standalone server, whose id is 0), two members are one server only if they are two
//! leaders of one epoch or two standalone servers with the same metrics. Without a membership (before 3.5, Keeper), two ensembles use the same ids, so the
//! metrics must agree as well.

use crate::ensemble::Known;
use crate::scrape::{MemberReport, State, figures_agree};

/// `same_membership`: both state the same membership.
pub(super) fn is_same_server(known: &Known, one: &MemberReport, other: &MemberReport, same_membership: bool) -> bool {
    match (one.server_id(), other.server_id()) {
        (Some(id), Some(other_id)) if id == other_id && (same_membership || id != "0") => {
            let as_before = || same_membership && !known.were_apart(&one.name, &other.name);
            figures_agree(one, other, true).unwrap_or_else(as_before)
        }
        (id, other_id) if id == other_id => {
            matches!(one.state, State::Leader | State::Standalone) && figures_agree(one, other, false) == Some(true)
        }
        _ => false,
    }
}
