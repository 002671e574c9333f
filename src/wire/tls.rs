//! TLS to the members of a module: one shared configuration, rebuilt when its files change.
//!
//! The files are checked every few seconds at most, by the first connection after the interval. A slow disk delays this
//! connection only briefly: the previous configuration is used until the check has finished.

use std::sync::Arc;
use std::time::Duration;

use rustls::client::{ClientConfig, WebPkiServerVerifier};
use rustls::pki_types::ServerName;
use rustls::sign::SingleCertAndKey;
use rustls::{RootCertStore, version};
use tokio::sync::Mutex;
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::{Instant, timeout_at};

use super::verifier::Verifier;
use super::{Failure, Limit, Reason};
use crate::config::fingerprint::Fingerprint;
use crate::config::{TlsConfig, TlsVersion, pem};

/// Interval of the check for changed files.
const CHECK_INTERVAL: Duration = Duration::from_secs(5);

/// Maximum time that a connection waits for the check; afterwards it uses the previous configuration.
const CHECK_TIMEOUT: Duration = Duration::from_millis(250);

/// The TLS settings of a module.
#[derive(Debug)]
pub(super) struct Tls {
    pub(super) config: Arc<TlsConfig>,
    state: Mutex<TlsState>,
}

#[derive(Debug, Default)]
struct TlsState {
    /// The active configuration, or the error of the first load.
    made: Option<Made>,
    fingerprint: Fingerprint,
    checked: Option<Instant>,
    running: Option<JoinHandle<FileCheck>>,
}

type Made = Result<Arc<ClientConfig>, Arc<str>>;

/// The result of a check; `made` is `None` if the files have not changed.
#[derive(Debug)]
struct FileCheck {
    fingerprint: Fingerprint,
    made: Option<Made>,
}

impl Tls {
    pub(super) fn new(config: TlsConfig) -> Self {
        Self { config: Arc::new(config), state: Mutex::default() }
    }

    /// The active configuration.
    pub(super) async fn current(&self, deadline: Instant) -> Result<Arc<ClientConfig>, Failure> {
        // The holder of the lock waits for a limited time, on the first load until its own deadline.
        let Ok(mut state) = timeout_at(deadline, self.state.lock()).await else { return Err(unread()) };
        let now = Instant::now();
        if state.checked.is_none_or(|checked| now.duration_since(checked) >= CHECK_INTERVAL) {
            let until = if state.made.is_some() { deadline.min(now + CHECK_TIMEOUT) } else { deadline };
            let mut running = state.running.take().unwrap_or_else(|| {
                let (config, fingerprint, first) =
                    (Arc::clone(&self.config), state.fingerprint.clone(), state.made.is_none());
                spawn_blocking(move || check(&config, &fingerprint, first))
            });
            match timeout_at(until, &mut running).await {
                Ok(Ok(outcome)) => state.apply(outcome),
                Ok(Err(error)) => tracing::error!(%error, "TLS file check panicked"),
                Err(_) => state.running = Some(running),
            }
            state.checked = Some(now);
        }
        match &state.made {
            Some(Ok(config)) => Ok(Arc::clone(config)),
            Some(Err(message)) => Err(Failure::new(Reason::Tls, message.to_string())),
            None => Err(unread()),
        }
    }

    /// The name that the certificate of a member must have.
    pub(super) fn name(&self, host: &str) -> Result<ServerName<'static>, Failure> {
        let own = || ServerName::try_from(host.to_owned());
        self.config.server_name.clone().map_or_else(own, Ok).map_err(|_| {
            Failure::new(Reason::Tls, format!("invalid certificate name `{host}`: set server_name in tls:"))
        })
    }
}

/// The files of the exporter were not read in time: the state of the member is unknown.
fn unread() -> Failure {
    Failure::limited(Limit::Deadline, "the TLS files of the module could not be read in time: is their disk slow?")
}

impl TlsState {
    fn apply(&mut self, outcome: FileCheck) {
        self.fingerprint = outcome.fingerprint;
        match (outcome.made, &self.made) {
            (None, _) => {}
            (Some(Err(message)), Some(Ok(_))) => {
                tracing::warn!(error = &*message, "TLS reload failed, keeping the previous certificates");
            }
            (Some(made), before) => {
                if before.is_some() && made.is_ok() {
                    tracing::info!("TLS files reloaded");
                }
                self.made = Some(made);
            }
        }
    }
}

fn check(config: &TlsConfig, before: &Fingerprint, first: bool) -> FileCheck {
    // Taken before reading, so that the next check detects a change during the read.
    let fingerprint = Fingerprint::of(config.files());
    let made = (first || fingerprint != *before).then(|| make(config).map(Arc::new).map_err(Arc::from));
    FileCheck { fingerprint, made }
}

/// TLS that accepts any certificate, for the health check of a process on this host.
///
/// # Errors
/// If TLS cannot be initialised.
pub fn unverified() -> Result<Arc<ClientConfig>, String> {
    make(&TlsConfig { insecure_skip_verify: true, ..TlsConfig::default() }).map(Arc::new)
}

fn make(config: &TlsConfig) -> Result<ClientConfig, String> {
    let provider = pem::provider();
    let impossible = |error: rustls::Error| format!("TLS cannot be set up: {error}");
    let verifier = if config.insecure_skip_verify {
        Verifier::of_nothing()
    } else {
        let (roots, pinned) = match &config.ca_file {
            Some(ca) => (ca.roots()?, ca.certificates()?),
            None => (system_roots()?, Vec::new()),
        };
        let webpki = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider)).build();
        Verifier::of(webpki.map_err(|error| format!("the CA certificates cannot be used: {error}"))?, pinned)
    };
    let versions: &[_] = match config.min_version {
        TlsVersion::Tls12 => &[&version::TLS13, &version::TLS12],
        TlsVersion::Tls13 => &[&version::TLS13],
    };
    let builder = ClientConfig::builder_with_provider(provider).with_protocol_versions(versions).map_err(impossible)?;
    let builder = builder.dangerous().with_custom_certificate_verifier(Arc::new(verifier));
    Ok(match &config.identity {
        None => builder.with_no_client_auth(),
        Some((cert, key)) => {
            builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(pem::identity(cert, key)?)))
        }
    })
}

fn system_roots() -> Result<RootCertStore, String> {
    let roots = pem::system_roots();
    if roots.is_empty() {
        return Err("no CA certificates on this system; set ca_file in tls: to the CA of the members".to_owned());
    }
    Ok(roots)
}
