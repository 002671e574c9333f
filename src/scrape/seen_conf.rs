//! The part of a member's configuration that is kept between scrapes.

use crate::ensemble::Membership;
use crate::reply::conf::Conf;
use crate::text;

/// The stored part of a `conf` reply.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SeenConf {
    /// The server id.
    pub server_id: String,
    /// `participant` or `observer`, if stated.
    pub peer_type: Option<&'static str>,
    /// Connections allowed from one address; 0 for no limit.
    pub max_client_connections: Option<u64>,
    /// All settings with their keys (`tickTime` etc.), in the order of the reply.
    pub settings: Vec<(String, String)>,
    /// The membership; `None` before 3.5 and on a standalone server.
    pub membership: Option<Membership>,
}

impl From<Conf<'_>> for SeenConf {
    fn from(conf: Conf<'_>) -> Self {
        Self {
            settings: conf.settings.iter().map(|(name, value)| (text::fact(name), text::fact(value))).collect(),
            membership: Membership::from_conf(&conf),
            server_id: text::fact(conf.server_id.unwrap_or_default()),
            peer_type: match conf.peer_type {
                Some("0") => Some("participant"),
                Some("1") => Some("observer"),
                _ => None,
            },
            max_client_connections: conf.max_client_connections.and_then(|text| text.parse().ok()),
        }
    }
}
