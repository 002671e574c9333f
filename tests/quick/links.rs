//! Every internal link in a Markdown file refers to an existing file and heading.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};

use crate::common::root;

/// Every Markdown file of the repository, relative to its root.
pub fn markdown() -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![PathBuf::new()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(root().join(&folder)).unwrap() {
            let entry = entry.unwrap();
            let name = entry.file_name().into_string().unwrap();
            let path = folder.join(&name);
            if entry.file_type().unwrap().is_dir() {
                if !matches!(name.as_str(), "target" | ".git" | "fixtures" | "corpus") {
                    folders.push(path);
                }
            } else if path.extension().is_some_and(|ending| ending == "md") {
                found.push(path);
            }
        }
    }
    found.sort();
    assert!(found.len() > 90, "Markdown files are missing: {}", found.len());
    found
}

/// The lines of a document outside fenced blocks and comments.
pub fn prose(text: &str) -> Vec<&str> {
    let mut fenced = false;
    text.lines()
        .filter(|line| {
            let fence = line.trim_start().starts_with("```");
            fenced ^= fence;
            !fence && !fenced
        })
        .collect()
}

/// The targets of inline links and images, except those in code spans.
pub fn targets(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let joined = prose(text).join("\n");
    let plain: String = joined.split('`').step_by(2).collect::<Vec<_>>().join("`");
    for behind in plain.split("](").skip(1) {
        found.push(behind.split([')', ' ']).next().unwrap().to_owned());
    }
    found
}

/// The anchors that GitHub generates for the headings of a document.
fn anchors(text: &str) -> BTreeSet<String> {
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    let mut found = BTreeSet::new();
    for line in prose(text) {
        let title = line.trim_start_matches('#');
        if title.len() == line.len() || !title.starts_with(' ') {
            continue;
        }
        let anchor: String = title
            .trim()
            .to_lowercase()
            .chars()
            .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'))
            .map(|c| if c == ' ' { '-' } else { c })
            .collect();
        let times = seen.entry(anchor.clone()).or_default();
        found.insert(if *times == 0 { anchor } else { format!("{anchor}-{times}") });
        *times += 1;
    }
    found
}

/// A path without `.` and `..`; `None` if it leaves the repository.
fn normal(path: &Path) -> Option<PathBuf> {
    let mut normal = PathBuf::new();
    for part in path.components() {
        match part {
            Component::Normal(name) => normal.push(name),
            Component::ParentDir => {
                if !normal.pop() {
                    return None;
                }
            }
            Component::CurDir => {}
            _ => return None,
        }
    }
    Some(normal)
}

/// The problem of a link in a document, if any.
fn fault(document: &Path, target: &str) -> Option<String> {
    if ["https://", "http://", "mailto:"].iter().any(|scheme| target.starts_with(scheme)) {
        return None;
    }
    let (path, anchor) = target.split_once('#').map_or((target, None), |(path, anchor)| (path, Some(anchor)));
    let linked = if path.is_empty() {
        document.to_owned()
    } else {
        let Some(linked) = normal(&document.parent().unwrap().join(path)) else {
            return Some("leaves the repository".to_owned());
        };
        linked
    };
    if !root().join(&linked).exists() {
        return Some(format!("{} does not exist", linked.display()));
    }
    let anchor = anchor?;
    if linked.extension().is_none_or(|ending| ending != "md") {
        return Some("has an anchor and is not Markdown".to_owned());
    }
    let text = std::fs::read_to_string(root().join(&linked)).unwrap();
    (!anchors(&text).contains(anchor)).then(|| format!("{} has no heading `{anchor}`", linked.display()))
}

#[test]
fn internal_links_and_anchors_resolve() {
    let mut links = 0;
    let mut broken = Vec::new();
    for document in markdown() {
        let text = std::fs::read_to_string(root().join(&document)).unwrap();
        for target in targets(&text) {
            links += 1;
            if let Some(fault) = fault(&document, &target) {
                broken.push(format!("{}: ({target}) {fault}", document.display()));
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
    assert!(links > 300, "only {links} links were found");
}

#[test]
fn broken_links_are_found() {
    let document = Path::new("docs/alerts.md");
    assert_eq!(fault(document, "../README.md#install"), None);
    assert_eq!(fault(document, "#thresholds"), None);
    assert!(fault(document, "#no-such-heading").is_some());
    assert!(fault(document, "no-such-file.md").is_some());
    assert!(fault(document, "../../outside.md").is_some());
    assert!(fault(document, "../Cargo.toml#package").is_some());
    assert_eq!(
        anchors("# A `b` (c)\n\n## A b c\n\n```\n# no heading\n```\n"),
        BTreeSet::from(["a-b-c".to_owned(), "a-b-c-1".to_owned()])
    );
}

/// Rules, image and issue forms link to the repository named in `Cargo.toml`.
#[test]
fn the_repository_has_one_address() {
    let repository = env!("CARGO_PKG_REPOSITORY");
    assert_eq!(zookeeper_exporter::runbook::RUNBOOKS, format!("{repository}/blob/main/docs/runbooks"));
    let own = repository.rsplit('/').next().unwrap();
    let places =
        ["SECURITY.md", ".github/ISSUE_TEMPLATE/config.yml", "deploy/docker/Dockerfile", "alert-rules/zookeeper.yml"];
    for path in places {
        let text = std::fs::read_to_string(root().join(path)).unwrap();
        let links: Vec<&str> = text.match_indices("https://github.com/").map(|(place, _)| &text[place..]).collect();
        let ours: Vec<&&str> = links
            .iter()
            .filter(|link| link.split(['/', '\n', ' ']).nth(4).is_some_and(|name| name.starts_with(own)))
            .collect();
        assert!(!ours.is_empty(), "{path} does not link to the repository");
        assert!(ours.iter().all(|link| link.starts_with(repository)), "{path} links to another repository");
    }
}
