//! The runbooks served by the exporter, and the targets of links to runbooks.

use std::collections::BTreeSet;

use crate::common::exporter::{Exporter, run};
use crate::common::listeners::closed_port;
use crate::common::root;

fn values<'p>(page: &'p str, attribute: &str) -> Vec<&'p str> {
    page.split(&format!(" {attribute}=\"")).skip(1).filter_map(|rest| rest.split('"').next()).collect()
}

/// The page without code.
fn without_code(page: &str) -> String {
    let mut out = String::new();
    for (place, part) in page.split("<code>").enumerate() {
        out.push_str(if place == 0 { part } else { part.split_once("</code>").map_or("", |(_, rest)| rest) });
    }
    out
}

#[test]
fn every_runbook_is_served_and_every_link_of_it_resolves() {
    let exporter = Exporter::start(&["--zookeeper", &closed_port(), "--web.route-prefix", "/zk"]);
    let get = |name: &str| {
        let answer = exporter.get(&format!("/zk/runbooks/{name}"), &[]);
        assert_eq!(answer.status, 200, "{name}");
        assert!(answer.head.contains("content-type: text/html"), "{}", answer.head);
        assert!(answer.head.contains("default-src 'none'"), "{}", answer.head);
        answer.text().to_owned()
    };
    let mut names: Vec<String> = std::fs::read_dir(root().join("docs/runbooks"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().trim_end_matches(".md").to_owned())
        .collect();
    names.push("verdicts".to_owned());
    let index = get("");
    for name in &names {
        let page = get(name);
        assert_eq!(page, get(&format!("{name}.md")), "rules and templates add .md");
        assert!(name == "README" || name == "verdicts" || index.contains(&format!("href=\"{name}\"")), "{name}");
        let text = without_code(&page);
        for rest in ["**", "](", "```", "`", "<script", "| "] {
            assert!(!text.contains(rest), "{name}: {rest:?} is left: {text}");
        }
        for link in values(&page, "href") {
            if let Some(path) = link.strip_prefix(env!("CARGO_PKG_REPOSITORY")) {
                let file = path.trim_start_matches("/blob/main/").split('#').next().unwrap();
                assert!(root().join(file).is_file(), "{name}: {link}");
            } else if !link.starts_with("/zk/") && !link.contains("://") {
                let (target, anchor) = link.split_once('#').unwrap_or((link, ""));
                let target = if target.is_empty() { page.clone() } else { get(target) };
                let anchors: BTreeSet<&str> = values(&target, "id").into_iter().collect();
                assert!(anchor.is_empty() || anchors.contains(anchor), "{name}: {link}: {anchors:?}");
            }
        }
    }
    assert!(names.len() > 75);
    for name in ["ZooKeeperNone", "../README", "%2e%2e%2fREADME.md", "ZooKeeperMemberDown.md.md"] {
        assert_eq!(exporter.get(&format!("/zk/runbooks/{name}"), &[]).status, 404, "{name}");
    }
}

/// Status page, `info`, `check` and rules link to the same place.
#[test]
fn every_runbook_link_uses_the_configured_location() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ensembles.yml");
    let places = |alerts: &str| {
        std::fs::write(
            &file,
            format!("ensembles: [{{name: prod, members: ['{}', '{}']}}]\n{alerts}", closed_port(), closed_port()),
        )
        .unwrap();
        let file = file.to_str().unwrap();
        let said =
            |command: &[&str]| String::from_utf8(run(&[command, &["--config.file", file]].concat()).stdout).unwrap();
        let exporter = Exporter::start(&["--config.file", file]);
        [
            exporter.get("/", &[]).text().to_owned(),
            said(&["info", "--interval", "0s"]),
            said(&["info", "--interval", "0s", "--output", "json"]),
            said(&["check", "--interval", "0s", "--output", "json"]),
            said(&["rules"]),
            said(&["rules", "--format", "zabbix"]),
        ]
    };
    for page in places("alerts: {runbook_url: 'https://wiki.example.com/zk/'}\n") {
        assert!(page.contains("https://wiki.example.com/zk/ZooKeeper"), "{page}");
        assert!(!page.contains("/docs/runbooks/") && !page.contains("\"/runbooks/ZooKeeper"), "{page}");
    }
    let [status, others @ ..] = places("");
    assert!(status.contains("\"/runbooks/ZooKeeper"), "{status}");
    for page in others {
        assert!(
            page.contains(&format!("{}/blob/main/docs/runbooks/ZooKeeper", env!("CARGO_PKG_REPOSITORY"))),
            "{page}"
        );
    }
}
