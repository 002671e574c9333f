//! The API of a running exporter, used by `why` and `events`.

use std::path::PathBuf;
use std::time::Duration;

use serde::de::DeserializeOwned;

use super::UsageError;
use super::fetch::{Fetch, FetchError};
use crate::config::{ServerUrl, UrlForm};

/// Timeout of a request; includes two scrapes with members that do not reply.
const TIMEOUT: Duration = Duration::from_secs(20);

const FORM: UrlForm = UrlForm {
    how: "expected http://HOST:PORT or https://HOST:PORT; user and password precede the host",
    default_path: "/metrics",
};

/// Flags that name a running exporter.
#[derive(Debug, clap::Args)]
pub(super) struct ExporterArgs {
    /// A running exporter, whose recorded history is used: `http://[USER:PASSWORD@]HOST:PORT`.
    #[arg(long, env = "ZOOKEEPER_EXPORTER_URL", value_name = "URL")]
    url: Option<String>,

    /// The CA certificates that sign the exporter's certificate, in PEM. Default: the system's.
    #[arg(long = "url.ca-file", value_name = "FILE", requires = "url")]
    ca_file: Option<PathBuf>,
}

impl ExporterArgs {
    /// The exporter of `--url`, if given.
    pub(super) fn named(&self) -> Result<Option<ExporterApi>, UsageError> {
        self.url.as_deref().map(|url| self.at(url)).transpose()
    }

    /// The exporter of `--url`, or the one on this host.
    pub(super) fn or_local(&self) -> Result<ExporterApi, UsageError> {
        self.at(self.url.as_deref().unwrap_or("http://localhost:9141"))
    }

    fn at(&self, url: &str) -> Result<ExporterApi, UsageError> {
        // Not parsed by clap, whose error message would contain the password.
        let url = ServerUrl::parse(url, FORM).map_err(|why| UsageError(format!("--url: {why}")))?;
        let fetch = Fetch::new(url, self.ca_file.as_deref());
        Ok(ExporterApi(fetch.map_err(|error| UsageError(error.0.replace("--from", "--url")))?))
    }
}

/// The API of a running exporter.
pub(super) struct ExporterApi(Fetch);

impl ExporterApi {
    /// Fetches and decodes a document.
    pub(super) async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, FetchError> {
        let text = self.0.document(path, TIMEOUT).await?;
        let document = serde_json::from_str(&text);
        document.map_err(|error| format!("--url: the response does not fit this version: {error}").into())
    }
}
