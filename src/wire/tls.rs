//! TLS to the members of a module: one shared configuration, rebuilt when its files change.

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
use super::{Failure, Reason};
use crate::config::stamp::Stamp;
use crate::config::{TlsConfig, TlsVersion, pem};

/// How often the files are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// A scrape waits this long for a look at the files; on a slow disk it goes on with what is there.
const LOOK_PATIENCE: Duration = Duration::from_millis(250);

/// TLS as a module configures it.
#[derive(Debug)]
pub(super) struct Tls {
    pub(super) config: Arc<TlsConfig>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Active: the last result of loading the files, or the error.
    made: Option<Made>,
    stamp: Stamp,
    looked: Option<Instant>,
    looking: Option<JoinHandle<Look>>,
}

type Made = Result<Arc<ClientConfig>, Arc<str>>;

/// What a look at the files brought: nothing new, or what could be made of them.
#[derive(Debug)]
struct Look {
    stamp: Stamp,
    made: Option<Made>,
}

impl Tls {
    pub(super) fn new(config: TlsConfig) -> Self {
        Self { config: Arc::new(config), state: Mutex::default() }
    }

    /// The active configuration.
    pub(super) async fn current(&self, deadline: Instant) -> Result<Arc<ClientConfig>, Failure> {
        // The holder of the lock waits for a limited time, at first until its own deadline.
        let Ok(mut state) = timeout_at(deadline, self.state.lock()).await else {
            return Err(Failure::new(Reason::Tls, "the TLS files could not be read in time"));
        };
        let now = Instant::now();
        if state.looked.is_none_or(|looked| now.duration_since(looked) >= LOOK_EVERY) {
            let patience = if state.made.is_some() { deadline.min(now + LOOK_PATIENCE) } else { deadline };
            let mut looking = state.looking.take().unwrap_or_else(|| {
                let (config, stamp, first) = (Arc::clone(&self.config), state.stamp.clone(), state.made.is_none());
                spawn_blocking(move || look(&config, &stamp, first))
            });
            match timeout_at(patience, &mut looking).await {
                Ok(Ok(look)) => state.take_in(look),
                Ok(Err(error)) => tracing::error!(%error, "TLS file check panicked"),
                Err(_) => state.looking = Some(looking),
            }
            state.looked = Some(now);
        }
        match &state.made {
            Some(Ok(config)) => Ok(Arc::clone(config)),
            Some(Err(message)) => Err(Failure::new(Reason::Tls, message.to_string())),
            None => Err(Failure::new(Reason::Tls, "the TLS files could not be read in time")),
        }
    }

    /// The name that the certificate of a member must have.
    pub(super) fn name(&self, host: &str) -> Result<ServerName<'static>, Failure> {
        let own = || ServerName::try_from(host.to_owned());
        self.config.server_name.clone().map_or_else(own, Ok).map_err(|_| {
            Failure::new(Reason::Tls, format!("`{host}` can be no name in a certificate; set server_name in tls:"))
        })
    }
}

impl State {
    fn take_in(&mut self, look: Look) {
        self.stamp = look.stamp;
        match (look.made, &self.made) {
            (None, _) => {}
            (Some(Err(message)), Some(Ok(_))) => {
                tracing::warn!("TLS reload failed, keeping the previous certificates: {message}");
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

fn look(config: &TlsConfig, before: &Stamp, first: bool) -> Look {
    // The stamp first: what changes while it is read is seen the next time.
    let stamp = Stamp::of(config.files());
    let made = (first || stamp != *before).then(|| make(config).map(Arc::new).map_err(Arc::from));
    Look { stamp, made }
}

/// TLS that takes any certificate: for a process that asks its own host whether another one runs.
///
/// # Errors
/// When the cryptography cannot be set up.
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
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        return Err(
            "the system has no CA certificates; set ca_file in tls: to the CA that signs the members".to_owned()
        );
    }
    Ok(roots)
}
