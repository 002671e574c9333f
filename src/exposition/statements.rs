//! What the exporter says itself about a member, as samples of the catalogue's own families.

use std::fmt;

use super::collector::Sink;
use crate::catalogue::{FamilyId, Own};
use crate::reply::Number;
use crate::scrape::{MemberReport, State};

/// The own families of a member; `zk_unknown` is not among them, its samples come from replies.
pub(super) const OWN: [Own; 14] = [
    Own::Up,
    Own::Serving,
    Own::MntrComplete,
    Own::ServerState,
    Own::MemberInfo,
    Own::PeerStateInfo,
    Own::ObserverMasterInfo,
    Own::ScrapeFailure,
    Own::ScrapeFailures,
    Own::ScrapeDuration,
    Own::ConnectDuration,
    Own::TlsCertificateNotAfter,
    Own::ZxidEpoch,
    Own::ZxidSequence,
];

/// Whether the family is one of those written here.
pub(super) fn states(id: FamilyId) -> bool {
    OWN.into_iter().chain([Own::ZxidLag]).any(|own| FamilyId::from(own) == id)
}

/// Gives `sink` every sample that the family has for this member.
pub(super) fn visit(own: Own, member: &MemberReport, sink: &mut Sink<'_>) -> fmt::Result {
    let mut plain = |value: Number| sink(&[], value);
    match own {
        // What the exporter could not find out for reasons of its own has no sample.
        Own::Up if member.is_unknown() => Ok(()),
        Own::Up => plain(flag(member.up)),
        Own::Serving | Own::ServerState if member.state == State::Unknown => Ok(()),
        Own::Serving => plain(flag(member.state.serves())),
        Own::MntrComplete => member.completeness().map_or(Ok(()), |complete| plain(flag(complete))),
        Own::ServerState => {
            State::ALL.into_iter().try_for_each(|state| sink(&[("state", state.text())], flag(state == member.state)))
        }
        Own::MemberInfo => member.identity.as_ref().map_or(Ok(()), |identity| {
            let labels = [
                ("version", identity.version.as_str()),
                ("server_id", identity.server_id.as_str()),
                ("peer_type", identity.peer_type.as_str()),
                ("source", identity.source.text()),
            ];
            sink(&labels, Number::Int(1))
        }),
        Own::PeerStateInfo => text(member.peer_state.as_deref(), "peer_state", sink),
        Own::ObserverMasterInfo => text(member.observer_master.as_deref(), "peer", sink),
        Own::ScrapeFailure => member.failures.iter().try_for_each(|(command, reason)| {
            sink(&[("command", command.text()), ("reason", reason.text())], Number::Int(1))
        }),
        Own::ScrapeFailures => member.failures_total.iter().try_for_each(|((command, reason), count)| {
            let count = i64::try_from(*count).unwrap_or(i64::MAX);
            sink(&[("command", command.text()), ("reason", reason.text())], Number::Int(count))
        }),
        Own::ScrapeDuration => member.duration.map_or(Ok(()), |time| plain(Number::Float(time.as_secs_f64()))),
        Own::ConnectDuration => member.connect.map_or(Ok(()), |time| plain(Number::Float(time.as_secs_f64()))),
        Own::TlsCertificateNotAfter => member.certificates.iter().try_for_each(|certificate| {
            let until = i64::try_from(certificate.not_after).unwrap_or(i64::MAX);
            sink(&[("subject", certificate.subject.as_str())], Number::Int(until))
        }),
        Own::ZxidEpoch => member.epoch().map_or(Ok(()), |epoch| plain(half(epoch))),
        Own::ZxidSequence => member.sequence().map_or(Ok(()), |sequence| plain(half(sequence))),
        _ => Ok(()),
    }
}

fn text(value: Option<&str>, label: &str, sink: &mut Sink<'_>) -> fmt::Result {
    value.map_or(Ok(()), |value| sink(&[(label, value)], Number::Int(1)))
}

fn flag(set: bool) -> Number {
    Number::Int(i64::from(set))
}

/// Half a zxid has 32 bits.
fn half(value: u64) -> Number {
    Number::Int(i64::try_from(value).unwrap_or(i64::MAX))
}
