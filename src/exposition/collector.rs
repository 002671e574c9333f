//! Encodes a report family by family, each with the samples of all members, in the order of the catalogue.

use std::sync::{Arc, LazyLock};

use super::writer::{FamilyWriter, Head};
use super::{Format, Names, ensembles, histograms, probes, raw, statements};
use crate::catalogue::{FamilyId, Kind, Own, Scope, catalogue};
use crate::reply::Number;
use crate::scrape::{Cell, EnsembleReport, MemberReport, Report};
use crate::verdict::{Verdict, judge};

/// One family of the output, or all families with `mntr` names, which are not known in advance.
#[derive(Clone, Copy, Debug)]
enum Item {
    /// The exporter's own metrics of members.
    Statement(Own),
    Lag,
    /// Other conclusions about members.
    Judged(Own),
    /// Verdicts.
    Ensemble(Own),
    /// Canary, znodes and clients.
    Probes(Own),
    /// Histograms of ensembles.
    Histogram(Own),
    /// Metrics reported by members.
    Cells(FamilyId),
    /// Metrics reported by members, with the names of `mntr`.
    Raw,
    /// The number of members whose metrics are omitted.
    Omitted,
}

static CATALOGUE: LazyLock<Vec<Item>> = LazyLock::new(|| items(Names::Catalogue));
static MNTR: LazyLock<Vec<Item>> = LazyLock::new(|| items(Names::Mntr));

fn items(names: Names) -> Vec<Item> {
    // The info family `zk_peer_state` has the same name as a key of `mntr`.
    let stays = |own: &Own| names == Names::Catalogue || *own != Own::PeerStateInfo;
    let mut items: Vec<_> = statements::OWN.into_iter().filter(stays).map(Item::Statement).collect();
    let judged = [Own::DataDigestAgrees, Own::DataDigestPending].map(Item::Judged);
    items.extend([Item::Judged(Own::MemberVoter), Item::Lag].into_iter().chain(judged));
    items.extend(ensembles::OWN.into_iter().map(Item::Ensemble));
    items.extend(probes::OWN.into_iter().map(Item::Probes));
    items.extend(histograms::OWN.into_iter().map(Item::Histogram));
    match names {
        Names::Catalogue => items.extend(
            catalogue()
                .families()
                .filter(|(id, family)| family.scope == Scope::Member && !statements::states(*id))
                .map(|(id, _)| Item::Cells(id)),
        ),
        Names::Mntr => items.push(Item::Raw),
    }
    items.push(Item::Omitted);
    items
}

/// A report that is encoded item by item.
#[derive(Debug)]
pub(super) struct Families {
    report: Arc<Report>,
    names: Names,
    /// The first labels of each member, and of each ensemble.
    heads: Vec<Head>,
    ensemble_heads: Vec<Head>,
    verdicts: Vec<Verdict>,
    /// Number of written cells per member; families and cells have the same order.
    written: Vec<usize>,
    /// Number of members whose metrics are written; the others have only the exporter's own metrics.
    whole: usize,
}

impl Families {
    pub(super) fn new(report: Arc<Report>, names: Names, format: Format) -> Self {
        let of_member = |ensemble: &str, member: &str| {
            let all = [("ensemble", ensemble), (raw::HOST_LABEL, member), ("member", member)];
            match names {
                Names::Catalogue => Head::new(format, &[all[0], all[2]]),
                Names::Mntr => Head::new(format, &all),
            }
        };
        let heads = report
            .ensembles
            .iter()
            .flat_map(|ensemble| ensemble.members.iter().map(|member| of_member(&ensemble.name, &member.name)));
        let heads: Vec<_> = heads.collect();
        let of_ensemble = |ensemble: &Arc<EnsembleReport>| Head::new(format, &[("ensemble", &ensemble.name)]);
        let ensemble_heads = report.ensembles.iter().map(of_ensemble).collect();
        let verdicts = report.ensembles.iter().map(|ensemble| judge(ensemble)).collect();
        let (written, whole) = (vec![0; heads.len()], heads.len());
        Self { report, names, heads, ensemble_heads, verdicts, written, whole }
    }

    fn items(&self) -> &'static [Item] {
        match self.names {
            Names::Catalogue => &CATALOGUE,
            Names::Mntr => &MNTR,
        }
    }

    /// The index of the first item with metrics reported by members.
    pub(super) fn begin_of_members(&self) -> usize {
        let own = |item: &Item| !matches!(item, Item::Cells(_) | Item::Raw | Item::Omitted);
        self.items().iter().take_while(|item| own(item)).count()
    }

    /// Omits the metrics of the last members so that about `bytes` suffice for the rest. Returns the number of omitted
    /// members.
    pub(super) fn fit(&mut self, bytes: usize) -> usize {
        let mut left = bytes;
        let members = self.report.ensembles.iter().flat_map(|ensemble| &ensemble.members);
        let fits = members.zip(&self.heads).take_while(|(member, head)| {
            let rest = left.checked_sub(size_of_cells(member, head.len()));
            left = rest.unwrap_or(0);
            rest.is_some()
        });
        self.whole = fits.count();
        self.heads.len() - self.whole
    }

    /// The number of items.
    pub(super) fn len(&self) -> usize {
        self.items().len()
    }

    /// Writes an item. Each item is written once, in order.
    pub(super) fn encode(&mut self, item: usize, writer: &mut FamilyWriter<'_>) {
        let item = self.items()[item];
        let Self { report, heads, ensemble_heads, verdicts, written, whole, .. } = self;
        let members = || heads.iter().zip(report.ensembles.iter().flat_map(|ensemble| &ensemble.members));
        let ensembles = || ensemble_heads.iter().zip(&report.ensembles).zip(&*verdicts);
        let begin = |own: Own, writer: &mut FamilyWriter<'_>| writer.family(catalogue().family(own.into()));
        match item {
            Item::Statement(own) => {
                begin(own, writer);
                for (head, member) in members() {
                    statements::visit(own, member, &mut |labels, value| {
                        writer.sample(head, labels.iter().copied(), value);
                    });
                }
            }
            Item::Lag => {
                begin(Own::ZxidLag, writer);
                let lags = verdicts.iter().flat_map(|verdict| &verdict.lags);
                counts(heads.iter().zip(lags.copied()), writer);
            }
            Item::Judged(own) => {
                begin(own, writer);
                let of = |verdict: &Verdict, place: usize| match own {
                    Own::MemberVoter => verdict.voters[place].map(u64::from),
                    Own::DataDigestAgrees => verdict.data.agrees[place].map(u64::from),
                    _ => verdict.data.is_pending(place).then_some(1),
                };
                let all =
                    verdicts.iter().flat_map(|verdict| (0..verdict.voters.len()).map(move |place| of(verdict, place)));
                counts(heads.iter().zip(all), writer);
            }
            Item::Ensemble(own) => {
                begin(own, writer);
                for ((head, ensemble), verdict) in ensembles() {
                    ensembles::visit(own, ensemble, verdict, &mut |labels, value| {
                        writer.sample(head, labels.iter().copied(), value);
                    });
                }
            }
            Item::Probes(own) => probes::encode(own, report, ensemble_heads, writer),
            Item::Histogram(own) => histograms::encode(own, report, ensemble_heads, writer),
            Item::Cells(id) => encode_cells(id, members().take(*whole), written, writer),
            Item::Raw => raw::encode(members().take(*whole), writer),
            Item::Omitted => {
                begin(Own::EnsembleMembersOmitted, writer);
                let mut left = *whole;
                let omitted = report.ensembles.iter().map(|ensemble| {
                    let omitted = ensemble.members.len().saturating_sub(left);
                    left = left.saturating_sub(ensemble.members.len());
                    Some(omitted as u64).filter(|omitted| *omitted > 0)
                });
                counts(ensemble_heads.iter().zip(omitted), writer);
            }
        }
    }
}

/// Writes the numbers that exist.
fn counts<'h>(all: impl Iterator<Item = (&'h Head, Option<u64>)>, writer: &mut FamilyWriter<'_>) {
    for (head, count) in all {
        ensembles::visit_count(count, &mut |labels, value| writer.sample(head, labels.iter().copied(), value));
    }
}

/// Estimated size of the metrics of a member: names, values and line breaks, common labels, and own labels.
pub(super) fn size_of_cells(member: &MemberReport, head: usize) -> usize {
    const NAME_AND_VALUE: usize = 56;
    member.samples.cells().len() * (NAME_AND_VALUE + head) + member.samples.label_bytes()
}

/// Receives one sample: the labels after the common ones, and the value.
pub(super) type Sink<'s> = dyn FnMut(&[(&str, &str)], Number) + 's;

fn encode_cells<'m>(
    id: FamilyId,
    members: impl Iterator<Item = (&'m Head, &'m MemberReport)>,
    written: &mut [usize],
    writer: &mut FamilyWriter<'_>,
) {
    let family = catalogue().family(id);
    writer.family(family);
    for ((head, member), written) in members.zip(written) {
        let cells = next(id, member, *written);
        *written += cells.len();
        let labels = |cell: &Cell| family.labels.iter().copied().zip(member.samples.label_values(*cell));
        let chosen = |cell: &&Cell| member.shown.has(id, cell.part());
        if family.kind == Kind::Summary {
            for summary in cells.chunk_by(|one, next| one.group() == next.group()) {
                let parts = summary.iter().filter(chosen).map(|cell| (cell.part(), cell.value()));
                writer.summary(head, labels(&summary[0]), parts);
            }
        } else {
            for cell in cells.iter().filter(chosen) {
                writer.sample(head, labels(cell), cell.value());
            }
        }
    }
}

/// The cells of a family, which are the next unwritten ones.
fn next(id: FamilyId, member: &MemberReport, written: usize) -> &[Cell] {
    let rest = &member.samples.cells()[written..];
    let end = rest.iter().position(|cell| cell.family() != id).unwrap_or(rest.len());
    &rest[..end]
}
