//! `GET /sd`: the configured ensembles for Prometheus' `http_sd_configs`, one target group each.

use std::sync::Arc;

use axum::Extension;
use axum::body::Body;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::App;
use super::admission::Overloaded;
use super::body::FullBody;
use super::deadline::Deadline;
use crate::config::{Config, EnsembleConfig};

/// A target group in Prometheus' format.
#[derive(Debug, Serialize)]
struct Group<'c> {
    /// The name of the ensemble, which relabelling copies to the parameter `ensemble` of `/probe`.
    targets: [&'c str; 1],
    labels: Labels<'c>,
}

#[derive(Debug, Serialize)]
struct Labels<'c> {
    #[serde(rename = "__meta_zookeeper_ensemble")]
    ensemble: &'c str,
    #[serde(rename = "__meta_zookeeper_members")]
    members: String,
    #[serde(rename = "__meta_zookeeper_module")]
    module: &'c str,
    #[serde(rename = "__meta_zookeeper_discovery")]
    discovery: &'static str,
}

/// The target groups, in the order of the configuration.
pub(super) async fn sd(
    State(app): State<Arc<App>>,
    Extension(deadline): Extension<Deadline>,
) -> Result<Response, Overloaded> {
    let running = app.current.get();
    let mut permit = app.budgets.status.admit(running.scraper.members(), &deadline).await?;
    // Only strings and lists: serialisation cannot fail.
    let text = serde_json::to_string_pretty(&groups(&running.config)).unwrap_or_else(|_| "[]".to_owned()) + "\n";
    permit.count(text.capacity())?;
    Ok(([(CONTENT_TYPE, "application/json")], Body::new(FullBody::new(text.into_bytes(), permit))).into_response())
}

fn groups(config: &Config) -> Vec<Group<'_>> {
    let members = |ensemble: &EnsembleConfig| {
        let members: Vec<_> = ensemble.members.iter().map(|member| member.address.to_string()).collect();
        members.join(",")
    };
    config
        .ensembles
        .iter()
        .map(|ensemble| Group {
            targets: [&ensemble.name],
            labels: Labels {
                ensemble: &ensemble.name,
                members: members(ensemble),
                module: &ensemble.module_name,
                discovery: ensemble.discovery.text(),
            },
        })
        .collect()
}
