//! `cons`: the client connections of a server; and the equivalent JSON of the AdminServer.
//!
//! The command lists the connections of the port that it was sent to, the AdminServer those of both client ports.
//! Memory is proportional to the size of the reply: a recognised connection has at least 20 bytes.

use core::net::IpAddr;
use std::borrow::Cow;

use serde::Deserialize;

use super::{ReplyKind, classify, is_not_serving};

/// One connection to a client port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Connection {
    /// Address of the client; never an IPv4-mapped IPv6 address.
    pub address: IpAddr,
    /// Port of the client.
    pub port: u16,
    /// Id of the session; 0 without one, as for a four-letter command.
    pub session: u64,
    /// Requests without a reply.
    pub outstanding: u64,
    /// Packets received since it was opened.
    pub received: u64,
    /// Packets sent since it was opened.
    pub sent: u64,
    /// The longest latency of a request since it was opened, in milliseconds.
    pub max_latency_ms: u64,
}

/// The connections of one member.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConnectionList {
    /// The connections of each client port; `maxClientCnxns` limits each port separately.
    pub by_port: Vec<Vec<Connection>>,
}

impl ConnectionList {
    /// Number of connections to all ports.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_port.iter().map(Vec::len).sum()
    }

    /// Whether there is no connection.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Classifies a reply.
#[must_use]
pub fn kind(text: &str) -> ReplyKind {
    let first = |text: &str| text.lines().find(|line| !line.trim().is_empty()).map(connection);
    classify(text, |text| first(text).is_none_or(|found| found.is_some()))
}

/// Whether the reply ends with a complete line.
#[must_use]
pub fn ends_whole(text: &str) -> bool {
    text.ends_with('\n')
}

/// Parses a `cons` reply (`ServerCnxn.dumpConnectionInfo`). Other lines, connections without an address (closed in the
/// meantime), and a last line without a line break are ignored.
#[must_use]
pub fn parse(text: &str) -> ConnectionList {
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    ConnectionList { by_port: vec![whole.lines().filter_map(connection).flatten().collect()] }
}

/// Parses ` /10.0.0.5:43392[1](queued=0,recved=489,sent=501,sid=0x1000011aa8e0000,...,maxlat=11)`; ClickHouse Keeper
/// writes neither `/` nor `[1]`. `None` if it is not a connection, `Some(None)` for one without an address.
#[expect(clippy::option_option, reason = "a line may be a connection without an address")]
fn connection(line: &str) -> Option<Option<Connection>> {
    let (head, fields) = line.trim().strip_suffix(')')?.split_once('(')?;
    let (mut received, mut sent, mut session, mut outstanding, mut max_latency_ms) = (None, None, 0, 0, 0);
    for (name, value) in fields.split(',').filter_map(|field| field.split_once('=')) {
        let number = || value.parse().ok();
        match name {
            "recved" => received = number(),
            "sent" => sent = number(),
            "queued" => outstanding = number().unwrap_or(0),
            "maxlat" => max_latency_ms = number().unwrap_or(0),
            "sid" => {
                let hex = value.strip_prefix("0x").unwrap_or(value);
                session = u64::from_str_radix(hex, 16).unwrap_or(0);
            }
            _ => {}
        }
    }
    let (received, sent) = (received?, sent?);
    let peer = match head.strip_suffix(']').and_then(|head| head.rsplit_once('[')) {
        Some((peer, operations)) if operations.bytes().all(|byte| byte.is_ascii_hexdigit()) => peer,
        _ => head,
    };
    let connection =
        |(address, port)| Connection { address, port, session, outstanding, received, sent, max_latency_ms };
    Some(socket_address(peer).map(connection))
}

/// Parses `/10.0.0.5:43392`, `client/10.0.0.5:43392`, `/[0:0:0:0:0:0:0:1]:43392`, the same without brackets (JDK 13 and
/// older), `/[fe80:0:0:0:0:0:0:1%eth0]:43392` and `[::ffff:10.0.0.5]:43392`.
fn socket_address(text: &str) -> Option<(IpAddr, u16)> {
    let (address, port) = text.rsplit('/').next().unwrap_or(text).rsplit_once(':')?;
    let address = address.strip_prefix('[').and_then(|address| address.strip_suffix(']')).unwrap_or(address);
    let address = address.split('%').next().unwrap_or(address);
    Some((address.parse::<IpAddr>().ok()?.to_canonical(), port.parse().ok()?))
}

/// The body of `/commands/connections`; the secure port has its own list since 3.6.
#[derive(Deserialize)]
struct ConnectionsBody<'b> {
    #[serde(borrow)]
    connections: Option<Vec<JsonConnection<'b>>>,
    #[serde(borrow)]
    secure_connections: Option<Vec<JsonConnection<'b>>>,
    command: Option<Cow<'b, str>>,
    error: Option<Cow<'b, str>>,
}

/// One connection in the body.
#[derive(Deserialize)]
struct JsonConnection<'b> {
    #[serde(borrow)]
    remote_socket_address: Option<Cow<'b, str>>,
    packets_received: i64,
    packets_sent: i64,
    session_id: i64,
    outstanding_requests: Option<i64>,
    max_latency: Option<i64>,
}

impl JsonConnection<'_> {
    fn connection(&self) -> Option<Connection> {
        let (address, port) = socket_address(self.remote_socket_address.as_deref()?)?;
        let count = |number: i64| u64::try_from(number).unwrap_or(0);
        Some(Connection {
            address,
            port,
            session: self.session_id.cast_unsigned(),
            outstanding: count(self.outstanding_requests.unwrap_or(0)),
            received: count(self.packets_received),
            sent: count(self.packets_sent),
            max_latency_ms: count(self.max_latency.unwrap_or(0)),
        })
    }
}

/// Parses the body of the AdminServer's `/commands/connections` (`Commands.ConsCommand`).
///
/// A truncated body is an answer without connections.
#[must_use]
pub fn from_json(body: &str) -> (ReplyKind, ConnectionList) {
    let nothing = |kind| (kind, ConnectionList::default());
    match serde_json::from_str::<ConnectionsBody<'_>>(body) {
        Ok(ConnectionsBody { error: Some(error), .. }) if is_not_serving(&error) => nothing(ReplyKind::NotServing),
        Ok(ConnectionsBody { connections: Some(plain), secure_connections, command: Some(_), error: None }) => {
            let of_port = |all: Vec<JsonConnection<'_>>| all.iter().filter_map(JsonConnection::connection).collect();
            let by_port = std::iter::once(plain).chain(secure_connections).map(of_port).collect();
            (ReplyKind::Answer, ConnectionList { by_port })
        }
        Err(_) if body.is_empty() => nothing(ReplyKind::Empty),
        Err(error) if body.starts_with('{') && error.is_eof() => nothing(ReplyKind::Answer),
        _ => nothing(ReplyKind::Garbage),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A line as a real server writes it.
    const LINE: &str = " /127.0.0.11:38791[1](queued=2,recved=202,sent=203,sid=0x100000c0e990001,lop=PING,est=1796059511460,to=8000,lcxid=0xc8,lzxid=0x10000003e,lresp=828648,llat=19,minlat=0,avglat=3,maxlat=64)\n";

    fn only(text: &str) -> Vec<Connection> {
        let list = parse(text);
        assert_eq!(list.by_port.len(), 1);
        list.by_port.concat()
    }

    #[test]
    fn parses_replies_of_real_servers() {
        let expected = Connection {
            address: "127.0.0.11".parse().expect("an address"),
            port: 38791,
            session: 0x100_000c_0e99_0001,
            outstanding: 2,
            received: 202,
            sent: 203,
            max_latency_ms: 64,
        };
        assert_eq!(only(LINE), [expected]);
        let command = " /127.0.0.1:47406[0](queued=0,recved=1,sent=0)\n";
        let found = only(&format!("{LINE}{command}\n"));
        assert_eq!((found.len(), found[1].session, found[1].max_latency_ms), (2, 0, 0));
        assert_eq!(kind(&format!("{command}\n")), ReplyKind::Answer);
        assert_eq!(kind("\n"), ReplyKind::Answer, "no connection");
        assert_eq!(kind("This ZooKeeper instance is not currently serving requests\n"), ReplyKind::NotServing);
        assert_eq!(kind("cons is not executed because it is not in the whitelist.\n"), ReplyKind::NotAllowed);
        for garbage in ["imok", "(recved=1)", " /1.2.3.4:5[1](recved=1)\n", " /1.2.3.4:5[1](recved=-1,sent=1)\n"] {
            assert_eq!(kind(garbage), ReplyKind::Garbage, "{garbage}");
        }
    }

    #[test]
    fn addresses_are_parsed_in_every_form() {
        for (peer, address) in [
            ("/10.0.0.5:1[1]", "10.0.0.5"),
            ("client.example/10.0.0.5:1[0]", "10.0.0.5"),
            ("/[0:0:0:0:0:0:0:1]:1[1]", "::1"),
            ("/0:0:0:0:0:0:0:1:1[5]", "::1"),
            ("/[fe80:0:0:0:0:0:0:1%eth0]:1[1]", "fe80::1"),
            ("/fe80:0:0:0:0:0:0:1%2:1[1]", "fe80::1"),
            ("[::ffff:10.0.0.5]:1", "10.0.0.5"),
            ("10.0.0.5:1", "10.0.0.5"),
            ("[::1]:1", "::1"),
        ] {
            let found = only(&format!(" {peer}(queued=0,recved=1,sent=0)\n"));
            assert_eq!(found.len(), 1, "{peer}");
            assert_eq!(found[0].address.to_string(), address, "{peer}");
        }
        for closed in ["null[0]", "/10.0.0.5[1]", "/10.0.0.5:70000[1]", "/name:1[1]"] {
            let text = format!(" {closed}(queued=0,recved=1,sent=0)\n");
            assert_eq!((kind(&text), only(&text).len()), (ReplyKind::Answer, 0), "{closed}");
        }
    }

    #[test]
    fn a_truncated_line_is_not_a_connection() {
        let text = format!("{LINE}{}", &LINE[..60]);
        assert!(!ends_whole(&text));
        assert_eq!(only(&text).len(), 1);
    }

    #[test]
    fn the_admin_server_lists_both_ports() {
        let one = |address: &str| {
            format!(
                r#"{{"remote_socket_address":{address},"interest_ops":1,"outstanding_requests":3,"packets_received":7,"packets_sent":8,"session_id":-9223372036854775807,"last_operation":null,"max_latency":5}}"#
            )
        };
        let (plain, secure, closed) = (one(r#""10.0.0.5:1""#), one(r#""[0:0:0:0:0:0:0:1]:2""#), one("null"));
        let body = format!(
            r#"{{"connections":[{plain},{closed}],"secure_connections":[{secure}],"command":"connections","error":null}}"#
        );
        let (kind, list) = from_json(&body);
        assert_eq!((kind, list.by_port.iter().map(Vec::len).collect::<Vec<_>>()), (ReplyKind::Answer, vec![1, 1]));
        let found = list.by_port[1][0];
        assert_eq!((found.address.to_string(), found.port, found.session), ("::1".into(), 2, 0x8000_0000_0000_0001));
        assert_eq!((found.outstanding, found.received, found.sent, found.max_latency_ms), (3, 7, 8, 5));
        let error = r#"{"command":"connections","error":"This ZooKeeper instance is not currently serving requests"}"#;
        for (body, kind) in [
            (error, ReplyKind::NotServing),
            ("", ReplyKind::Empty),
            (&body[..90], ReplyKind::Answer),
            ("<html>", ReplyKind::Garbage),
            ("{}", ReplyKind::Garbage),
            (r#"{"connections":[{}],"command":"connections","error":null}"#, ReplyKind::Garbage),
        ] {
            assert_eq!(from_json(body), (kind, ConnectionList::default()), "{body}");
        }
    }

    proptest! {
        /// Any input is parsed; connections are bounded by its size, and no address is IPv4-mapped.
        #[test]
        fn any_text_gives_bounded_connections(
            text in "( ?/?[0-9a-f:.\\[\\]%]{0,30}:[0-9]{1,6}(\\[[0-9a-f]\\])?\\((recved=|sent=|sid=0x|maxlat=|queued=|,|[0-9a-f]{1,20}|-){0,12}\\)\r?\n|[ -~]{0,20}\n?|\\PC{0,10}){0,20}"
        ) {
            for (list, _) in [(parse(&text), kind(&text)), (from_json(&text).1, kind(&text))] {
                let all = list.by_port.concat();
                prop_assert!(all.len() * 20 <= text.len());
                prop_assert!(all.iter().all(|connection| connection.address == connection.address.to_canonical()));
            }
        }

        /// A truncated reply gives a prefix of the connections.
        #[test]
        fn a_truncated_reply_gives_no_other_connection(ports in proptest::collection::vec(1..u16::MAX, 1..20), cut in 0..4000_usize) {
            let lines = ports.iter().map(|port| LINE.replace("38791", &port.to_string()));
            let text = lines.collect::<Vec<_>>().concat();
            prop_assert!(only(&text).starts_with(&only(&text[..cut.min(text.len())])));
        }
    }
}
