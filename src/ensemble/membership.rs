//! Who belongs to an ensemble, as its own servers say it in the membership block of `conf`.

use crate::reply::conf::Conf;

/// The membership of one configuration version (`QuorumVerifier.toString`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Membership {
    /// The version of the dynamic configuration; 0 until the first reconfiguration.
    pub version: u64,
    /// The servers, in the order of the reply.
    pub servers: Vec<Server>,
    /// Quorums by groups and weights (`QuorumHierarchical`): a majority of heads means nothing.
    pub hierarchical: bool,
}

/// One server of a membership.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// The server id.
    pub id: String,
    /// The host of its quorum port, without the brackets of an IPv6 address; the first of several.
    pub host: String,
    /// The quorum port.
    pub quorum_port: u16,
    /// It votes; an observer does not.
    pub voter: bool,
    /// Where its clients connect, if the membership says so; the host may be a wildcard such as `0.0.0.0`.
    pub client: Option<(String, u16)>,
}

impl Membership {
    /// The membership that a `conf` reply holds; `None` before 3.5, on a standalone server, and where nobody votes.
    #[must_use]
    pub fn from_conf(conf: &Conf<'_>) -> Option<Self> {
        let servers: Vec<Server> = conf.servers.iter().filter_map(|line| Server::parse(line.id, line.spec)).collect();
        // Nobody could ever have decided anything: no membership of a real ensemble.
        if !servers.iter().any(|server| server.voter) {
            return None;
        }
        Some(Self { version: conf.version.unwrap_or(0), servers, hierarchical: conf.hierarchical })
    }

    /// The number of servers that vote.
    #[must_use]
    pub fn voters(&self) -> usize {
        self.servers.iter().filter(|server| server.voter).count()
    }
}

impl Server {
    /// Reads `host:2888:3888:participant;0.0.0.0:2181` (`QuorumServer.toString`); several quorum addresses are joined
    /// with `|`, the role and the client part may be missing.
    fn parse(id: &str, spec: &str) -> Option<Self> {
        let (quorum, client) = spec.split_once(';').map_or((spec, None), |(quorum, client)| (quorum, Some(client)));
        let voter = !quorum.ends_with(":observer");
        let (host, rest) = host(quorum.split('|').next()?)?;
        let quorum_port = rest.split(':').next()?.parse().ok()?;
        let client = client.and_then(|client| match client.parse() {
            // Only a port: any address of the server.
            Ok(port) => Some(("0.0.0.0".to_owned(), port)),
            Err(_) => host_and_port(client),
        });
        Some(Self { id: id.to_owned(), host: host.to_owned(), quorum_port, voter, client })
    }
}

fn host_and_port(text: &str) -> Option<(String, u16)> {
    let (host, port) = host(text)?;
    Some((host.to_owned(), port.parse().ok()?))
}

/// The host before the first colon, brackets taken off, and all behind that colon.
fn host(text: &str) -> Option<(&str, &str)> {
    let (host, rest) = match text.strip_prefix('[') {
        Some(inner) => inner.split_once("]:")?,
        None => text.split_once(':')?,
    };
    (!host.is_empty()).then_some((host, rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reply::conf;

    #[test]
    fn reads_every_form_a_server_writes() {
        let text = "clientPort=1\nmembership: \nserver.1=zk-1:2888:3888:participant;0.0.0.0:2181\n\
            server.2=[fd00::2]:2888:3888:participant;[fd00::2]:2281\nserver.3=a:1:2|b:3:4:observer\n\
            server.4=zk-4:2888:3888;2381\nserver.5=nonsense\nversion=100000000";
        let membership = Membership::from_conf(&conf::parse(text)).expect("a membership");
        assert_eq!((membership.version, membership.voters(), membership.hierarchical), (0x1_0000_0000, 3, false));
        let seen: Vec<_> = membership
            .servers
            .iter()
            .map(|server| (&*server.host, server.quorum_port, server.voter, server.client.clone()))
            .collect();
        assert_eq!(
            seen,
            [
                ("zk-1", 2888, true, Some(("0.0.0.0".into(), 2181))),
                ("fd00::2", 2888, true, Some(("fd00::2".into(), 2281))),
                ("a", 1, false, None),
                ("zk-4", 2888, true, Some(("0.0.0.0".into(), 2381))),
            ]
        );
    }

    #[test]
    fn groups_and_weights_are_no_majority() {
        let text = "clientPort=1\nmembership: \nserver.1=a:1:2:participant\ngroup.1=1\nweight.1=1\nversion=0";
        assert!(Membership::from_conf(&conf::parse(text)).is_some_and(|membership| membership.hierarchical));
        assert_eq!(Membership::from_conf(&conf::parse("clientPort=1\nserverId=0\n")), None);
        let without_a_voter = "clientPort=1\nserver.1=a:1:2:observer\nversion=0";
        assert_eq!(Membership::from_conf(&conf::parse(without_a_voter)), None);
    }
}
