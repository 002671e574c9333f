//! `discovery: conf`: which membership an exporter follows, when members of another ensemble are listed, a member reports a false membership, or
//! the configuration names other members.

use crate::common::exporter::Exporter;
use crate::common::read_page;
use crate::legal::{listen, members_of, versioned};
use crate::reload::{page, request};
use zookeeper_exporter::exposition::Format;

fn hosts(net: u8) -> [String; 3] {
    [1, 2, 3].map(|id| format!("127.104.{net}.{id}"))
}

/// Starts an ensemble of three in this network; returns its members.
fn ensemble(net: u8, version: &str) -> [String; 3] {
    let hosts = hosts(net);
    let lines = |port: u16| {
        let line =
            |id: usize| format!("server.{id}=127.104.{net}.{id}:2888:3888:participant;127.104.{net}.{id}:{port}\n");
        (1..=3).map(line).collect()
    };
    let port = versioned(&hosts.each_ref().map(String::as_str), version, lines);
    hosts.map(|host| format!("{host}:{port}"))
}

fn write(file: &tempfile::NamedTempFile, members: &[&str]) {
    let list: Vec<String> = members.iter().map(|member| format!("'{member}'")).collect();
    let text = format!("ensembles: [{{name: prod, members: [{}], discovery: conf}}]\n", list.join(", "));
    std::fs::write(file.path(), text).unwrap();
}

fn names(exporter: &Exporter) -> Vec<String> {
    members_of(exporter.scrape("5").text()).into_iter().map(|(name, _)| name).collect()
}

#[test]
fn a_configuration_with_other_members_is_watched_from_the_next_scrape_on() {
    let (before, after) = (ensemble(1, "0"), ensemble(2, "0"));
    let file = tempfile::NamedTempFile::new().unwrap();
    write(&file, &before.each_ref().map(String::as_str));
    let exporter = Exporter::start(&["--config.file", file.path().to_str().unwrap(), "--web.enable-lifecycle"]);
    for _ in 0..2 {
        assert_eq!(names(&exporter), before);
    }
    write(&file, &[&after[0]]);
    assert_eq!(request(&exporter, "POST", "/-/reload").0, 200);
    assert_eq!(names(&exporter), after[..1]);
    assert_eq!(names(&exporter), after);
    // Removing a seed of the same ensemble has no effect.
    write(&file, &[&after[1], &after[2]]);
    assert_eq!(request(&exporter, "POST", "/-/reload").0, 200);
    assert_eq!(names(&exporter), after);
}

#[test]
fn a_listed_member_of_another_ensemble_does_not_replace_the_ensemble() {
    let (ours, theirs) = (ensemble(3, "0"), ensemble(4, "100000003"));
    let file = tempfile::NamedTempFile::new().unwrap();
    write(&file, &[&ours[0], &ours[1], &ours[2], &theirs[0]]);
    let exporter = Exporter::start(&["--config.file", file.path().to_str().unwrap()]);
    for _ in 0..4 {
        let seen = names(&exporter);
        assert!(ours.iter().all(|member| seen.contains(member)), "{seen:?}\n{}", exporter.log());
        assert!(!seen.contains(&theirs[1]), "{seen:?}");
    }
}

#[test]
fn a_follower_alone_does_not_change_the_members() {
    for own_line in [false, true] {
        let net = if own_line { 6 } else { 5 };
        let ours = ensemble(net, "0");
        let port: u16 = ours[0].rsplit_once(':').unwrap().1.parse().unwrap();
        // A fourth member, a follower by its replies, that names servers which do not exist, with a high version.
        let base = crate::common::root().join("tests/legal/one-server-two-names/m1");
        let read = |file: &str| std::fs::read_to_string(base.join(format!("{file}.txt"))).unwrap();
        let head = read("conf").split_once("serverId").unwrap().0.to_owned();
        let me = if own_line {
            format!("server.9=127.104.{net}.9:2888:3888:participant;0.0.0.0:{port}\n")
        } else {
            String::new()
        };
        let dead =
            (1..=3).map(|id| format!("server.{id}=127.104.77.{id}:2888:3888:participant;127.104.77.{id}:{port}\n"));
        let conf = format!("{head}serverId=9\nmembership: \n{me}{}version=7fffffffffffffff", dead.collect::<String>());
        let liar = listen(
            &format!("127.104.{net}.9:{port}"),
            vec![("mntr", read("mntr")), ("srvr", read("srvr")), ("conf", conf)],
        );
        let file = tempfile::NamedTempFile::new().unwrap();
        write(&file, &[&ours[0], &ours[1], &ours[2], &liar]);
        let exporter = Exporter::start(&["--config.file", file.path().to_str().unwrap()]);
        for _ in 0..3 {
            let text = exporter.scrape("5").text().to_owned();
            let seen: Vec<String> = members_of(&text).into_iter().map(|(name, _)| name).collect();
            assert!(ours.iter().all(|member| seen.contains(member)), "{seen:?}\n{}", exporter.log());
            let page = read_page(&text, Format::Classic).unwrap();
            assert_eq!(page.value("zk_ensemble_has_quorum", &[]), Some(1.0));
        }
        let _ = page(&exporter);
    }
}
