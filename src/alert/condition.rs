//! A condition: expression, levels, texts, runbook sections and test cases.

use super::expr::{Cmp, Expr, Keys, Span};

/// The two alert levels, and `Info` for the watchdog.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// No fault; used only by the [`Condition`] `Watchdog`.
    Info,
    /// Early warning or misconfiguration; to be handled during working hours.
    Warning,
    /// Critical: page the on-call.
    Critical,
}

impl Severity {
    /// The value of the label `severity`.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}

/// The unit of a condition's value and limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Boolean; the text has no number.
    State,
    /// A count, formatted without decimals.
    Count,
    /// A dimensionless number that is not a count, such as a factor.
    Number,
    /// Seconds.
    Seconds,
    /// Bytes.
    Bytes,
    /// A fraction between 0 and 1.
    Ratio,
}

/// Rule group of a condition.
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
    /// Every group, in the order of the rule file.
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

    /// Whether its rules use recorded series and are written to the file with the recording rules.
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
    /// The severity.
    pub severity: Severity,
    /// The limit, in the unit of the condition; `None` if the level has no configurable limit.
    pub limit: Option<f64>,
    /// How long the expression must hold before the alert fires (`for`).
    pub hold: Span,
    /// How long it keeps firing after the expression has ended (`keep_firing_for`).
    pub keep: Span,
    /// Whether it is enabled by default.
    pub on: bool,
    /// Summary annotation: one sentence without a number.
    pub summary: &'static str,
    /// Overrides the expression of the condition for this level.
    pub expr: Option<Expr>,
}

/// A condition that alerts are derived from.
#[derive(Clone, Debug)]
pub struct Condition {
    /// The name without the prefix `ZooKeeper`: `SlowFsync`.
    pub name: &'static str,
    /// The rule group.
    pub group: Group,
    /// The expression; its labels identify the affected ensemble or member.
    pub expr: Expr,
    /// The unit of its value.
    pub unit: Unit,
    /// One or two levels, warning first.
    pub levels: Vec<Level>,
    /// Source or rationale of the limits.
    pub source: &'static str,
    /// Why it keeps firing after its end; empty if it does not.
    pub keep_reason: &'static str,
    /// The description with the current numbers; placeholders as in `alert::text`.
    pub says: &'static str,
    /// First action: a command to paste, or a place to check. Ends the description.
    pub first: &'static str,
    /// Runbook section *Meaning*.
    pub meaning: &'static str,
    /// Runbook section *Impact*.
    pub impact: &'static str,
    /// Runbook line *First action*.
    pub decision: &'static str,
    /// Runbook section *Mitigation*.
    pub mitigation: &'static str,
    /// Test cases: series for which it fires, and series for which it does not.
    pub cases: Vec<Case>,
}

/// A test case for the unit tests of the rules.
///
/// A series is `name{label="value"} m1 VALUES`: of member 1, 2 or 3 (`m1` to `m3`), of the ensemble (`e`) or of the
/// exporter (`x`); `@2` marks a series of a second exporter. VALUES are phases separated by `then`: a number, `+N/m`
/// for an increase per minute, `absent` or `stale`. Each phase but the last has `for DURATION`. If the last one has it
/// too, the case is evaluated at that end, otherwise after every window and `for` of the condition. All other series are
/// those of a healthy ensemble.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    /// The level under test.
    pub severity: Severity,
    /// The subject it fires for (`m1`, `m2`, `m3`, `e` or `x`); `None` if it does not fire.
    pub fires: Option<&'static str>,
    /// What the case covers, in a few words.
    pub why: &'static str,
    /// The series that differ from the healthy ensemble.
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
            keep_reason: "",
            says: "",
            first: "",
            meaning: "",
            impact: "",
            decision: "",
            mitigation: "",
            cases: Vec::new(),
        }
    }

    /// The same for rules with `for`: one failed scrape must not restart it. What judges the presence of pages itself
    /// remains as it is.
    #[must_use]
    pub(super) fn through_gaps(mut self) -> Self {
        let waits = self.levels.iter().any(|level| level.hold > Span(0));
        if waits && !self.expr.judges_presence() {
            self.expr = self.expr.through_gaps();
            for level in &mut self.levels {
                level.expr = level.expr.as_ref().map(Expr::through_gaps);
            }
        }
        self
    }

    fn level(mut self, severity: Severity, limit: Option<f64>, hold: Span, summary: &'static str) -> Self {
        self.levels.push(Level { severity, limit, hold, keep: Span(0), on: true, summary, expr: None });
        self
    }

    /// Adds the level `warning`.
    pub(super) fn warning(self, limit: impl Into<Option<f64>>, hold: Span, summary: &'static str) -> Self {
        self.level(Severity::Warning, limit.into(), hold, summary)
    }

    /// Adds the level `critical`.
    pub(super) fn critical(self, limit: impl Into<Option<f64>>, hold: Span, summary: &'static str) -> Self {
        self.level(Severity::Critical, limit.into(), hold, summary)
    }

    /// Adds the level `info`.
    pub(super) fn info(self, summary: &'static str) -> Self {
        self.level(Severity::Info, None, Span(0), summary)
    }

    /// Disables the most recently added level by default.
    pub(super) fn off(mut self) -> Self {
        if let Some(level) = self.levels.last_mut() {
            level.on = false;
        }
        self
    }

    /// The level added last keeps firing for this long after its end, for this reason.
    pub(super) fn keeps(mut self, span: Span, reason: &'static str) -> Self {
        if let Some(level) = self.levels.last_mut() {
            level.keep = span;
            self.keep_reason = reason;
        }
        self
    }

    /// Sets a separate expression for the most recently added level.
    pub(super) fn when(mut self, expr: Expr) -> Self {
        if let Some(level) = self.levels.last_mut() {
            level.expr = Some(expr);
        }
        self
    }

    /// Sets the source of the limits.
    pub(super) fn source(mut self, text: &'static str) -> Self {
        self.source = text;
        self
    }

    /// Sets the description and the first action.
    pub(super) fn says(mut self, text: &'static str, first: &'static str) -> Self {
        (self.says, self.first) = (text, first);
        self
    }

    /// Sets the runbook sections *Meaning* and *Impact*.
    pub(super) fn means(mut self, meaning: &'static str, impact: &'static str) -> Self {
        (self.meaning, self.impact) = (meaning, impact);
        self
    }

    /// Sets the runbook line *First action* and the section *Mitigation*.
    pub(super) fn so(mut self, decision: &'static str, mitigation: &'static str) -> Self {
        (self.decision, self.mitigation) = (decision, mitigation);
        self
    }

    /// Adds a case in which it fires.
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

    /// Adds a case in which it does not fire.
    pub(super) fn quiet(mut self, severity: Severity, why: &'static str, series: &'static [&'static str]) -> Self {
        self.cases.push(Case { severity, fires: None, why, series });
        self
    }

    /// The alert name: `ZooKeeperSlowFsync`.
    #[must_use]
    pub fn alert(&self) -> String {
        format!("ZooKeeper{}", self.name)
    }

    /// The labels that identify one alert.
    #[must_use]
    pub fn keys(&self) -> Keys {
        self.expr.keys().unwrap_or(Keys::Nothing)
    }

    /// The level with this severity.
    #[must_use]
    pub fn level_of(&self, severity: Severity) -> Option<&Level> {
        self.levels.iter().find(|level| level.severity == severity)
    }

    /// Whether a larger value is worse; `None` if there is no limit.
    #[must_use]
    pub fn larger_is_worse(&self) -> Option<bool> {
        self.expr.limit_comparison().map(|cmp| matches!(cmp, Cmp::Gt | Cmp::Ge | Cmp::Eq))
    }

    /// The sample names the expression uses, without duplicates, including Prometheus' own `up`.
    #[must_use]
    pub fn samples(&self) -> Vec<&'static str> {
        let mut names: Vec<&'static str> = self.expr.selectors().into_iter().map(|selector| selector.name).collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// The oldest ZooKeeper release that provides all of them.
    #[must_use]
    pub fn since(&self) -> &'static str {
        let rows = self.samples().into_iter().filter_map(row_of);
        rows.map(|row| row.since).max_by_key(|since| release(since)).unwrap_or("3.4.0")
    }

    /// Whether it needs metrics that only the Prometheus metrics provider exports (`exportJvmInfo`).
    #[must_use]
    pub fn needs_jvm(&self) -> bool {
        self.samples().into_iter().filter_map(row_of).any(|row| row.provider_only)
    }
}

/// The catalogue entry of the `mntr` key behind a sample name; `None` for the exporter's own metrics.
#[must_use]
pub fn row_of(sample: &str) -> Option<&'static crate::catalogue::Metric> {
    let family = super::promql::family_of(sample)?;
    crate::catalogue::rows().find(|row| {
        row.name == family.name || [("_min"), ("_max")].iter().any(|end| family.name == format!("{}{end}", row.name))
    })
}

/// A release as a list of numbers, so that `3.10.0` sorts after `3.9.0`.
#[must_use]
pub fn release(text: &str) -> Vec<u32> {
    text.split('.').map(|part| part.parse().unwrap_or(0)).collect()
}
