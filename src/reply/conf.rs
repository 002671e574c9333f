//! `conf`: how a member is configured; from 3.5 on with the membership of the ensemble.

use super::{Recognised, recognise};

/// A `server.N=` line of the membership block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Server<'a> {
    /// The server id.
    pub id: &'a str,
    /// All behind the equals sign: `host:2888:3888:participant;0.0.0.0:2181`.
    pub spec: &'a str,
}

/// What `conf` says (`ConfCommand`, `ZooKeeperServerConf`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Conf<'a> {
    /// The server id; 0 on a standalone server that has none.
    pub server_id: Option<&'a str>,
    /// `0` participant, `1` observer; absent on a standalone server.
    pub peer_type: Option<&'a str>,
    /// Connections allowed from one address; 0 for no limit.
    pub max_client_connections: Option<&'a str>,
    /// Every `key=value` line before the membership, in the order of the reply.
    pub settings: Vec<(&'a str, &'a str)>,
    /// The membership, in the order of the reply.
    pub servers: Vec<Server<'a>>,
    /// The version of the dynamic configuration, written in hexadecimal.
    pub version: Option<u64>,
    /// The membership has groups or weights (`QuorumHierarchical`).
    pub hierarchical: bool,
}

/// A membership larger than this is no membership.
const MAX_SERVERS: usize = 1000;

/// The largest `conf` of any release has some twenty settings.
const MAX_SETTINGS: usize = 64;

/// What kind of reply this is.
#[must_use]
pub fn recognised(text: &str) -> Recognised {
    recognise(text, |text| text.starts_with("clientPort="))
}

/// Reads a reply. The last line has no line break in any release.
#[must_use]
pub fn parse(text: &str) -> Conf<'_> {
    let mut conf = Conf::default();
    for line in text.lines() {
        let Some((name, value)) = line.split_once('=') else { continue };
        if let Some(id) = name.strip_prefix("server.") {
            if conf.servers.len() < MAX_SERVERS {
                conf.servers.push(Server { id, spec: value });
            }
            continue;
        }
        match name {
            "version" => conf.version = u64::from_str_radix(value, 16).ok(),
            _ if name.starts_with("group.") || name.starts_with("weight.") => conf.hierarchical = true,
            _ => {
                if conf.settings.len() < MAX_SETTINGS {
                    conf.settings.push((name, value));
                }
            }
        }
        match name {
            "serverId" => conf.server_id = Some(value),
            "peerType" => conf.peer_type = Some(value),
            "maxClientCnxns" => conf.max_client_connections = Some(value),
            _ => {}
        }
    }
    conf
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_an_observer_with_its_membership() {
        let conf = parse(
            "clientPort=25004\nserverId=4\npeerType=1\nmembership: \nserver.1=127.0.0.1:1:2:participant\nserver.4=127.0.0.1:3:4:observer;0.0.0.0:2181\nversion=0",
        );
        assert_eq!((conf.server_id, conf.peer_type), (Some("4"), Some("1")));
        assert_eq!(conf.servers[1], Server { id: "4", spec: "127.0.0.1:3:4:observer;0.0.0.0:2181" });
        assert_eq!(conf.settings, [("clientPort", "25004"), ("serverId", "4"), ("peerType", "1")]);
        assert_eq!((conf.version, conf.hierarchical), (Some(0), false));
    }
}
