//! The web configuration (`--web.config.file`): TLS, users and headers, reloaded when a file changes.
//!
//! A file may be read while it is being written. A change is therefore loaded only when two consecutive checks saw the
//! same file, and a change that removes protection needs an explicit reload.

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use axum::http::{HeaderName, HeaderValue};
use rustls::ServerConfig;
use rustls::sign::SingleCertAndKey;
use rustls::version::{TLS12, TLS13};
use tokio::sync::watch;
use tokio::task::spawn_blocking;

use super::auth::{Auth, Memory};
use super::client_cert;
use super::rate_limiter::RateLimiter;
use crate::config::fingerprint::Fingerprint;
use crate::config::web::{self, WebConfig, WebTls};
use crate::config::{ConfigError, Place, TlsVersion, pem};

/// The endpoint's TLS, users and headers; empty without a file.
#[derive(Debug)]
pub struct Web {
    file: Option<PathBuf>,
    current: RwLock<Arc<WebState>>,
    /// Notifies connections when the state is replaced.
    replaced: watch::Sender<()>,
    memory: Arc<Memory>,
}

/// The result of loading the files once; connections and requests keep the state they began with.
#[derive(Debug, Default)]
pub struct WebState {
    pub(super) tls: Option<Arc<ServerConfig>>,
    clients: ClientPolicy,
    pub(super) auth: Option<Auth>,
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
    pub(super) rate_limiter: Option<Arc<RateLimiter>>,
    /// Logged when the state becomes active.
    warnings: Vec<String>,
    /// Whether the file is empty.
    is_empty: bool,
    fingerprint: Fingerprint,
}

/// The requirements for client certificates.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct ClientPolicy {
    /// Whether clients must present a certificate.
    required: bool,
    /// Whether certificates are verified.
    verified: bool,
    /// Whether they must be signed by `client_ca_file`, not by any CA of the system.
    own_ca: bool,
    /// The names of which one must be in the certificate; empty for any.
    allowed_sans: Vec<String>,
}

/// Interval of the check for changed files.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);

impl Web {
    /// Loads the file and all files that it refers to.
    ///
    /// # Errors
    /// The first error, with its position.
    pub fn load(file: Option<PathBuf>) -> Result<Self, ConfigError> {
        let web = Self { file, current: RwLock::default(), replaced: watch::Sender::new(()), memory: Memory::new() };
        web.put(web.read()?);
        Ok(web)
    }

    /// Reads the files without activating them, so that a reload is all or nothing.
    ///
    /// # Errors
    /// The first error, with its position; also if an empty file would remove protection.
    pub fn read(&self) -> Result<WebState, ConfigError> {
        let Some(file) = self.file.as_deref() else { return Ok(WebState::default()) };
        let state = WebState::read(file, &self.memory)?;
        match state.removes(&self.current()) {
            Some(what) if state.is_empty => Err(ConfigError {
                place: Place::File { path: file.to_owned(), line: 0, column: 0 },
                message: format!("the file is empty, which would remove {what}: expected {{}} to do that"),
            }),
            _ => Ok(state),
        }
    }

    /// Activates a state for new connections and requests. A state without changes is ignored.
    pub fn put(&self, mut state: WebState) {
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        if state.fingerprint != current.fingerprint {
            for warning in &state.warnings {
                tracing::warn!("web configuration: {warning}");
            }
            // A reload must not refill the bucket.
            if let (Some(old), Some(new)) = (&current.rate_limiter, &mut state.rate_limiter)
                && old.limit() == new.limit()
            {
                *new = Arc::clone(old);
            }
            *current = Arc::new(state);
            self.replaced.send_replace(());
        }
    }

    /// Receives a notification whenever the state is replaced.
    pub(super) fn replaced(&self) -> watch::Receiver<()> {
        self.replaced.subscribe()
    }

    /// The active state.
    #[must_use]
    pub fn current(&self) -> Arc<WebState> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Reloads changed files. After an invalid change, which is logged once, the previous state remains active.
    pub(super) async fn follow(self: Arc<Self>) {
        if self.file.is_none() {
            return;
        }
        let (mut seen, mut logged) = (Fingerprint::default(), None);
        loop {
            tokio::time::sleep(CHECK_INTERVAL).await;
            let web = Arc::clone(&self);
            let checked = spawn_blocking(move || web.check(&seen)).await;
            let changed = match checked {
                Ok((fingerprint, changed)) => {
                    seen = fingerprint;
                    changed
                }
                Err(error) => {
                    tracing::error!(%error, "web configuration check panicked");
                    seen = Fingerprint::default();
                    continue;
                }
            };
            match changed {
                Some(Ok(state)) => {
                    self.put(state);
                    logged = None;
                    tracing::info!("web configuration reloaded");
                }
                Some(Err(error)) => {
                    let failure = Some((seen.clone(), error.to_string()));
                    if logged != failure {
                        tracing::error!("web configuration reload failed, keeping the previous one: {error}");
                    }
                    logged = failure;
                }
                None if seen == self.current().fingerprint => logged = None,
                None => {}
            }
        }
    }

    /// The current fingerprint, and the new state if the files have changed and were the same in the previous check.
    fn check(&self, before: &Fingerprint) -> (Fingerprint, Option<Result<WebState, ConfigError>>) {
        let current = self.current();
        let now = current.fingerprint.now();
        if now == current.fingerprint || now != *before {
            return (now, None);
        }
        let state = self.read().and_then(|state| match (state.removes(&current), &self.file) {
            (Some(what), Some(file)) => Err(ConfigError {
                place: Place::File { path: file.clone(), line: 0, column: 0 },
                message: format!("the changed file would remove {what}: reload (SIGHUP) to confirm"),
            }),
            _ => Ok(state),
        });
        // If the files changed during the read, the next check reads them again.
        let is_stable = current.fingerprint.now() == now;
        (now, Some(state).filter(|_| is_stable))
    }
}

impl WebState {
    fn read(file: &Path, memory: &Arc<Memory>) -> Result<Self, ConfigError> {
        let place = || Place::File { path: file.to_owned(), line: 0, column: 0 };
        // Taken before reading, so that the next check detects a change during the read.
        let first = Fingerprint::of([file]);
        let config = web::load(file)?;
        let named: Vec<_> = config.files().collect();
        let fingerprint = Fingerprint::of(std::iter::once(file).chain(named.iter().map(PathBuf::as_path)));
        let tls = config.tls.as_ref().map(server).transpose();
        let tls = tls.map_err(|message| ConfigError { place: place(), message })?;
        let headers = config.headers.iter().map(|(name, value)| Some((name.parse().ok()?, value.parse().ok()?)));
        let headers = headers.collect::<Option<_>>();
        let headers = headers
            .ok_or_else(|| ConfigError { place: place(), message: "invalid name or value of a header".into() })?;
        let auth = auth(&config, memory, place)?;
        let fingerprint = if first == Fingerprint::of([file]) { fingerprint } else { first };
        let clients = config.tls.as_ref().map_or_else(ClientPolicy::default, ClientPolicy::of);
        let rate_limiter = config.rate_limit.map(|limit| Arc::new(RateLimiter::new(limit)));
        Ok(Self {
            tls: tls.map(Arc::new),
            clients,
            auth,
            headers,
            rate_limiter,
            warnings: config.warnings,
            is_empty: config.is_empty,
            fingerprint,
        })
    }

    /// The protection that the previous state had and this one lacks.
    fn removes(&self, before: &Self) -> Option<&'static str> {
        [
            (before.auth.is_some() && self.auth.is_none(), "the users"),
            (before.tls.is_some() && self.tls.is_none(), "TLS"),
            (before.clients.required && !self.clients.required, "the requirement of client certificates"),
            (before.clients.verified && !self.clients.verified, "the verification of client certificates"),
            (before.clients.own_ca && !self.clients.own_ca, "client_ca_file"),
            (before.clients.admits_fewer_names(&self.clients), "client_allowed_sans"),
            (before.rate_limiter.is_some() && self.rate_limiter.is_none(), "rate_limit"),
        ]
        .into_iter()
        .find_map(|(removed, what)| removed.then_some(what))
    }

    /// Whether clients must use TLS.
    #[must_use]
    pub fn is_tls(&self) -> bool {
        self.tls.is_some()
    }

    /// Whether clients must authenticate with a password.
    #[must_use]
    pub fn asks_for_password(&self) -> bool {
        self.auth.is_some()
    }
}

impl ClientPolicy {
    fn of(tls: &WebTls) -> Self {
        let verified = tls.client_auth.verifies();
        Self {
            required: tls.client_auth.requires(),
            verified,
            own_ca: verified && tls.client_ca.is_some(),
            allowed_sans: if verified { tls.allowed_sans.clone() } else { Vec::new() },
        }
    }

    /// Whether only some names are allowed here, and any name there.
    fn admits_fewer_names(&self, other: &Self) -> bool {
        !self.allowed_sans.is_empty() && other.allowed_sans.is_empty()
    }
}

/// Fails if configured users cannot be verified, so that no request passes unchecked.
fn auth(config: &WebConfig, memory: &Arc<Memory>, place: impl Fn() -> Place) -> Result<Option<Auth>, ConfigError> {
    let auth = Auth::new(config, memory);
    if auth.is_none() && !config.users.is_empty() {
        return Err(ConfigError {
            place: place(),
            message: "basic_auth_users cannot be verified: the kernel provides no random bytes".into(),
        });
    }
    Ok(auth)
}

fn server(tls: &WebTls) -> Result<ServerConfig, String> {
    let mut provider = (*pem::provider()).clone();
    provider.cipher_suites.clone_from(&tls.suites);
    provider.kx_groups.clone_from(&tls.groups);
    let spoken = |version| (tls.min_version..=tls.max_version).contains(&version);
    let versions: Vec<_> = [(TlsVersion::Tls13, &TLS13), (TlsVersion::Tls12, &TLS12)]
        .into_iter()
        .filter(|(version, _)| spoken(*version))
        .map(|(_, version)| version)
        .collect();
    let builder = ServerConfig::builder_with_provider(Arc::new(provider)).with_protocol_versions(&versions);
    let builder = builder.map_err(|error| {
        format!(
            "inconsistent tls_server_config: {error}: expected cipher_suites that min_version and max_version permit"
        )
    })?;
    let identity = SingleCertAndKey::from(pem::identity(&tls.cert, &tls.key)?);
    let mut config =
        builder.with_client_cert_verifier(client_cert::verifier(tls)?).with_cert_resolver(Arc::new(identity));
    config.ignore_client_order = tls.server_order;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weaker_client_certificate_requirements_remove_protection() {
        let strict = ClientPolicy { required: true, verified: true, own_ca: true, allowed_sans: vec!["a".to_owned()] };
        let weaker = [
            ClientPolicy { required: false, ..strict.clone() },
            ClientPolicy { verified: false, ..strict.clone() },
            ClientPolicy { own_ca: false, ..strict.clone() },
            ClientPolicy { allowed_sans: Vec::new(), ..strict.clone() },
        ];
        let state = |clients: ClientPolicy| WebState { clients, ..WebState::default() };
        let removed = weaker.into_iter().map(|weaker| state(weaker).removes(&state(strict.clone())));
        assert!(removed.clone().all(|what| what.is_some()), "{:?}", removed.collect::<Vec<_>>());
        let limited = WebState {
            rate_limiter: Some(Arc::new(RateLimiter::new(crate::config::rate_limit::RateLimit {
                interval: CHECK_INTERVAL,
                burst: 1,
            }))),
            ..state(strict.clone())
        };
        assert_eq!(state(strict.clone()).removes(&limited), Some("rate_limit"));
        assert_eq!(state(strict.clone()).removes(&state(ClientPolicy::default())), None);
        let other = ClientPolicy { allowed_sans: vec!["b".to_owned()], ..strict.clone() };
        assert_eq!(state(other).removes(&state(strict)), None);
    }

    #[test]
    fn a_change_is_loaded_after_two_identical_checks() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("web.yml");
        let write = |header: &str| {
            let text = format!("http_server_config: {{headers: {{Strict-Transport-Security: \"{header}\"}}}}\n");
            std::fs::write(&file, text).expect("written");
        };
        write("no-store");
        let web = Web::load(Some(file.clone())).expect("valid");
        let (unchanged, state) = web.check(&Fingerprint::default());
        assert!(state.is_none());
        write("no-cache");
        let (first, state) = web.check(&unchanged);
        assert!(state.is_none(), "it may be half written");
        write("no-cache, no-store");
        let (second, state) = web.check(&first);
        assert!(state.is_none(), "it was still being written");
        let (_, state) = web.check(&second);
        let state = state.expect("a change").expect("valid");
        assert_eq!(state.headers[0].1, "no-cache, no-store");
    }
}
