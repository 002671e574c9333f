//! `srvr` and `conf`: any bytes are parsed, and a generated reply is parsed to its original values.

use arbitrary::{Result, Unstructured};
use zookeeper_exporter::ensemble::Membership;
use zookeeper_exporter::reply::{self, ReplyKind, conf as reply_conf, srvr as reply_srvr};

use super::mntr::page_holds;
use super::replies::member;

/// Parses arbitrary bytes as `srvr`, and a generated reply.
pub fn srvr(data: &[u8]) {
    let text = reply::text(data);
    let read = reply_srvr::parse(&text);
    assert!(read.entries().count() <= 11);
    page_holds(&member("zk-1:2181", None, Some(data), None));
    let _ = written_srvr(&mut Unstructured::new(data));
}

fn written_srvr(input: &mut Unstructured<'_>) -> Result<()> {
    let (zxid, nodes, latency): (u64, u64, [u32; 3]) = input.arbitrary()?;
    let mode = *input.choose(&["leader", "follower", "observer", "standalone", "read-only", "tired"])?;
    let end = *input.choose(&["\n", "\r\n"])?;
    let stranger: &str = input.arbitrary()?;
    let stranger = stranger.replace([':', '\n', '\r'], " ");
    let [min, avg, max] = latency.map(|number| number.to_string());
    let text = [
        "Zookeeper version: 3.8.0-x, built on 2024".to_owned(),
        format!("Latency min/avg/max: {min}/{avg}/{max}"),
        stranger,
        format!("Zxid: 0x{zxid:x}"),
        format!("Mode: {mode}"),
        format!("Node count: {nodes}"),
        String::new(),
    ]
    .join(end);
    assert_eq!(reply_srvr::kind(&text), ReplyKind::Answer);
    let read = reply_srvr::parse(&text);
    // The epoch is a positive Java int.
    let is_zxid = |zxid: &u64| i64::try_from(*zxid).is_ok();
    assert_eq!((read.zxid, read.mode), (Some(zxid).filter(is_zxid), Some(mode)));
    assert_eq!(read.node_count, Some(&*nodes.to_string()));
    assert_eq!(read.latency, Some((&*min, &*avg, &*max)));
    assert!(reply_srvr::is_whole(&read));
    page_holds(&member("zk-1:2181", None, Some(text.as_bytes()), None));
    Ok(())
}

/// Parses arbitrary bytes as `conf`, and a generated membership.
pub fn conf(data: &[u8]) {
    let text = reply::text(data);
    let read = reply_conf::parse(&text);
    let membership = Membership::from_conf(&read);
    assert!(membership.is_none_or(|membership| membership.servers.len() == read.servers.len()), "a server is lost");
    page_holds(&member("zk-1:2181", None, None, Some(data)));
    let _ = written_conf(&mut Unstructured::new(data));
}

fn written_conf(input: &mut Unstructured<'_>) -> Result<()> {
    let version: u64 = input.arbitrary()?;
    let mut text = "clientPort=2181\nmembership: \n".to_owned();
    let mut expected = Vec::new();
    for id in 0..input.int_in_range(1..=12)? {
        let host = *input.choose(&["zk-1", "10.0.0.1", "fd00::1", "::"])?;
        let written = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
        let (port, client): (u16, u16) = input.arbitrary()?;
        let (role, voter) = *input.choose(&[(":participant", true), (":observer", false), ("", true)])?;
        let (tail, client) = match input.int_in_range(0..=3)? {
            0 => (String::new(), None),
            1 => (format!(";{client}"), Some(("0.0.0.0".to_owned(), client))),
            2 => (format!(";[::]:{client}"), Some(("::".to_owned(), client))),
            _ => (format!(";zk-9:{client}"), Some(("zk-9".to_owned(), client))),
        };
        text.push_str(&format!("server.{id}={written}:{port}:3888{role}{tail}\n"));
        expected.push((id.to_string(), vec![(host.to_owned(), port)], voter, client));
    }
    text.push_str(&format!("version={version:x}"));
    let membership = Membership::from_conf(&reply_conf::parse(&text));
    let Some(membership) = membership else {
        assert!(expected.iter().all(|(_, _, voter, _)| !voter), "a membership with voters is none");
        return Ok(());
    };
    assert_eq!((membership.version, membership.hierarchy), (version, None));
    let read: Vec<_> = membership
        .servers
        .into_iter()
        .map(|server| (server.id, server.addresses, server.voter, server.client))
        .collect();
    assert_eq!(read, expected);
    Ok(())
}
