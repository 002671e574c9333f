//! The table of ensembles that are shown without their members: one row each.

use maud::{Markup, html};

use super::Links;
use super::card::EnsembleStatus;
use crate::verdict::Level;

/// A row for each ensemble, in the given order.
pub(super) fn rows_of_ensembles(ensembles: &[EnsembleStatus<'_>], links: &Links) -> Markup {
    html! {
        @if let Some(worst) = ensembles.first() {
            section class=(worst.worst().map_or("well", Level::text)) {
                h2 { (heading(ensembles)) }
                .scroll {
                    table.ensembles {
                        thead {
                            tr {
                                th { "ensemble" } th { "members up" } th { "voters in sync" } th { "margin" } th { "leader" } th { "finding" }
                            }
                        }
                        tbody { @for one in ensembles { (row(one, links)) } }
                    }
                }
            }
        }
    }
}

fn heading(ensembles: &[EnsembleStatus<'_>]) -> String {
    let wrong = ensembles.iter().filter(|one| one.is_wrong()).count();
    let healthy = ensembles.len() - wrong;
    match wrong {
        0 => format!("{healthy} healthy"),
        _ => format!("{wrong} more in trouble, {healthy} healthy"),
    }
}

fn row(one: &EnsembleStatus<'_>, links: &Links) -> Markup {
    let (quorum, finding) = (&one.verdict.quorum, one.findings.first());
    let name = &*one.report.name;
    html! {
        tr class=(one.worst().filter(|_| one.is_wrong()).map_or("", Level::text)) {
            td.name { a href=(links.at(&format!("/ensemble/{name}"))) { (name) } }
            td data-name="members up" { (one.verdict.members_up) " of " (one.members()) }
            @match quorum.synced {
                Some(synced) => { td data-name="in sync" { (synced) " of " (quorum.voters) } }
                None => { td.none { "–" } }
            }
            @match quorum.margin() {
                Some(margin) => { td data-name="margin" { (margin) } }
                None => { td.none { "–" } }
            }
            @match one.leader() {
                Some(leader) => { td.name data-name="leader" { (leader) } }
                None => { td.none { "–" } }
            }
            @match finding {
                Some(finding) => {
                    td.text class=(finding.level.text()) { (finding.text) }
                }
                None => { td.none { "–" } }
            }
        }
    }
}
