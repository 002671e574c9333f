//! The exporter's own metrics of a member.

use std::time::Duration;

use super::collector::Sink;
use crate::catalogue::{FamilyId, Own};
use crate::reply::Number;
use crate::scrape::{MemberReport, State};

/// The exporter's own families of a member, without `zk_unknown`, whose samples come from replies.
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

/// Whether this module writes the family.
pub(super) fn states(id: FamilyId) -> bool {
    OWN.into_iter()
        .chain([Own::MemberVoter, Own::ZxidLag, Own::DataDigestAgrees, Own::DataDigestPending])
        .any(|own| FamilyId::from(own) == id)
}

/// Passes every sample of the family for this member to `sink`.
pub(super) fn visit(own: Own, member: &MemberReport, sink: &mut Sink<'_>) {
    let mut plain = |value: Option<Number>| value.into_iter().for_each(|value| sink(&[], value));
    let seconds = |time: Duration| Number::Float(time.as_secs_f64());
    match own {
        // Unknown because of the exporter's own limits: no sample.
        Own::Up => plain((!member.is_unknown()).then(|| flag(member.up))),
        Own::Serving => plain((member.state != State::Unknown).then(|| flag(member.state.serves()))),
        Own::MntrComplete => plain(member.completeness().map(flag)),
        Own::ServerState if member.state != State::Unknown => {
            for state in State::ALL {
                sink(&[("state", state.text())], flag(state == member.state));
            }
        }
        Own::MemberInfo => {
            if let Some(identity) = &member.identity {
                let labels = [
                    ("version", identity.version.as_str()),
                    ("server_id", identity.server_id.as_str()),
                    ("peer_type", identity.peer_type.as_str()),
                    ("source", identity.source.text()),
                ];
                sink(&labels, Number::Int(1));
            }
        }
        Own::PeerStateInfo => text(member.peer_state.as_deref(), "peer_state", sink),
        Own::ObserverMasterInfo => text(member.observer_master.as_deref(), "peer", sink),
        Own::ScrapeFailure => member.failures.iter().for_each(|(command, reason)| {
            sink(&[("command", command.text()), ("reason", reason.text())], Number::Int(1));
        }),
        Own::ScrapeFailures => member.failures_total.iter().for_each(|((command, reason), count)| {
            let count = i64::try_from(*count).unwrap_or(i64::MAX);
            sink(&[("command", command.text()), ("reason", reason.text())], Number::Int(count));
        }),
        Own::ScrapeDuration => plain(member.duration.map(seconds)),
        Own::ConnectDuration => plain(member.connect.map(seconds)),
        Own::TlsCertificateNotAfter => member.certificates.iter().for_each(|certificate| {
            let until = i64::try_from(certificate.not_after).unwrap_or(i64::MAX);
            sink(&[("subject", certificate.subject.as_str())], Number::Int(until));
        }),
        Own::ZxidEpoch | Own::ZxidSequence if !member.counts_epochs() => {}
        Own::ZxidEpoch => plain(member.epoch().map(half)),
        Own::ZxidSequence => plain(member.sequence().map(half)),
        _ => {}
    }
}

fn text(value: Option<&str>, label: &str, sink: &mut Sink<'_>) {
    if let Some(value) = value {
        sink(&[(label, value)], Number::Int(1));
    }
}

fn flag(set: bool) -> Number {
    Number::Int(i64::from(set))
}

/// Half of a zxid, 32 bits.
fn half(value: u64) -> Number {
    Number::Int(i64::try_from(value).unwrap_or(i64::MAX))
}
