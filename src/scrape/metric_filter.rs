//! The metric families of a member to export, as configured in the module.

use std::sync::Arc;

use crate::catalogue::{Family, FamilyId, Kind, Part, catalogue, essential, is_own};
use crate::config::Choice;
use crate::config::choice::fits;

/// The configured families; the default is all.
#[derive(Clone, Debug, Default)]
pub struct MetricFilter(Option<Arc<Table>>);

#[derive(Debug)]
struct Table {
    families: Vec<bool>,
    /// Whether quantiles of summaries are exported. They cover the server's whole uptime and are most of the series.
    quantiles: bool,
}

impl MetricFilter {
    /// The filter for a module.
    #[must_use]
    pub fn new(choice: &Choice) -> Self {
        let families = catalogue().families();
        let table = match choice {
            Choice::All => return Self(None),
            Choice::Essential => Table {
                families: families.map(|(id, _)| is_own(id) || essential().contains(&id)).collect(),
                quantiles: false,
            },
            Choice::Globs(globs) => {
                let chosen = |name: &str| globs.iter().any(|glob| fits(glob, name));
                let chosen = |(id, family): (FamilyId, &Family)| is_own(id) || chosen(&family.full_name());
                Table { families: families.map(chosen).collect(), quantiles: true }
            }
        };
        Self(Some(Arc::new(table)))
    }

    /// Whether this part of the family is exported.
    #[must_use]
    pub fn has(&self, id: FamilyId, part: Part) -> bool {
        let Some(table) = &self.0 else { return true };
        let quantile = part.quantile().is_some() && catalogue().family(id).kind == Kind::Summary;
        table.families.get(usize::from(id.0)).copied().unwrap_or(false) && (table.quantiles || !quantile)
    }

    /// Whether everything is exported.
    #[must_use]
    pub fn is_all(&self) -> bool {
        self.0.is_none()
    }
}
