//! `srvr`: the only command that every release allows by default, and the only four-letter source of the zxid.

use super::mntr::Entry;
use super::{ReplyKind, classify};

/// A `srvr` reply; missing lines are `None` (`StatCommand`, `ServerStats.toString`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Srvr<'a> {
    /// The full version text.
    pub version: Option<&'a str>,
    /// Minimum, mean and maximum latency in milliseconds, as written.
    pub latency: Option<(&'a str, &'a str, &'a str)>,
    /// Packets received.
    pub received: Option<&'a str>,
    /// Packets sent.
    pub sent: Option<&'a str>,
    /// Open client connections, including this one.
    pub connections: Option<&'a str>,
    /// Requests in process.
    pub outstanding: Option<&'a str>,
    /// The last processed transaction.
    pub zxid: Option<u64>,
    /// `leader`, `follower`, `observer`, `standalone` or `read-only`.
    pub mode: Option<&'a str>,
    /// Znodes in the tree.
    pub node_count: Option<&'a str>,
    /// Last, minimum and maximum proposal in bytes; leader only.
    pub proposal_sizes: Option<(&'a str, &'a str, &'a str)>,
}

/// Classifies a reply. ClickHouse Keeper and RaftKeeper begin with their own name; a product of another name must send
/// more than its version.
#[must_use]
pub fn kind(text: &str) -> ReplyKind {
    classify(text, |text| {
        let mut lines = text.lines();
        let Some((product, _)) = lines.next().and_then(|line| line.split_once(" version: ")) else { return false };
        let product = product.as_bytes();
        let name = &product[product.len().saturating_sub(KEEPER.len())..];
        let is_known =
            name.eq_ignore_ascii_case(KEEPER) && product.iter().all(|byte| byte.is_ascii_alphabetic() || *byte == b' ');
        is_known || lines.take(MAX_HEAD_LINES).any(|line| line.starts_with("Latency min/avg/max: "))
    })
}

/// The end of the name of each known product.
const KEEPER: &[u8] = b"keeper";

/// Lines after the version within which the latencies follow; a read-only server writes one line before them.
const MAX_HEAD_LINES: usize = 4;

/// Parses a reply; a last line without a line break is ignored.
#[must_use]
pub fn parse(text: &str) -> Srvr<'_> {
    let mut srvr = Srvr::default();
    for line in text.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n')) {
        let Some((name, value)) = line.trim_end_matches('\r').split_once(": ") else { continue };
        // RaftKeeper and older Keepers write `Sent : 2`.
        match name.trim_end() {
            "Latency min/avg/max" => srvr.latency = triple(value),
            "Received" => srvr.received = Some(value),
            "Sent" => srvr.sent = Some(value),
            "Connections" => srvr.connections = Some(value),
            "Outstanding" => srvr.outstanding = Some(value),
            "Zxid" => srvr.zxid = zxid(value),
            "Mode" => srvr.mode = Some(value),
            "Node count" => srvr.node_count = Some(value),
            "Proposal sizes last/min/max" => srvr.proposal_sizes = triple(value),
            _ if srvr.version.is_none() && name.ends_with(" version") => srvr.version = Some(value),
            _ => {}
        }
    }
    srvr
}

/// Whether the reply is complete: `Mode` and `Node count` are its last lines.
#[must_use]
pub fn is_whole(srvr: &Srvr<'_>) -> bool {
    srvr.mode.is_some() && srvr.node_count.is_some()
}

impl<'a> Srvr<'a> {
    /// The same facts under their `mntr` keys, for members that refuse `mntr`.
    pub fn entries(&self) -> impl Iterator<Item = Entry<'a>> + use<'a> {
        let (min, avg, max) = split(self.latency);
        let (last_proposal, min_proposal, max_proposal) = split(self.proposal_sizes);
        [
            ("avg_latency", avg),
            ("max_latency", max),
            ("min_latency", min),
            ("packets_received", self.received),
            ("packets_sent", self.sent),
            ("num_alive_connections", self.connections),
            ("outstanding_requests", self.outstanding),
            ("znode_count", self.node_count),
            ("last_proposal_size", last_proposal),
            ("min_proposal_size", min_proposal),
            ("max_proposal_size", max_proposal),
        ]
        .into_iter()
        .filter_map(|(key, value)| Some(Entry::new(key, value?)))
    }
}

/// `0x1000004cf`, or decimal as `RaftKeeper` and older Keepers write it. From 2^63 up it is a negative number, which no
/// transaction has.
fn zxid(text: &str) -> Option<u64> {
    let (digits, radix) = text.strip_prefix("0x").map_or((text, 10), |hex| (hex, 16));
    // The standard library accepts a sign.
    let is_plain = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    let zxid = is_plain.then(|| i64::from_str_radix(digits, radix).ok()).flatten()?;
    u64::try_from(zxid).ok()
}

type Triple<'a> = (&'a str, &'a str, &'a str);

fn triple(text: &str) -> Option<Triple<'_>> {
    let mut parts = text.split('/');
    let triple = (parts.next()?, parts.next()?, parts.next()?);
    parts.next().is_none().then_some(triple)
}

fn split(triple: Option<Triple<'_>>) -> (Option<&str>, Option<&str>, Option<&str>) {
    triple.map_or((None, None, None), |(a, b, c)| (Some(a), Some(b), Some(c)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEADER: &str = "Zookeeper version: 3.8.0-${mvngit.commit.id}, built on 2024-12-29 17:54 UTC
Latency min/avg/max: 0/0.896/10
Received: 490
Sent: 505
Connections: 2
Outstanding: 0
Zxid: 0x1000004cf
Mode: leader
Node count: 512
Proposal sizes last/min/max: 36/36/889
";

    #[test]
    fn parses_a_leader() {
        let srvr = parse(LEADER);
        assert_eq!(srvr.zxid, Some(0x1_0000_04cf));
        assert_eq!(srvr.mode, Some("leader"));
        assert_eq!(srvr.latency, Some(("0", "0.896", "10")));
        assert_eq!(srvr.entries().count(), 11);
        assert!(is_whole(&srvr));
    }

    #[test]
    fn a_line_of_another_kind_is_not_a_version() {
        let srvr = parse("Zookeeper version: 3.8.0\nOther: 5\nOther version: 6\n");
        assert_eq!(srvr.version, Some("3.8.0"));
    }

    #[test]
    fn a_version_of_another_program_is_not_a_reply() {
        for text in [
            "220 mail ESMTP version: Postfix\r\n",
            "Proxy version: 1.2 \n",
            "HTTP/1.1 200 Keeper version: 3.8.0\n",
            " version: 1\n",
            "X version: 1\nMode: leader\n",
        ] {
            assert_eq!(kind(text), ReplyKind::Garbage, "{text}");
        }
        let cut = LEADER.lines().next().unwrap_or_default();
        for text in [LEADER, cut, "ClickHouse Keeper version: v23.4\n", "RaftKeeper version: RaftKeeper v2.0.5\n"] {
            assert_eq!(kind(text), ReplyKind::Answer, "{text}");
        }
        assert_eq!(kind(&LEADER.replace("Zookeeper version", "Fork version")), ReplyKind::Answer);
    }

    #[test]
    fn parses_a_read_only_member() {
        let text = LEADER.replace("Latency", "READ-ONLY mode; serving only read-only clients\nLatency");
        assert_eq!(parse(&text), parse(LEADER));
    }

    #[test]
    fn a_truncated_reply_keeps_complete_lines_only() {
        let cut = &LEADER[..=LEADER.find("512").unwrap_or(0)];
        let srvr = parse(cut);
        assert_eq!((srvr.mode, srvr.node_count), (Some("leader"), None));
        assert!(!is_whole(&srvr));
    }

    #[test]
    fn parses_raftkeeper() {
        let srvr = parse("RaftKeeper version: RaftKeeper v2.0.5\nSent : 60406965\nZxid: 4960740637\n");
        assert_eq!(
            (srvr.version, srvr.sent, srvr.zxid),
            (Some("RaftKeeper v2.0.5"), Some("60406965"), Some(4_960_740_637))
        );
        for text in [
            "",
            "0x",
            "0x-1",
            "-1",
            "+1",
            "0x+1",
            "0X5",
            "99999999999999999999",
            "a1",
            "0xffffffffffffffff",
            "0x8000000000000000",
            "18446744073709551615",
        ] {
            assert_eq!(zxid(text), None, "{text}");
        }
    }
}
