//! A panel as described: the question, what a bad answer looks like and what to do then, the queries, the limits.

use super::query::firing_of;

/// What the numbers are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Unit {
    Count,
    Seconds,
    /// A long time, in words: 3 days.
    Age,
    Bytes,
    BytesPerSecond,
    /// A fraction of 1, shown as a percentage.
    Ratio,
    PerSecond,
    Text,
}

impl Unit {
    /// Grafana's name for it.
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

/// How a value is coloured.
#[derive(Clone, Debug, PartialEq)]
pub enum Paint {
    /// Not at all.
    Plain,
    /// Green, and from each number on another colour.
    From(Vec<(f64, &'static str)>),
    /// Red, and from each number on another colour: for what must not fall.
    Falling(Vec<(f64, &'static str)>),
    /// Green, and from each part of a limit on another colour.
    Part(&'static [(f64, &'static str)]),
    /// As [`Self::From`], with words and colours for some values.
    FromOrWords(Vec<(f64, &'static str)>, &'static [(i32, &'static str, &'static str)]),
    /// Each value has a word and a colour.
    Words(&'static [(i32, &'static str, &'static str)]),
}

/// The shape of a y axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Axis {
    /// Even.
    Linear,
    /// Powers of ten: for latencies, whose limits lie far above what is usual.
    Log,
    /// Powers of ten from 1 on, with 0 shown.
    LogWithZero,
}

/// The kind of panel.
#[derive(Clone, Debug)]
pub enum Look {
    /// Curves over time.
    Curves {
        /// How values are placed.
        axis: Axis,
    },
    /// One number, or one for each series.
    Number,
    /// The name of the series instead of its number.
    Name,
    /// States over time, a line for each series.
    States,
    /// Values over time as colours, a line for each series.
    Heat,
    /// Bars with one value each.
    Bars,
    /// A table made of instant queries.
    Table {
        /// Labels that become columns, with their headings; they name a row.
        keys: Vec<(&'static str, &'static str)>,
        /// A column for each query.
        columns: Vec<Column>,
        /// The heading to sort by, and whether the largest comes first.
        sort: Option<(&'static str, bool)>,
    },
}

/// A column of a table.
#[derive(Clone, Debug)]
pub struct Column {
    /// The heading; empty where only the labels are of interest.
    pub title: &'static str,
    /// The instant query.
    pub expr: String,
    /// What the numbers are.
    pub unit: Unit,
    /// How cells are coloured.
    pub paint: Paint,
    /// Drawn as a bar from 0 to 1.
    pub bar: bool,
}

impl Column {
    /// A plain column.
    pub(super) fn new(title: &'static str, unit: Unit, expr: impl Into<String>) -> Self {
        Self { title, expr: expr.into(), unit, paint: Paint::Plain, bar: false }
    }

    /// Coloured.
    pub(super) fn paint(mut self, paint: Paint) -> Self {
        self.paint = paint;
        self
    }

    /// As a bar from 0 to 1.
    pub(super) fn bar(mut self) -> Self {
        self.bar = true;
        self
    }
}

/// A query and the name of its series.
#[derive(Clone, Debug)]
pub struct Target {
    /// The expression, with `{M}`, `{E}` and `{J}` written out.
    pub expr: String,
    /// Grafana's legend: `{{member}}`.
    pub legend: &'static str,
    /// On an axis of its own at the right, with this unit.
    pub right: Option<Unit>,
    /// Dotted: what may come, not what was.
    pub forecast: bool,
}

/// One panel.
#[derive(Clone, Debug)]
pub struct Panel {
    /// The heading.
    pub title: &'static str,
    /// The question it answers.
    pub asks: &'static str,
    /// What it looks like, and means, when something is wrong.
    pub bad: &'static str,
    /// What to do then.
    pub act: &'static str,
    /// The text shown instead of an empty graph.
    pub missing: &'static str,
    /// Kind of panel.
    pub look: Look,
    /// What the numbers are.
    pub unit: Unit,
    /// The queries; empty in a table, whose columns have them.
    pub targets: Vec<Target>,
    /// The alert whose limits are drawn as lines.
    pub limits: Option<&'static str>,
    /// How values are coloured.
    pub paint: Paint,
    /// Alerts of its subject: while one fires, nothing here is green.
    pub alarms: &'static [&'static str],
    /// Bounds of the axis or the bar.
    pub bounds: (Option<f64>, Option<f64>),
    /// Width in 24ths, height in Grafana's units.
    pub size: (u32, u32),
}

/// Stands for a number while an alert of its subject fires: no number of ours is as low.
pub(super) const ALARM: i32 = -999_999;

/// The default text of a panel without data.
pub(super) const NOTHING: &str = "No data: is the exporter scraped, and do the variables above match anything?";

impl Panel {
    fn new(title: &'static str, look: Look, unit: Unit, size: (u32, u32)) -> Self {
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

    /// Curves over time.
    pub(super) fn curves(title: &'static str, unit: Unit) -> Self {
        let mut panel = Self::new(title, Look::Curves { axis: Axis::Linear }, unit, (8, 7));
        panel.bounds = (Some(0.0), None);
        panel
    }

    /// A number.
    pub(super) fn number(title: &'static str, unit: Unit) -> Self {
        Self::new(title, Look::Number, unit, (4, 4))
    }

    /// A name.
    pub(super) fn name(title: &'static str) -> Self {
        Self::new(title, Look::Name, Unit::Text, (4, 4))
    }

    /// States over time.
    pub(super) fn states(title: &'static str) -> Self {
        Self::new(title, Look::States, Unit::Count, (12, 8))
    }

    /// Values as colours over time.
    pub(super) fn heat(title: &'static str, unit: Unit) -> Self {
        Self::new(title, Look::Heat, unit, (12, 8))
    }

    /// Bars.
    pub(super) fn bars(title: &'static str, unit: Unit) -> Self {
        Self::new(title, Look::Bars, unit, (8, 7))
    }

    /// A table.
    pub(super) fn table(title: &'static str, keys: &[(&'static str, &'static str)], columns: Vec<Column>) -> Self {
        Self::new(title, Look::Table { keys: keys.to_vec(), columns, sort: None }, Unit::Count, (12, 8))
    }

    /// The question it answers.
    pub(super) fn asks(mut self, text: &'static str) -> Self {
        self.asks = text;
        self
    }

    /// What bad looks like, and what to do.
    pub(super) fn bad(mut self, bad: &'static str, act: &'static str) -> Self {
        (self.bad, self.act) = (bad, act);
        self
    }

    /// What to say instead of nothing.
    pub(super) fn missing(mut self, text: &'static str) -> Self {
        self.missing = text;
        self
    }

    /// One more query.
    pub(super) fn query(mut self, expr: impl Into<String>, legend: &'static str) -> Self {
        self.targets.push(Target { expr: expr.into(), legend, right: None, forecast: false });
        self
    }

    /// One more query, on the right axis.
    pub(super) fn right(mut self, unit: Unit, expr: impl Into<String>, legend: &'static str) -> Self {
        self.targets.push(Target { expr: expr.into(), legend, right: Some(unit), forecast: false });
        self
    }

    /// One more query, of what may come.
    pub(super) fn forecast(mut self, expr: impl Into<String>, legend: &'static str) -> Self {
        self.targets.push(Target { expr: expr.into(), legend, right: None, forecast: true });
        self
    }

    /// Shows [`ALARM`] instead of each number that has these labels while one of these alerts fires.
    pub(super) fn alarms(mut self, keys: &'static str, names: &'static [&'static str]) -> Self {
        self.alarms = names;
        for target in &mut self.targets {
            target.expr = format!("{ALARM} * {} or {}", firing_of(keys, names), target.expr);
        }
        self
    }

    /// The queries look at these alerts themselves.
    pub(super) fn with_alarms(mut self, names: &'static [&'static str]) -> Self {
        self.alarms = names;
        self
    }

    /// Lines at the limits of an alert.
    pub(super) fn limits(mut self, alert: &'static str) -> Self {
        self.limits = Some(alert);
        self
    }

    /// Coloured.
    pub(super) fn paint(mut self, paint: Paint) -> Self {
        self.paint = paint;
        self
    }

    /// Powers of ten.
    pub(super) fn log(mut self) -> Self {
        self.bounds = (None, None);
        self.set_axis(Axis::Log);
        self
    }

    /// Powers of ten, with 0.
    pub(super) fn log_with_zero(mut self) -> Self {
        self.set_axis(Axis::LogWithZero);
        self
    }

    fn set_axis(&mut self, shape: Axis) {
        if let Look::Curves { axis } = &mut self.look {
            *axis = shape;
        }
    }

    /// Sorted by a column.
    pub(super) fn sorted(mut self, by: &'static str, largest_first: bool) -> Self {
        if let Look::Table { sort, .. } = &mut self.look {
            *sort = Some((by, largest_first));
        }
        self
    }

    /// The lower and the upper end of the axis.
    pub(super) fn between(mut self, low: impl Into<Option<f64>>, high: impl Into<Option<f64>>) -> Self {
        self.bounds = (low.into(), high.into());
        self
    }

    /// Width and height.
    pub(super) fn size(mut self, width: u32, height: u32) -> Self {
        self.size = (width, height);
        self
    }

    /// Every expression of the panel, its limit lines not included.
    pub fn expressions(&self) -> impl Iterator<Item = &str> {
        let columns: &[Column] = if let Look::Table { columns, .. } = &self.look { columns } else { &[] };
        self.targets.iter().map(|target| target.expr.as_str()).chain(columns.iter().map(|column| column.expr.as_str()))
    }
}
