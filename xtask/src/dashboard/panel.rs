//! The description of a panel: its question, signs of a problem, reaction, queries and limits.

use super::query::firing_of;

/// Unit of values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Unit {
    Count,
    Seconds,
    /// A long duration, e.g. 3 days.
    Age,
    Bytes,
    BytesPerSecond,
    /// A fraction of 1, displayed as a percentage.
    Ratio,
    PerSecond,
    Text,
}

impl Unit {
    /// Grafana's name of the unit.
    #[must_use]
    pub const fn id(self) -> &'static str {
        match self {
            Self::Count => "short",
            Self::Seconds => "s",
            Self::Age => "dtdurations",
            Self::Bytes => "bytes",
            Self::BytesPerSecond => "Bps",
            Self::Ratio => "percentunit",
            Self::PerSecond => "ops",
            Self::Text => "string",
        }
    }
}

/// Colours of a value.
#[derive(Clone, Debug, PartialEq)]
pub enum Paint {
    /// Without colours.
    Plain,
    /// Green, with other colours from given values upwards.
    From(Vec<(f64, &'static str)>),
    /// Red, with other colours from given values upwards, for values that must not fall.
    Falling(Vec<(f64, &'static str)>),
    /// Green, with other colours from given fractions of a limit upwards.
    Part(&'static [(f64, &'static str)]),
    /// As [`Self::From`], with texts and colours for some values.
    FromOrWords(Vec<(f64, &'static str)>, &'static [(i32, &'static str, &'static str)]),
    /// A text and a colour for each value.
    Words(&'static [(i32, &'static str, &'static str)]),
}

/// The scale of a y axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Axis {
    /// Linear scale.
    Linear,
    /// Logarithmic scale, for latencies, whose limits are far above typical values.
    Log,
    /// Logarithmic scale from 1 upwards that includes 0.
    LogWithZero,
}

/// The kind of panel.
#[derive(Clone, Debug)]
pub enum PanelKind {
    /// Time series.
    Curves {
        /// Scale of the y axis.
        axis: Axis,
    },
    /// One number per series.
    Number,
    /// The name of the series instead of its number.
    Name,
    /// States over time, one row per series.
    States,
    /// Values over time as colours, one row per series.
    Heat,
    /// A histogram over time; the first query returns native buckets, the second classic ones.
    Buckets,
    /// Bars with one value each.
    Bars,
    /// A table of instant queries.
    Table {
        /// Labels shown as columns, with their headings.
        keys: Vec<(&'static str, &'static str)>,
        /// One column per query.
        columns: Vec<Column>,
        /// The heading to sort by, and whether the order is descending.
        sort: Option<(&'static str, bool)>,
    },
}

/// A column of a table.
#[derive(Clone, Debug)]
pub struct Column {
    /// The heading; empty if only the labels matter.
    pub title: &'static str,
    /// The instant query.
    pub expr: String,
    /// Unit of the values.
    pub unit: Unit,
    /// Colours of the cells.
    pub paint: Paint,
    /// Whether values are drawn as bars from 0 to 1.
    pub bar: bool,
}

impl Column {
    /// A plain column.
    pub(super) fn new(title: &'static str, unit: Unit, expr: impl Into<String>) -> Self {
        Self { title, expr: expr.into(), unit, paint: Paint::Plain, bar: false }
    }

    /// Sets the colours.
    pub(super) fn paint(mut self, paint: Paint) -> Self {
        self.paint = paint;
        self
    }

    /// Draws values as bars from 0 to 1.
    pub(super) fn bar(mut self) -> Self {
        self.bar = true;
        self
    }
}

/// A query and its legend.
#[derive(Clone, Debug)]
pub struct Target {
    /// The expression, with the placeholders `{M}`, `{E}` and `{J}`.
    pub expr: String,
    /// Grafana's legend, e.g. `{{member}}`.
    pub legend: &'static str,
    /// Unit of the right axis; `None` for the left axis.
    pub right: Option<Unit>,
    /// Whether it is a forecast, drawn as a dotted line.
    pub forecast: bool,
}

/// One panel.
#[derive(Clone, Debug)]
pub struct Panel {
    /// The heading.
    pub title: &'static str,
    /// The question that the panel answers.
    pub asks: &'static str,
    /// Signs of a problem, and their meaning.
    pub bad: &'static str,
    /// What to do about a problem.
    pub act: &'static str,
    /// The text shown without data.
    pub missing: &'static str,
    /// The kind of panel.
    pub look: PanelKind,
    /// Unit of the values.
    pub unit: Unit,
    /// The queries; empty for a table, whose columns contain them.
    pub targets: Vec<Target>,
    /// The alert whose limits are drawn.
    pub limits: Option<&'static str>,
    /// Colours of values.
    pub paint: Paint,
    /// Related alerts; while one of them is firing, no value of the panel is green.
    pub alarms: &'static [&'static str],
    /// Bounds of the axis or the bar.
    pub bounds: (Option<f64>, Option<f64>),
    /// Width in 24ths, and height in units of Grafana.
    pub size: (u32, u32),
}

/// Replaces a number while a related alert is firing; lower than any real value.
pub(super) const ALARM: i32 = -999_999;

/// The default text for a panel without data.
pub(super) const NOTHING: &str = "No data: check that the exporter is scraped, and that the variables match.";

impl Panel {
    fn new(title: &'static str, look: PanelKind, unit: Unit, size: (u32, u32)) -> Self {
        Self {
            title,
            asks: "",
            bad: "",
            act: "",
            missing: NOTHING,
            look,
            unit,
            targets: Vec::new(),
            limits: None,
            paint: Paint::Plain,
            alarms: &[],
            bounds: (None, None),
            size,
        }
    }

    /// A panel with time series.
    pub(super) fn curves(title: &'static str, unit: Unit) -> Self {
        let mut panel = Self::new(title, PanelKind::Curves { axis: Axis::Linear }, unit, (8, 7));
        panel.bounds = (Some(0.0), None);
        panel
    }

    /// A panel with one number per series.
    pub(super) fn number(title: &'static str, unit: Unit) -> Self {
        Self::new(title, PanelKind::Number, unit, (4, 4))
    }

    /// A panel with the names of its series.
    pub(super) fn name(title: &'static str) -> Self {
        Self::new(title, PanelKind::Name, Unit::Text, (4, 4))
    }

    /// A panel with states over time.
    pub(super) fn states(title: &'static str) -> Self {
        Self::new(title, PanelKind::States, Unit::Count, (12, 8))
    }

    /// A panel with values as colours over time.
    pub(super) fn heat(title: &'static str, unit: Unit) -> Self {
        Self::new(title, PanelKind::Heat, unit, (12, 8))
    }

    /// A histogram of the exporter over time: native buckets if Prometheus has them, else classic ones.
    pub(super) fn buckets(title: &'static str, unit: Unit, family: &str, keys: &str) -> Self {
        let native = format!("sum(rate({family}{{{keys}}}[$__rate_interval]))");
        let classic = format!("sum by (le) (rate({family}_bucket{{{keys}}}[$__rate_interval])) unless on () {native}");
        Self::new(title, PanelKind::Buckets, unit, (8, 7)).query(native, "").query(classic, "{{le}}")
    }

    /// A bar chart.
    pub(super) fn bars(title: &'static str, unit: Unit) -> Self {
        Self::new(title, PanelKind::Bars, unit, (8, 7))
    }

    /// A table with label columns `keys` and value columns `columns`.
    pub(super) fn table(title: &'static str, keys: &[(&'static str, &'static str)], columns: Vec<Column>) -> Self {
        Self::new(title, PanelKind::Table { keys: keys.to_vec(), columns, sort: None }, Unit::Count, (12, 8))
    }

    /// Sets the question that the panel answers.
    pub(super) fn asks(mut self, text: &'static str) -> Self {
        self.asks = text;
        self
    }

    /// Sets the signs of a problem and what to do about it.
    pub(super) fn bad(mut self, bad: &'static str, act: &'static str) -> Self {
        (self.bad, self.act) = (bad, act);
        self
    }

    /// Sets the text shown without data.
    pub(super) fn missing(mut self, text: &'static str) -> Self {
        self.missing = text;
        self
    }

    /// Adds a query.
    pub(super) fn query(mut self, expr: impl Into<String>, legend: &'static str) -> Self {
        self.targets.push(Target { expr: expr.into(), legend, right: None, forecast: false });
        self
    }

    /// Adds a query on the right axis.
    pub(super) fn right(mut self, unit: Unit, expr: impl Into<String>, legend: &'static str) -> Self {
        self.targets.push(Target { expr: expr.into(), legend, right: Some(unit), forecast: false });
        self
    }

    /// Adds a forecast query.
    pub(super) fn forecast(mut self, expr: impl Into<String>, legend: &'static str) -> Self {
        self.targets.push(Target { expr: expr.into(), legend, right: None, forecast: true });
        self
    }

    /// Replaces numbers with these labels by [`ALARM`] while one of these alerts is firing.
    pub(super) fn alarms(mut self, keys: &'static str, names: &'static [&'static str]) -> Self {
        self.alarms = names;
        for target in &mut self.targets {
            target.expr = format!("{ALARM} * {} or {}", firing_of(keys, names), target.expr);
        }
        self
    }

    /// Names related alerts that the queries already take into account.
    pub(super) fn with_alarms(mut self, names: &'static [&'static str]) -> Self {
        self.alarms = names;
        self
    }

    /// Draws the limits of an alert.
    pub(super) fn limits(mut self, alert: &'static str) -> Self {
        self.limits = Some(alert);
        self
    }

    /// Sets the colours.
    pub(super) fn paint(mut self, paint: Paint) -> Self {
        self.paint = paint;
        self
    }

    /// Sets a logarithmic scale.
    pub(super) fn log(mut self) -> Self {
        self.bounds = (None, None);
        self.set_axis(Axis::Log);
        self
    }

    /// Sets a logarithmic scale that includes 0.
    pub(super) fn log_with_zero(mut self) -> Self {
        self.set_axis(Axis::LogWithZero);
        self
    }

    fn set_axis(&mut self, shape: Axis) {
        if let PanelKind::Curves { axis } = &mut self.look {
            *axis = shape;
        }
    }

    /// Sorts a table by a column.
    pub(super) fn sorted(mut self, by: &'static str, largest_first: bool) -> Self {
        if let PanelKind::Table { sort, .. } = &mut self.look {
            *sort = Some((by, largest_first));
        }
        self
    }

    /// Sets the lower and the upper bound of the axis.
    pub(super) fn between(mut self, low: impl Into<Option<f64>>, high: impl Into<Option<f64>>) -> Self {
        self.bounds = (low.into(), high.into());
        self
    }

    /// Sets width and height.
    pub(super) fn size(mut self, width: u32, height: u32) -> Self {
        self.size = (width, height);
        self
    }

    /// All expressions of the panel without its limit lines.
    pub fn expressions(&self) -> impl Iterator<Item = &str> {
        let columns: &[Column] = if let PanelKind::Table { columns, .. } = &self.look { columns } else { &[] };
        self.targets.iter().map(|target| target.expr.as_str()).chain(columns.iter().map(|column| column.expr.as_str()))
    }
}
