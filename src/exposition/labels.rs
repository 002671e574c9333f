//! The labels of a series of a member: `ensemble` and `member` first, then the family's own.

use std::fmt;

use prometheus_client::encoding::{EncodeLabel, EncodeLabelSet, LabelSetEncoder};

use crate::scrape::{Cell, Samples};

/// How the labels of a member begin, made once a page.
///
/// The encoder writes label keys as they are, so `ensemble="prod",member` passes as one key: two
/// labels for the price of one, in the hottest loop there is. An ensemble's name needs no escape
/// (`config` allows letters, digits, `-`, `_` and `.`); the member is escaped by the encoder.
pub(super) fn begin(ensemble: &str, _: &str) -> String {
    format!("ensemble=\"{ensemble}\",member")
}

/// The same with the label `zk_host` of older exporters between the two. The name of a member is an
/// address, which needs no escape either.
pub(super) fn begin_with_host(ensemble: &str, member: &str) -> String {
    format!("ensemble=\"{ensemble}\",zk_host=\"{member}\",member")
}

/// What all series of one member, or of one ensemble as a whole, begin with.
#[derive(Clone, Copy)]
pub(super) struct Head<'a> {
    key: &'a str,
    value: &'a str,
}

impl<'a> Head<'a> {
    /// A head of what [`begin`] or [`begin_with_host`] made.
    pub(super) fn new(key: &'a str, member: &'a str) -> Self {
        Self { key, value: member }
    }

    /// The head of what is said of an ensemble as a whole.
    pub(super) fn of_ensemble(name: &'a str) -> Self {
        Self { key: "ensemble", value: name }
    }

    fn encode(self, encoder: &mut LabelSetEncoder<'_>) -> fmt::Result {
        (self.key, self.value).encode(encoder.encode_label())
    }
}

/// The labels of a cell.
pub(super) struct OfCell<'a> {
    pub(super) head: Head<'a>,
    pub(super) names: &'a [&'static str],
    pub(super) samples: &'a Samples,
    pub(super) cell: Cell,
}

impl EncodeLabelSet for OfCell<'_> {
    fn encode(&self, encoder: &mut LabelSetEncoder<'_>) -> fmt::Result {
        self.head.encode(encoder)?;
        if !self.names.is_empty() {
            for (name, value) in self.names.iter().zip(self.samples.label_values(self.cell)) {
                (*name, value).encode(encoder.encode_label())?;
            }
        }
        match self.cell.part().quantile() {
            Some(quantile) => ("quantile", quantile).encode(encoder.encode_label()),
            None => Ok(()),
        }
    }
}

/// Labels given as pairs, behind the head.
pub(super) struct Pairs<'a> {
    pub(super) head: Head<'a>,
    pub(super) pairs: &'a [(&'a str, &'a str)],
}

impl EncodeLabelSet for Pairs<'_> {
    fn encode(&self, encoder: &mut LabelSetEncoder<'_>) -> fmt::Result {
        self.head.encode(encoder)?;
        self.pairs.iter().try_for_each(|pair| pair.encode(encoder.encode_label()))
    }
}
