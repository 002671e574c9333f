//! The labels of a series of a member: `ensemble` and `member` first, then the family's own.

use std::fmt;

use prometheus_client::encoding::{EncodeLabel, EncodeLabelSet, LabelSetEncoder};

use crate::scrape::{Cell, Samples};

/// What all series of one member begin with, made once a page.
///
/// The encoder writes label keys as they are, so `ensemble="prod",member` passes as one key: two
/// labels for the price of one, in the hottest loop there is. An ensemble's name needs no escape
/// (`config` allows letters, digits, `-`, `_` and `.`); the member is escaped by the encoder.
pub(super) struct Head<'a> {
    key: String,
    member: &'a str,
}

impl<'a> Head<'a> {
    pub(super) fn new(ensemble: &str, member: &'a str) -> Self {
        Self { key: format!("ensemble=\"{ensemble}\",member"), member }
    }

    /// The same with the label `zk_host` of older exporters between the two. The name of a member is an
    /// address, which needs no escape either.
    pub(super) fn with_host(ensemble: &str, member: &'a str) -> Self {
        Self { key: format!("ensemble=\"{ensemble}\",zk_host=\"{member}\",member"), member }
    }

    fn encode(&self, encoder: &mut LabelSetEncoder<'_>) -> fmt::Result {
        (self.key.as_str(), self.member).encode(encoder.encode_label())
    }
}

/// The labels of a cell.
pub(super) struct OfCell<'a> {
    pub(super) head: &'a Head<'a>,
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
    pub(super) head: &'a Head<'a>,
    pub(super) pairs: &'a [(&'a str, &'a str)],
}

impl EncodeLabelSet for Pairs<'_> {
    fn encode(&self, encoder: &mut LabelSetEncoder<'_>) -> fmt::Result {
        self.head.encode(encoder)?;
        self.pairs.iter().try_for_each(|pair| pair.encode(encoder.encode_label()))
    }
}
