//! The samples of a page as names, labels and values, for evaluation without text.

use super::collector::Sink;
use super::{ensembles, histograms, probes, statements};
use crate::catalogue::{Family, FamilyId, Kind, Own, Part, Scope, catalogue};
use crate::reply::Number;
use crate::scrape::{EnsembleReport, Samples};
use crate::verdict::judge;

/// Receives one sample: its name, its labels and its value.
pub(super) type Take<'t> = dyn FnMut(&str, &[(&str, &str)], f64) + 't;

/// Passes the samples that a page has of an ensemble, with catalogue names, to `take`: all of the exporter's own, and
/// those reported by members whose name is `wanted`.
pub fn visit_samples(ensemble: &EnsembleReport, wanted: impl Fn(&str) -> bool, take: &mut Take<'_>) {
    let (verdict, name) = (judge(ensemble), &mut String::new());
    let head = [("ensemble", &*ensemble.name)];
    for own in ensembles::OWN {
        own_samples(own, &head, name, take, |sink| ensembles::visit(own, ensemble, &verdict, sink));
    }
    // A page omits empty labels of these families.
    let is_own = |id: FamilyId, _: Part| probes::OWN.into_iter().any(|own| id == own.into());
    cells(&ensemble.samples, &head, true, name, take, is_own, |_| true);
    histograms::visit(ensemble, &head, name, take);
    for ((member, lag), voter) in ensemble.members.iter().zip(&verdict.lags).zip(&verdict.voters) {
        let head = [("ensemble", &*ensemble.name), ("member", &*member.name)];
        for own in statements::OWN {
            own_samples(own, &head, name, take, |sink| statements::visit(own, member, sink));
        }
        own_samples(Own::MemberVoter, &head, name, take, |sink| ensembles::visit_count(voter.map(u64::from), sink));
        own_samples(Own::ZxidLag, &head, name, take, |sink| ensembles::visit_count(*lag, sink));
        let is_shown = |id: FamilyId, part: Part| {
            catalogue().family(id).scope == Scope::Member && !statements::states(id) && member.shown.has(id, part)
        };
        cells(&member.samples, &head, false, name, take, is_shown, &wanted);
    }
}

fn own_samples(
    own: Own,
    head: &[(&str, &str)],
    name: &mut String,
    take: &mut Take<'_>,
    visit: impl FnOnce(&mut Sink<'_>),
) {
    let family = catalogue().family(own.into());
    visit(&mut |pairs, value| {
        let labels = [head, pairs].concat();
        take(sample_name(family, Part::Value, name), &labels, as_page(family, value));
    });
}

fn cells(
    samples: &Samples,
    head: &[(&str, &str)],
    drop_empty: bool,
    name: &mut String,
    take: &mut Take<'_>,
    chosen: impl Fn(FamilyId, Part) -> bool,
    wanted: impl Fn(&str) -> bool,
) {
    for cell in samples.cells().iter().filter(|cell| chosen(cell.family(), cell.part())) {
        let family = catalogue().family(cell.family());
        let name = sample_name(family, cell.part(), name);
        if !wanted(name) {
            continue;
        }
        let own = family.labels.iter().copied().zip(samples.label_values(*cell));
        let own = own.filter(|(_, value)| !(drop_empty && value.is_empty()));
        let quantile = cell.part().quantile().map(|quantile| ("quantile", quantile));
        let labels: Vec<_> = head.iter().copied().chain(own).chain(quantile).collect();
        take(name, &labels, as_page(family, cell.value()));
    }
}

/// The sample name on a page.
fn sample_name<'n>(family: &Family, part: Part, name: &'n mut String) -> &'n str {
    name.clear();
    name.push_str(&family.name);
    name.push_str(match part {
        Part::Sum => "_sum",
        Part::Count => "_count",
        _ => family.kind.suffix(),
    });
    name
}

/// The sample value on a page: an info metric is always 1.
fn as_page(family: &Family, value: Number) -> f64 {
    if family.kind == Kind::Info { 1.0 } else { value.as_f64() }
}
