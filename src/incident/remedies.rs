//! The first action where queries of members fail, by the reason of the failures.

use std::sync::Arc;

use crate::scrape::MemberReport;
use crate::text::line;
use crate::wire::{CONNECTION_REFUSED, Reason};

/// Maximum length of a detail, in characters.
const MAX_DETAIL: usize = 300;

/// The first action for failed queries, and a command for details.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Remedy {
    /// The first action. Names the failure, so that the actions for several failures can follow each other.
    pub(super) action: &'static str,
    /// A command for details; `<member>`, `<host>` and `<port>` are those of the member.
    look: &'static str,
}

/// Whether a problem of the exporter's settings, of the name resolution or of the whitelist is more likely than a fault
/// of the member.
const fn is_own(reason: Reason) -> bool {
    matches!(reason, Reason::Dns | Reason::Tls | Reason::Http | Reason::NotAllowed | Reason::Garbage | Reason::TooLarge)
}

/// The remedy of a reason; `None` for a limit of the exporter, which reveals nothing about the member.
fn remedy(reason: Reason, detail: &str) -> Option<Remedy> {
    let (action, look) = match reason {
        Reason::Dns => (
            "The name is not resolved: correct it in the configuration, or repair the resolver of the exporter's host. The \
             process may be healthy.",
            "First resolve it on the exporter's host: getent hosts <host>",
        ),
        Reason::Connect if detail.ends_with(CONNECTION_REFUSED) => (
            "The connection is refused: no process listens on the port. Start it; if it runs, correct the port in the \
             configuration.",
            "First check on <host> whether it runs, and why it ended: systemctl status zookeeper; ss -ltn | grep <port>; \
             journalctl -u zookeeper -n 50",
        ),
        Reason::Connect => (
            "The connection is not established: the host is down, its address is wrong, or a firewall drops the packets. \
             Bring the host back, or open the port for the exporter.",
            "First check from the exporter's host: ping -c 3 <host>; nc -zv -w 3 <host> <port>",
        ),
        Reason::Tls => (
            "The TLS connection fails: correct tls of the module (ca_file, server_name, cert_file and key_file, or remove it \
             for a plain port), or the certificate of the member. The process may be healthy.",
            "First see which certificate the port presents: openssl s_client -connect <member> -showcerts </dev/null",
        ),
        Reason::Timeout => (
            "The process accepts connections and does not reply: it is paused, hung, overloaded or loading its data. Read its \
             log before you restart it. For a TLS port, set tls in the module.",
            "First check on <host>: journalctl -u zookeeper -n 50; top -b -n 1 | head -20; iostat -x 1 3",
        ),
        Reason::Empty | Reason::Reset => (
            "The member closes connections: maxClientCnxns is reached for the exporter's address, or maxCnxns by all clients. \
             Close leaked connections, or raise the limit. A TLS port may demand a client certificate: cert_file and key_file.",
            "First count the connections by address, on <host>: ss -tnH state established sport = :<port> | awk '{print $4}' | \
             sed 's/:[0-9]*$//' | sort | uniq -c | sort -rn | head",
        ),
        Reason::NotAllowed => (
            "The member runs and refuses the commands: add them to zoo.cfg, 4lw.commands.whitelist=mntr,srvr,conf,cons,wchs,isro, \
             and restart this member only; or set admin in the module.",
            "First check what it allows, on <host>: grep 4lw zoo.cfg",
        ),
        Reason::Truncated => (
            "The replies end too early: read the log of the member for errors, then check the network between it and the \
             exporter.",
            "First check on <host>: journalctl -u zookeeper -n 50",
        ),
        Reason::Garbage => (
            "Another program replies on this port: correct address and port in the configuration.",
            "First check what listens, on <host>: ss -ltnp | grep <port>",
        ),
        Reason::TooLarge => (
            "The reply exceeds the limit: correct address and port in the configuration, or raise --limit.reply-bytes.",
            "First check what listens, on <host>: ss -ltnp | grep <port>",
        ),
        Reason::Http => (
            "The metrics endpoint or the AdminServer returns an error: correct native or admin of the module, in address, path \
             and scheme. The member may be healthy.",
            "First query it from the exporter's host: curl -v http://<host>:8080/commands/monitor",
        ),
        Reason::Limit => return None,
    };
    Some(Remedy { action, look })
}

/// The failures of members, summarised.
#[derive(Debug, Default)]
pub(super) struct FailedQueries {
    /// Without duplicates.
    pub(super) remedies: Vec<Remedy>,
    /// The command for the first of them, with the address of its member.
    pub(super) look: Option<String>,
    /// Whether all reasons are those of [`is_own`].
    pub(super) own: bool,
    /// The distinct reasons.
    reasons: Vec<&'static str>,
    /// The first member, reason and detail of each remedy.
    details: Vec<(Arc<str>, Reason, String)>,
}

impl FailedQueries {
    /// By the first failed command of each member, which is `mntr` if it failed.
    pub(super) fn of<'m>(members: impl Iterator<Item = &'m MemberReport>) -> Self {
        let mut found = Self { own: true, ..Self::default() };
        let first = |member: &'m MemberReport| {
            let reason = member.failures.iter().map(|(_, reason)| *reason).find(|reason| *reason != Reason::Limit)?;
            Some((member, reason, member.failure_detail(reason)))
        };
        for (member, reason, detail) in members.filter_map(first) {
            found.own &= is_own(reason);
            let Some(remedy) = remedy(reason, detail) else { continue };
            if !found.reasons.contains(&reason.text()) {
                found.reasons.push(reason.text());
            }
            if found.remedies.contains(&remedy) {
                continue;
            }
            found.remedies.push(remedy);
            found.look.get_or_insert_with(|| remedy.look_at(&member.name));
            if !detail.is_empty() {
                found.details.push((Arc::clone(&member.name), reason, line(detail, MAX_DETAIL)));
            }
        }
        found.own &= !found.remedies.is_empty();
        found
    }

    /// The details of one member.
    pub(super) fn detail(&self) -> Option<&str> {
        self.details.first().map(|(.., detail)| detail.as_str())
    }

    /// The details of several members: `zk-1:2181: dns: the name does not resolve`, for each remedy.
    pub(super) fn details_by_member(&self) -> Option<String> {
        let of =
            |(member, reason, detail): &(Arc<str>, Reason, String)| format!("{member}: {}: {detail}", reason.text());
        let details: Vec<String> = self.details.iter().map(of).collect();
        (!details.is_empty()).then(|| details.join("; "))
    }

    /// Why an outage is less likely than a problem of the exporter.
    pub(super) fn doubt(&self) -> Option<String> {
        let reasons = self.reasons.join(", ");
        self.own.then(|| {
            format!(
                "the queries fail with the reason {reasons}: the exporter's configuration, or its network path to the members, is \
                 more likely than an outage"
            )
        })
    }

    /// The first actions; `usual` comes first if a member may have failed.
    pub(super) fn actions(&self, usual: &str) -> Vec<String> {
        let usual = (!self.own).then_some(usual);
        usual.into_iter().chain(self.remedies.iter().map(|remedy| remedy.action)).map(str::to_owned).collect()
    }
}

impl Remedy {
    fn look_at(self, member: &str) -> String {
        let (host, port) = member.rsplit_once(':').unwrap_or((member, "2181"));
        let host = host.trim_matches(['[', ']']);
        self.look.replace("<member>", member).replace("<host>", host).replace("<port>", port)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Command;

    fn failed(name: &str, reason: Reason, detail: &str) -> MemberReport {
        MemberReport {
            failures: vec![(Command::Mntr, reason), (Command::Srvr, reason)],
            failure_details: vec![(reason, detail.into())],
            ..MemberReport::silent(name.into())
        }
    }

    #[test]
    fn the_first_action_follows_the_reason() {
        let refused = format!("10.0.0.1:2181: {CONNECTION_REFUSED}");
        let all = [
            (Reason::Dns, "not known", "resolver", true),
            (Reason::Connect, &*refused, "Start it", false),
            (Reason::Connect, "10.0.0.1:2181: no answer to the connect in time", "firewall", false),
            (Reason::Tls, "not signed by a CA", "ca_file", true),
            (Reason::Timeout, "no answer in time", "paused", false),
            (Reason::Empty, "closed", "maxClientCnxns", false),
            (Reason::Reset, "reset", "maxClientCnxns", false),
            (Reason::NotAllowed, "not in the whitelist", "4lw.commands.whitelist", true),
            (Reason::Truncated, "cut", "too early", false),
            (Reason::Garbage, "HTTP/1.1 400", "Another program", true),
            (Reason::TooLarge, "more than 1 MiB", "--limit.reply-bytes", true),
            (Reason::Http, "the AdminServer answered 404", "admin", true),
        ];
        for (reason, detail, action, own) in all {
            let member = failed("zk-1.example.com:2281", reason, detail);
            let found = FailedQueries::of([&member].into_iter());
            let actions = found.actions("Bring it back.");
            assert!(actions.last().is_some_and(|text| text.contains(action)), "{reason}: {actions:?}");
            assert_eq!((found.own, actions.len()), (own, if own { 1 } else { 2 }), "{reason}: {actions:?}");
            assert_eq!((found.detail(), found.doubt().is_some()), (Some(detail), own));
            let expected = format!("zk-1.example.com:2281: {}: {detail}", reason.text());
            assert_eq!(found.details_by_member(), Some(expected));
            let look = found.look.unwrap_or_default();
            assert!(look.starts_with("First ") && !look.contains(['<', '>']) || look.contains("</dev/null"), "{look}");
            if own {
                assert!(!actions.concat().contains("Start"), "nothing is down: {actions:?}");
            }
        }
        // A limit of the exporter reveals nothing about the member.
        let found = FailedQueries::of([&failed("zk-1:2181", Reason::Limit, "")].into_iter());
        assert!(found.remedies.is_empty() && !found.own && found.look.is_none());
    }

    #[test]
    fn each_of_several_reasons_has_an_action() {
        let refused = format!("10.0.0.2:2181: {CONNECTION_REFUSED}");
        let (name, down) = (failed("zk-1:2181", Reason::Dns, ""), failed("[::1]:2181", Reason::Connect, &refused));
        let found = FailedQueries::of([&name, &down, &down].into_iter());
        assert_eq!(found.details_by_member().map(|text| text.matches(CONNECTION_REFUSED).count()), Some(1));
        let actions = found.actions("Bring it back.");
        assert_eq!(actions.len(), 3, "{actions:?}");
        assert!(!found.own && actions[0] == "Bring it back." && actions[2].contains("Start it"), "{actions:?}");
        let alone = FailedQueries::of([&down].into_iter());
        assert!(alone.look.is_some_and(|look| look.contains("on ::1 ") && look.contains("grep 2181")));
    }
}
