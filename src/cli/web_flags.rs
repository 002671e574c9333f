//! Flags of the HTTP endpoint that Prometheus exporters have in common.

use super::UsageError;
use crate::http::WebPaths;

/// Where the endpoints are.
#[derive(Debug, clap::Args)]
pub(super) struct PathFlags {
    /// URL under which browsers reach the exporter, e.g. behind a reverse proxy; its path prefixes links and routes.
    #[arg(long = "web.external-url", env = "ZOOKEEPER_EXPORTER_WEB_EXTERNAL_URL", value_name = "URL")]
    external_url: Option<String>,

    /// Prefix of all paths [default: the path of --web.external-url].
    #[arg(long = "web.route-prefix", env = "ZOOKEEPER_EXPORTER_WEB_ROUTE_PREFIX", value_name = "PATH")]
    route_prefix: Option<String>,
}

impl PathFlags {
    pub(super) fn paths(&self) -> Result<WebPaths, UsageError> {
        // Checked alone first, so that the error refers to the right flag.
        WebPaths::new(self.external_url.as_deref(), None)
            .map_err(|why| UsageError(format!("--web.external-url: {why}")))?;
        WebPaths::new(self.external_url.as_deref(), self.route_prefix.as_deref())
            .map_err(|why| UsageError(format!("--web.route-prefix: {why}")))
    }
}

/// How clients connect.
#[derive(Debug, clap::Args)]
pub(super) struct WebFlags {
    #[command(flatten)]
    pub(super) paths: PathFlags,

    /// Use the listening sockets that systemd passes, instead of --web.listen-address.
    #[arg(long = "web.systemd-socket", env = "ZOOKEEPER_EXPORTER_WEB_SYSTEMD_SOCKET")]
    pub(super) systemd_socket: bool,

    /// Maximum number of concurrent scrapes; further ones get 503; 0 is no limit.
    #[arg(
        long = "web.max-requests",
        env = "ZOOKEEPER_EXPORTER_WEB_MAX_REQUESTS",
        value_name = "N",
        default_value_t = 0
    )]
    pub(super) max_requests: usize,
}
