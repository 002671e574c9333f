//! The shape of one condition: what it says of an ensemble, its levels, what to do, and the cases that prove it.

use super::expr::{Cmp, Expr, Keys, Span};

/// The two levels of the product, and the sign of life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// No fault: [`Condition`] `Watchdog` alone.
    Info,
    /// An early warning: a fault is coming, or something is not as it should be. For the working day.
    Warning,
    /// Critical: page the on-call.
    Critical,
}

impl Severity {
    /// The label `severity`.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}

/// What the value of a condition is, and its limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// A yes or no: there is no number to tell.
    State,
    /// A number of things: told whole.
    Count,
    /// A number that is no count: a measured value, a factor.
    Number,
    /// Seconds.
    Seconds,
    /// Bytes.
    Bytes,
    /// A fraction of 1.
    Ratio,
}

/// Where a condition stands among the rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Group {
    Availability,
    Leadership,
    Replication,
    Latency,
    Requests,
    Connections,
    Data,
    Disk,
    Jvm,
    Security,
    Drift,
    Exporter,
    EarlyWarning,
}

impl Group {
    /// Every group, in the order of the file.
    pub const ALL: [Self; 13] = [
        Self::Availability,
        Self::Leadership,
        Self::Replication,
        Self::Latency,
        Self::Requests,
        Self::Connections,
        Self::Data,
        Self::Disk,
        Self::Jvm,
        Self::Security,
        Self::Drift,
        Self::Exporter,
        Self::EarlyWarning,
    ];

    /// Whether its rules use recorded series, and belong to the file with the recording rules.
    #[must_use]
    pub const fn is_early(self) -> bool {
        matches!(self, Self::EarlyWarning)
    }

    /// The name of the rule group.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Availability => "zookeeper-availability",
            Self::Leadership => "zookeeper-leadership",
            Self::Replication => "zookeeper-replication",
            Self::Latency => "zookeeper-latency",
            Self::Requests => "zookeeper-requests",
            Self::Connections => "zookeeper-connections",
            Self::Data => "zookeeper-data",
            Self::Disk => "zookeeper-disk",
            Self::Jvm => "zookeeper-jvm",
            Self::Security => "zookeeper-security",
            Self::Drift => "zookeeper-drift",
            Self::Exporter => "zookeeper-exporter",
            Self::EarlyWarning => "zookeeper-early-warning",
        }
    }
}

/// One level of a condition.
#[derive(Clone, Debug, PartialEq)]
pub struct Level {
    /// Warning or critical.
    pub severity: Severity,
    /// The number, in the unit of the condition; `None` where there is none to choose.
    pub limit: Option<f64>,
    /// How long it must hold (`for`).
    pub hold: Span,
    /// Whether it is on by default.
    pub on: bool,
    /// One sentence without a number.
    pub summary: &'static str,
    /// When it is reached, where that is not the expression of the condition.
    pub expr: Option<Expr>,
}

/// Something that can be wrong.
#[derive(Clone, Debug)]
pub struct Condition {
    /// The name without `ZooKeeper`: `SlowFsync`.
    pub name: &'static str,
    /// Where it stands.
    pub group: Group,
    /// When it holds, and for whom.
    pub expr: Expr,
    /// What its value is.
    pub unit: Unit,
    /// One or two, warning first.
    pub levels: Vec<Level>,
    /// Where the numbers come from, or why they are what they are.
    pub source: &'static str,
    /// The description: what is so, with the numbers; placeholders as in `alert::text`.
    pub says: &'static str,
    /// The first thing to do: a command to paste, or where to look. Ends the description.
    pub first: &'static str,
    /// What it means.
    pub meaning: &'static str,
    /// What it costs.
    pub impact: &'static str,
    /// The decision that it changes.
    pub decision: &'static str,
    /// How to mitigate it.
    pub mitigation: &'static str,
    /// Series for which it fires, and for which it stays quiet.
    pub cases: Vec<Case>,
}

/// A story told in series, for the unit tests of the rules.
///
/// A series is `name{label="value"} m1 VALUES`: of the member 1, 2 or 3, of the ensemble (`e`), or of the exporter (`x`);
/// with `@2` as a second exporter tells it.
/// VALUES are phases divided by `then`: a number, `+N/m` for growth a minute, `absent` or `stale`, each but the last with
/// `for DURATION`. All other series are those of a healthy ensemble.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    /// The level.
    pub severity: Severity,
    /// Whether it fires, and for which of `m1`, `m2`, `m3`, `e`, `x`; `None` where it stays quiet.
    pub fires: Option<&'static str>,
    /// What it proves, in a few words.
    pub why: &'static str,
    /// The series that differ.
    pub series: &'static [&'static str],
}

impl Condition {
    /// A condition without levels.
    #[must_use]
    pub fn new(name: &'static str, group: Group, unit: Unit, expr: Expr) -> Self {
        Self {
            name,
            group,
            expr,
            unit,
            levels: Vec::new(),
            source: "",
            says: "",
            first: "",
            meaning: "",
            impact: "",
            decision: "",
            mitigation: "",
            cases: Vec::new(),
        }
    }

    fn level(mut self, severity: Severity, limit: Option<f64>, hold: Span, summary: &'static str) -> Self {
        self.levels.push(Level { severity, limit, hold, on: true, summary, expr: None });
        self
    }

    /// The level `warning`.
    pub(super) fn warning(self, limit: impl Into<Option<f64>>, hold: Span, summary: &'static str) -> Self {
        self.level(Severity::Warning, limit.into(), hold, summary)
    }

    /// The level `critical`.
    pub(super) fn critical(self, limit: impl Into<Option<f64>>, hold: Span, summary: &'static str) -> Self {
        self.level(Severity::Critical, limit.into(), hold, summary)
    }

    /// The level `info`.
    pub(super) fn info(self, summary: &'static str) -> Self {
        self.level(Severity::Info, None, Span(0), summary)
    }

    /// The level added last is off by default.
    pub(super) fn off(mut self) -> Self {
        if let Some(level) = self.levels.last_mut() {
            level.on = false;
        }
        self
    }

    /// The level added last is reached by an expression of its own.
    pub(super) fn when(mut self, expr: Expr) -> Self {
        if let Some(level) = self.levels.last_mut() {
            level.expr = Some(expr);
        }
        self
    }

    /// Where the numbers come from.
    pub(super) fn source(mut self, text: &'static str) -> Self {
        self.source = text;
        self
    }

    /// The description, and the first thing to do.
    pub(super) fn says(mut self, text: &'static str, first: &'static str) -> Self {
        (self.says, self.first) = (text, first);
        self
    }

    /// What it means and what it costs.
    pub(super) fn means(mut self, meaning: &'static str, impact: &'static str) -> Self {
        (self.meaning, self.impact) = (meaning, impact);
        self
    }

    /// The first action, and how to mitigate it.
    pub(super) fn so(mut self, decision: &'static str, mitigation: &'static str) -> Self {
        (self.decision, self.mitigation) = (decision, mitigation);
        self
    }

    /// A case in which it fires.
    pub(super) fn fires(
        mut self,
        severity: Severity,
        whom: &'static str,
        why: &'static str,
        series: &'static [&'static str],
    ) -> Self {
        self.cases.push(Case { severity, fires: Some(whom), why, series });
        self
    }

    /// A case in which it stays quiet.
    pub(super) fn quiet(mut self, severity: Severity, why: &'static str, series: &'static [&'static str]) -> Self {
        self.cases.push(Case { severity, fires: None, why, series });
        self
    }

    /// The name of the alert: `ZooKeeperSlowFsync`.
    #[must_use]
    pub fn alert(&self) -> String {
        format!("ZooKeeper{}", self.name)
    }

    /// What alerts are told apart by.
    #[must_use]
    pub fn keys(&self) -> Keys {
        self.expr.keys().unwrap_or(Keys::Nothing)
    }

    /// The level of this severity.
    #[must_use]
    pub fn level_of(&self, severity: Severity) -> Option<&Level> {
        self.levels.iter().find(|level| level.severity == severity)
    }

    /// Whether a larger value is worse; `None` where there is no limit.
    #[must_use]
    pub fn larger_is_worse(&self) -> Option<bool> {
        self.expr.limit_comparison().map(|cmp| matches!(cmp, Cmp::Gt | Cmp::Ge | Cmp::Eq))
    }

    /// The names of the samples that it looks at, each once, `up` of Prometheus among them.
    #[must_use]
    pub fn samples(&self) -> Vec<&'static str> {
        let mut names: Vec<&'static str> = self.expr.selectors().into_iter().map(|selector| selector.name).collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// The first ZooKeeper release that has all of them.
    #[must_use]
    pub fn since(&self) -> &'static str {
        let rows = self.samples().into_iter().filter_map(row_of);
        rows.map(|row| row.since).max_by_key(|since| release(since)).unwrap_or("3.4.0")
    }

    /// Whether it needs what only the Prometheus provider says (`exportJvmInfo`).
    #[must_use]
    pub fn needs_jvm(&self) -> bool {
        self.samples().into_iter().filter_map(row_of).any(|row| row.provider_only)
    }
}

/// The row of `mntr` behind a sample's name; `None` for what the exporter says itself.
#[must_use]
pub fn row_of(sample: &str) -> Option<&'static crate::catalogue::Metric> {
    let family = super::promql::family_of(sample)?;
    crate::catalogue::rows().find(|row| {
        row.name == family.name || [("_min"), ("_max")].iter().any(|end| family.name == format!("{}{end}", row.name))
    })
}

/// A release as numbers: `3.10.0` is newer than `3.9.0`.
#[must_use]
pub fn release(text: &str) -> Vec<u32> {
    text.split('.').map(|part| part.parse().unwrap_or(0)).collect()
}
