//! `conf`: the configuration of a member; since 3.5 with the membership of the ensemble.

use super::{ReplyKind, classify};

/// A `server.N=` line of the membership block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServerLine<'a> {
    /// The server id.
    pub id: &'a str,
    /// The text after the equals sign: `host:2888:3888:participant;0.0.0.0:2181`.
    pub spec: &'a str,
}

/// A `conf` reply (`ConfCommand`, `ZooKeeperServerConf`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Conf<'a> {
    /// The server id; 0 on a standalone server without one.
    pub server_id: Option<&'a str>,
    /// `0` participant, `1` observer; absent on a standalone server.
    pub peer_type: Option<&'a str>,
    /// Connections allowed from one address; 0 for no limit.
    pub max_client_connections: Option<&'a str>,
    /// Every `key=value` line before the membership, in the order of the reply.
    pub settings: Vec<(&'a str, &'a str)>,
    /// The membership, in the order of the reply.
    pub servers: Vec<ServerLine<'a>>,
    /// Lines of the membership beyond the first 1000.
    pub servers_over_cap: usize,
    /// The version of the dynamic configuration (hexadecimal in the reply).
    pub version: Option<u64>,
    /// `group.N=`: a number, and the ids of the servers in the group, separated by colons (`QuorumHierarchical`).
    pub groups: Vec<(&'a str, &'a str)>,
    /// `weight.N=`: a server id, and its weight.
    pub weights: Vec<(&'a str, &'a str)>,
}

/// Maximum number of servers that are parsed; further ones are counted.
const MAX_SERVERS: usize = 1000;

/// Maximum number of settings; ZooKeeper has about twenty, Keeper about a hundred.
const MAX_SETTINGS: usize = 256;

/// A `conf` reply has at least one of these keys: ZooKeeper, `ClickHouse` Keeper, `RaftKeeper`.
const KEYS: [&str; 5] = ["clientPort", "server_id", "my_id", "tcp_port", "tcp_port_secure"];

/// Number of lines in which one of the keys must occur.
const MAX_HEAD_LINES: usize = 16;

/// Classifies a reply.
#[must_use]
pub fn kind(text: &str) -> ReplyKind {
    classify(text, |text| {
        let mut head = text.lines().take(MAX_HEAD_LINES).map_while(setting).peekable();
        head.peek().is_some() && head.any(|(name, _)| KEYS.contains(&name))
    })
}

/// A `name=value` line with a valid name.
fn setting(line: &str) -> Option<(&str, &str)> {
    let (name, value) = line.split_once('=')?;
    let named = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-'));
    (named && !name.is_empty()).then_some((name, value))
}

/// Parses a reply. The last line has no line break in any release.
#[must_use]
pub fn parse(text: &str) -> Conf<'_> {
    let mut conf = Conf::default();
    for line in text.lines() {
        let Some((name, value)) = line.trim_end().split_once('=') else { continue };
        if let Some(id) = name.strip_prefix("server.") {
            if conf.servers.len() < MAX_SERVERS {
                conf.servers.push(ServerLine { id, spec: value });
            } else {
                conf.servers_over_cap += 1;
            }
            continue;
        }
        if name == "version" {
            conf.version = u64::from_str_radix(value, 16).ok();
        } else if let Some(group) = name.strip_prefix("group.") {
            push(&mut conf.groups, MAX_SERVERS, (group, value));
        } else if let Some(server) = name.strip_prefix("weight.") {
            push(&mut conf.weights, MAX_SERVERS, (server, value));
        } else {
            push(&mut conf.settings, MAX_SETTINGS, (name, value));
        }
        match name {
            "serverId" => conf.server_id = Some(value),
            // Keeper writes -1 outside a cluster.
            "server_id" | "my_id" if !value.starts_with('-') => conf.server_id = Some(value),
            "peerType" => conf.peer_type = Some(value),
            "maxClientCnxns" => conf.max_client_connections = Some(value),
            _ => {}
        }
    }
    conf
}

/// What is missing from a reply that ended normally.
///
/// The membership ends with its version; all other replies end with a line break, and `ZooKeeper`'s have a server id.
#[must_use]
pub fn lacks(text: &str) -> Option<&'static str> {
    let has_membership = text.lines().any(|line| line.starts_with("membership:") || line.starts_with("server."));
    if has_membership {
        let last = text.lines().rfind(|line| !line.trim().is_empty()).and_then(|line| line.strip_prefix("version="));
        let ends_whole = last.is_some_and(|version| u64::from_str_radix(version.trim_end(), 16).is_ok());
        return (!ends_whole).then_some("the end of the membership is missing");
    }
    let has_key = |key: &str| text.lines().any(|line| line.split_once('=').is_some_and(|(name, _)| name == key));
    (!text.ends_with('\n') || has_key("clientPort") && !has_key("serverId")).then_some("its last lines are missing")
}

fn push<'a>(list: &mut Vec<(&'a str, &'a str)>, cap: usize, item: (&'a str, &'a str)) {
    if list.len() < cap {
        list.push(item);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reply::text;

    #[test]
    fn parses_an_observer_with_its_membership() {
        let conf = parse(
            "clientPort=25004\nserverId=4\npeerType=1\nmembership: \nserver.1=127.0.0.1:1:2:participant\nserver.4=127.0.0.1:3:4:observer;0.0.0.0:2181\nversion=0",
        );
        assert_eq!((conf.server_id, conf.peer_type), (Some("4"), Some("1")));
        assert_eq!(conf.servers[1], ServerLine { id: "4", spec: "127.0.0.1:3:4:observer;0.0.0.0:2181" });
        assert_eq!(conf.settings, [("clientPort", "25004"), ("serverId", "4"), ("peerType", "1")]);
        assert_eq!((conf.version, conf.groups.len()), (Some(0), 0));
    }

    #[test]
    fn a_reply_without_its_end_is_recognised() {
        let servers =
            "clientPort=1\nserverId=1\npeerType=0\nmembership: \nserver.1=a:1:2:participant\nserver.2=b:1:2:observer\n";
        for whole in [
            &format!("{servers}version=100000000"),
            &format!("{servers}version=100000000 \n"),
            &format!("{servers}group.1=1:2\nweight.1=1\nweight.2=1\nversion=f\n"),
            "clientPort=1\nserverId=0\n",
            "clientPort=1\nserverId=1\npeerType=0\n",
            "server_id=-1\ntcp_port=9181\n",
            "my_id=7\nport=2181\n",
        ] {
            assert_eq!(lacks(whole), None, "{whole}");
        }
        for cut in [
            servers,
            &format!("{servers}version="),
            &format!("{servers}version=g"),
            &format!("{servers}group.1=1:2\n"),
            servers.trim_end(),
            "clientPort=1\nserverId=1\nmembership: ",
            "clientPort=1\nserverId=1\nserver.1=a:1:2:participant\n",
            "clientPort=1\n",
            "clientPort=1\nserverId=1\npeerType=",
            "server_id=1\ntcp_po",
        ] {
            assert!(lacks(cut).is_some(), "{cut}");
        }
    }

    #[test]
    fn blanks_at_the_end_of_a_line_are_ignored() {
        let conf = parse("serverId=1 \npeerType=0\t\nserver.1=a:1:2:participant \nversion=100000000 \n");
        assert_eq!((conf.server_id, conf.peer_type, conf.version), (Some("1"), Some("0"), Some(0x1_0000_0000)));
        assert_eq!(conf.servers, [ServerLine { id: "1", spec: "a:1:2:participant" }]);
    }

    #[test]
    fn conf_replies_of_keeper_and_raftkeeper_are_parsed() {
        for (text, id) in [
            ("server_id=1\nenable_ipv6=true\ntcp_port=9181\n", Some("1")),
            ("enable_ipv6=true\ntcp_port=9181\n", None),
            ("server_id=-1\ntcp_port=9181\n", None),
            ("my_id=7\nport=2181\nhost=raft-1\n", Some("7")),
            ("clientPort=2181\nserverId=3\n", Some("3")),
        ] {
            assert_eq!((kind(text), parse(text).server_id), (ReplyKind::Answer, id), "{text}");
        }
        let marked = text(b"\xef\xbb\xbfclientPort=2181\nserverId=3\n");
        assert_eq!((kind(&marked), parse(&marked).server_id), (ReplyKind::Answer, Some("3")));
        for text in ["a=b\nc=d\n", "HTTP/1.1 400 Bad Request\r\nclientPort=1\r\n", "<a href=x>\nserver_id=1\n"] {
            assert_eq!(kind(text), ReplyKind::Garbage, "{text}");
        }
    }
}
