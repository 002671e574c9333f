//! The runbooks, which are part of the binary, and where they are published.

mod markdown;

pub use markdown::html;

/// The published runbooks; alerts link to them unless `alerts.runbook_url` is set.
pub const RUNBOOKS: &str = concat!(env!("CARGO_PKG_REPOSITORY"), "/blob/main/docs/runbooks");

/// The published documents.
const DOCUMENTS: &str = concat!(env!("CARGO_PKG_REPOSITORY"), "/blob/main/docs");

include!(concat!(env!("OUT_DIR"), "/runbooks.rs"));

/// The Markdown of a runbook, by name with or without `.md`; `README` is the index.
#[must_use]
pub fn text(name: &str) -> Option<&'static str> {
    let name = name.strip_suffix(".md").unwrap_or(name);
    FILES.binary_search_by_key(&name, |(name, _)| name).ok().map(|place| FILES[place].1)
}

/// The names of all runbooks.
pub fn names() -> impl Iterator<Item = &'static str> {
    FILES.iter().map(|(name, _)| *name)
}

/// The URL of a guide (`docs/runbooks/NAME.md`, `docs/verdicts.md#anchor`): a runbook is below `base`
/// (`alerts.runbook_url`) if set, everything else in the repository.
#[must_use]
pub fn url(guide: &str, base: Option<&str>) -> String {
    match (guide.strip_prefix("docs/runbooks/"), base) {
        (Some(file), Some(base)) => format!("{}/{file}", base.trim_end_matches('/')),
        _ => format!("{DOCUMENTS}/{}", guide.trim_start_matches("docs/")),
    }
}

/// The path of a guide below `/runbooks/` of the exporter.
#[must_use]
pub fn served(guide: &str) -> String {
    let file = guide.trim_start_matches("docs/").trim_start_matches("runbooks/");
    file.replacen(".md", "", 1)
}

/// Target of a link in a document: another embedded document, an anchor on the page, or the repository.
fn target(link: &str) -> String {
    if link.starts_with('#') || link.contains("://") {
        return link.to_owned();
    }
    let (file, anchor) = link.split_at(link.find('#').unwrap_or(link.len()));
    let name = file.trim_start_matches("../").trim_start_matches("runbooks/").trim_end_matches(".md");
    if text(name).is_some() {
        format!("{name}{anchor}")
    } else {
        format!("{DOCUMENTS}/{}{anchor}", file.trim_start_matches("../"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guides_lead_below_the_configured_place() {
        let guide = "docs/runbooks/ZooKeeperMemberDown.md";
        assert_eq!(url(guide, Some("https://wiki/zk/")), "https://wiki/zk/ZooKeeperMemberDown.md");
        assert_eq!(url(guide, None), format!("{RUNBOOKS}/ZooKeeperMemberDown.md"));
        let verdict = "docs/verdicts.md#hidden-leader";
        assert_eq!(url(verdict, Some("https://wiki/zk")), format!("{DOCUMENTS}/verdicts.md#hidden-leader"));
        assert_eq!((&*served(guide), &*served(verdict)), ("ZooKeeperMemberDown", "verdicts#hidden-leader"));
    }

    #[test]
    fn links_lead_to_documents_of_the_binary_where_they_are() {
        for (link, expected) in [
            ("ZooKeeperMemberDown.md", "ZooKeeperMemberDown".to_owned()),
            ("runbooks/ZooKeeperMemberDown.md#meaning", "ZooKeeperMemberDown#meaning".to_owned()),
            ("../verdicts.md#hidden-leader", "verdicts#hidden-leader".to_owned()),
            ("../alerts.md#thresholds", format!("{DOCUMENTS}/alerts.md#thresholds")),
            ("metrics.md", format!("{DOCUMENTS}/metrics.md")),
            ("#meaning", "#meaning".to_owned()),
            ("https://example.com/x.md", "https://example.com/x.md".to_owned()),
        ] {
            assert_eq!(target(link), expected);
        }
    }
}
