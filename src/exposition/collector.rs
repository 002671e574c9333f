//! The report as families: every family once, with all members inside, in the catalogue's order.

use std::fmt;
use std::ops::Range;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;

use super::labels::{Head, OfCell, Pairs};
use super::{Names, beyond, ensembles, labels, raw, statements};
use crate::catalogue::{Family, FamilyId, Kind, Own, Part, Scope, catalogue};
use crate::reply::Number;
use crate::scrape::{Cell, EnsembleReport, MemberReport, Report};
use crate::verdict::{Verdict, judge};

/// One family of a page, or the many that cannot be told apart before they are made.
#[derive(Clone, Copy, Debug)]
enum Item {
    /// What the exporter says itself about members.
    Statement(Own),
    Lag,
    /// The verdicts.
    Ensemble(Own),
    /// Canary and znodes.
    Beyond(Own),
    /// What members say themselves.
    Cells(FamilyId),
    /// The same under `mntr`'s own names.
    Raw,
    /// Of how many members that was left out.
    Omitted,
}

static CATALOGUE: LazyLock<Vec<Item>> = LazyLock::new(|| items(Names::Catalogue));
static MNTR: LazyLock<Vec<Item>> = LazyLock::new(|| items(Names::Mntr));

fn items(names: Names) -> Vec<Item> {
    // `mntr`'s own `zk_peer_state` and the info family of that name would be one family twice.
    let stays = |own: &Own| names == Names::Catalogue || *own != Own::PeerStateInfo;
    let mut items: Vec<_> = statements::OWN.into_iter().filter(stays).map(Item::Statement).collect();
    items.push(Item::Lag);
    items.extend(ensembles::OWN.into_iter().map(Item::Ensemble));
    items.extend(beyond::OWN.into_iter().map(Item::Beyond));
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

/// One report, ready to be encoded item by item.
#[derive(Debug)]
pub(super) struct Families {
    report: Arc<Report>,
    names: Names,
    /// How the labels of each member begin.
    heads: Vec<String>,
    verdicts: Vec<Verdict>,
    /// How many cells of each member are written: families come in order, and so do the cells.
    written: Mutex<Vec<usize>>,
    /// The first so many members are written whole; of the others, only what the exporter says itself.
    whole: usize,
}

impl Families {
    pub(super) fn new(report: Arc<Report>, names: Names) -> Self {
        let begin = match names {
            Names::Catalogue => labels::begin,
            Names::Mntr => labels::begin_with_host,
        };
        let heads = report
            .ensembles
            .iter()
            .flat_map(|ensemble| ensemble.members.iter().map(|member| begin(&ensemble.name, &member.name)));
        let heads: Vec<_> = heads.collect();
        let verdicts = report.ensembles.iter().map(|ensemble| judge(ensemble)).collect();
        let written = Mutex::new(vec![0; heads.len()]);
        let whole = heads.len();
        Self { report, names, heads, verdicts, written, whole }
    }

    fn items(&self) -> &'static [Item] {
        match self.names {
            Names::Catalogue => &CATALOGUE,
            Names::Mntr => &MNTR,
        }
    }

    /// The place of the first item that members say themselves.
    pub(super) fn begin_of_members(&self) -> usize {
        let own = |item: &Item| !matches!(item, Item::Cells(_) | Item::Raw | Item::Omitted);
        self.items().iter().take_while(|item| own(item)).count()
    }

    /// Leaves out what the last members say where it would be more than about so many bytes. Says of how many members.
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

    /// The members of each ensemble whose own metrics are left out; `None` for none.
    fn omitted(&self) -> impl Iterator<Item = (Head<'_>, Option<u64>)> + Clone {
        let mut whole = self.whole;
        self.report.ensembles.iter().map(move |ensemble| {
            let members = ensemble.members.len();
            let omitted = members.saturating_sub(whole);
            whole = whole.saturating_sub(members);
            (Head::of_ensemble(&ensemble.name), Some(omitted as u64).filter(|omitted| *omitted > 0))
        })
    }

    /// How many items there are.
    pub(super) fn len(&self) -> usize {
        self.items().len()
    }

    /// Writes some items. Each is written once, in order.
    pub(super) fn encode(&self, items: Range<usize>, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let all = self.report.ensembles.iter().flat_map(|ensemble| &ensemble.members);
        let members: Vec<_> =
            self.heads.iter().zip(all).map(|(key, member)| (Head::new(key, &member.name), member)).collect();
        let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        for item in &self.items()[items] {
            match *item {
                Item::Statement(own) => encode_own(
                    own,
                    members.iter().copied(),
                    |member, sink| statements::visit(own, member, sink),
                    encoder,
                )?,
                Item::Lag => encode_own(Own::ZxidLag, self.lags(&members), ensembles::visit_count, encoder)?,
                Item::Ensemble(own) => encode_own(
                    own,
                    self.ensembles(),
                    |(ensemble, verdict), sink| ensembles::visit(own, ensemble, verdict, sink),
                    encoder,
                )?,
                Item::Beyond(own) => beyond::encode(own, &self.report, encoder)?,
                Item::Cells(id) => encode_cells(id, &members[..self.whole], &mut written, encoder)?,
                Item::Raw => raw::encode(&members[..self.whole], encoder)?,
                Item::Omitted => {
                    encode_own(Own::EnsembleMembersOmitted, self.omitted(), ensembles::visit_count, encoder)?;
                }
            }
        }
        Ok(())
    }

    /// What is said of each ensemble, in the report's order.
    fn ensembles(&self) -> impl Iterator<Item = (Head<'_>, (&EnsembleReport, &Verdict))> + Clone {
        let all = self.report.ensembles.iter().zip(&self.verdicts);
        all.map(|(ensemble, verdict)| (Head::of_ensemble(&ensemble.name), (&**ensemble, verdict)))
    }

    /// Every member's lag. `members` are those of the report, in its order.
    fn lags<'h>(&self, members: &[(Head<'h>, &MemberReport)]) -> impl Iterator<Item = (Head<'h>, Option<u64>)> + Clone {
        let lags = self.verdicts.iter().flat_map(|verdict| &verdict.lags);
        members.iter().zip(lags).map(|((head, _), lag)| (*head, *lag))
    }
}

/// The size of what a member says, guessed: a name, a value and line ends, the labels of all, and its own.
pub(super) fn size_of_cells(member: &MemberReport, head: usize) -> usize {
    const NAME_AND_VALUE: usize = 56;
    member.samples.cells().len() * (NAME_AND_VALUE + head) + member.samples.label_bytes()
}

/// Takes one sample: the labels behind the head, and the value.
pub(super) type Sink<'s> = dyn FnMut(&[(&str, &str)], Number) -> fmt::Result + 's;

/// Writes one of the exporter's own families, with every subject inside: `visit` gives the samples of one.
fn encode_own<'h, S>(
    own: Own,
    subjects: impl Iterator<Item = (Head<'h>, S)> + Clone,
    visit: impl Fn(S, &mut Sink<'_>) -> fmt::Result,
    encoder: &mut DescriptorEncoder<'_>,
) -> fmt::Result {
    let mut any = false;
    for (_, subject) in subjects.clone() {
        visit(subject, &mut |_, _| {
            any = true;
            Ok(())
        })?;
    }
    if !any {
        return Ok(());
    }
    let family = catalogue().family(own.into());
    let mut metric = descriptor(encoder, family)?;
    for (head, subject) in subjects {
        visit(subject, &mut |pairs, value| encode_value(&mut metric, family.kind, &Pairs { head, pairs }, value))?;
    }
    Ok(())
}

/// Opens a family; the encoder writes its header at once, so there must be a sample to follow.
pub(super) fn descriptor<'e>(
    encoder: &'e mut DescriptorEncoder<'_>,
    family: &'e Family,
) -> Result<MetricEncoder<'e>, fmt::Error> {
    let kind = match family.kind {
        Kind::Gauge => MetricType::Gauge,
        Kind::Counter => MetricType::Counter,
        Kind::Info => MetricType::Info,
        // The encoder has no summary: `headers` turns it into one by its name.
        Kind::Summary | Kind::Unknown => MetricType::Unknown,
    };
    encoder.encode_descriptor(&family.name, &family.help, None, kind)
}

fn encode_cells(
    id: FamilyId,
    members: &[(Head<'_>, &MemberReport)],
    written: &mut [usize],
    encoder: &mut DescriptorEncoder<'_>,
) -> fmt::Result {
    let family = catalogue().family(id);
    // What is not chosen is skipped, and a family without a sample has no header.
    let chosen = |member: &MemberReport, cell: &Cell| member.shown.has(id, cell.part());
    let any = members
        .iter()
        .zip(&*written)
        .any(|((_, member), written)| next(id, member, *written).iter().any(|cell| chosen(member, cell)));
    if !any {
        for ((_, member), written) in members.iter().zip(written) {
            *written += next(id, member, *written).len();
        }
        return Ok(());
    }
    let mut metric = descriptor(encoder, family)?;
    for ((head, member), written) in members.iter().zip(written) {
        let cells = next(id, member, *written);
        *written += cells.len();
        let mut cells = cells.iter().copied().filter(|cell| chosen(member, cell));
        while let Some(cell) = cells.next() {
            let labels = OfCell { head: *head, names: family.labels, samples: &member.samples, cell };
            if cell.part() == Part::Sum {
                // `Samples` keeps a sum only with its count, which is the next cell.
                let count = cells.next().map_or(0, |cell| whole(cell.value));
                metric.encode_family(&labels)?.encode_histogram::<NoLabelSet>(cell.value.as_f64(), count, &[], None)?;
            } else {
                encode_value(&mut metric, family.kind, &labels, cell.value)?;
            }
        }
    }
    Ok(())
}

/// The cells of a family, which are the first of those not written yet.
fn next(id: FamilyId, member: &MemberReport, written: usize) -> &[Cell] {
    let rest = &member.samples.cells()[written..];
    let end = rest.iter().position(|cell| cell.family() != id).unwrap_or(rest.len());
    &rest[..end]
}

/// One sample. Integers are written as integers.
pub(super) fn encode_value(
    metric: &mut MetricEncoder<'_>,
    kind: Kind,
    labels: &impl EncodeLabelSet,
    value: Number,
) -> fmt::Result {
    match (kind, value) {
        (Kind::Info, _) => metric.encode_info(labels),
        (Kind::Counter, Number::Int(_)) => {
            metric.encode_family(labels)?.encode_counter::<NoLabelSet, u64, f64>(&whole(value), None)
        }
        (Kind::Counter, Number::Float(value)) => {
            metric.encode_family(labels)?.encode_counter::<NoLabelSet, f64, f64>(&value, None)
        }
        (_, Number::Int(value)) => metric.encode_family(labels)?.encode_gauge(&value),
        (_, Number::Float(value)) => metric.encode_family(labels)?.encode_gauge(&value),
    }
}

/// A count as the encoder wants it; `scrape` has dropped what is negative or NaN.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "counts are never negative and below 2^64")]
fn whole(value: Number) -> u64 {
    match value {
        Number::Int(value) => u64::try_from(value).unwrap_or(0),
        Number::Float(value) => value as u64,
    }
}
