//! What `--web.config.file` asks for: TLS, users and headers, read again when a file changes.
//!
//! A file may be seen while it is being written. A change is therefore read only once it has been the same for two looks,
//! and one that removes protection needs an explicit reload.

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
use crate::config::stamp::Stamp;
use crate::config::web::{self, WebConfig, WebTls};
use crate::config::{ConfigError, Place, TlsVersion, pem};

/// The endpoint's TLS, users and headers; without a file there are none.
#[derive(Debug)]
pub struct Web {
    file: Option<PathBuf>,
    current: RwLock<Arc<WebState>>,
    /// Tells connections that the current state is another one.
    replaced: watch::Sender<()>,
    memory: Arc<Memory>,
}

/// What one reading of the files gave; a connection and a request keep theirs.
#[derive(Debug, Default)]
pub struct WebState {
    pub(super) tls: Option<Arc<ServerConfig>>,
    /// No client is served without a certificate.
    needs_certificate: bool,
    pub(super) auth: Option<Auth>,
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
    /// The file holds nothing at all.
    is_empty: bool,
    stamp: Stamp,
}

/// How often the files are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);

impl Web {
    /// Reads the file and all that it names.
    ///
    /// # Errors
    /// When something in them cannot be done, with its place.
    pub fn load(file: Option<PathBuf>) -> Result<Self, ConfigError> {
        let web = Self { file, current: RwLock::default(), replaced: watch::Sender::new(()), memory: Memory::new() };
        web.put(web.read()?);
        Ok(web)
    }

    /// Reads the files without activating them, for a reload that is all or nothing.
    ///
    /// # Errors
    /// When something in them cannot be done, with its place, and when an empty file would take protection away.
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

    /// Activates what was read, for new connections and requests. Does nothing without a change.
    pub fn put(&self, state: WebState) {
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        if state.stamp != current.stamp {
            *current = Arc::new(state);
            self.replaced.send_replace(());
        }
    }

    /// Changes whenever the current state becomes another one.
    pub(super) fn replaced(&self) -> watch::Receiver<()> {
        self.replaced.subscribe()
    }

    /// The active configuration.
    #[must_use]
    pub fn current(&self) -> Arc<WebState> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Follows the files. After an invalid change the previous state remains active; it is logged once.
    pub(super) async fn follow(self: Arc<Self>) {
        if self.file.is_none() {
            return;
        }
        let (mut seen, mut logged) = (Stamp::default(), None);
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            let web = Arc::clone(&self);
            let looked = spawn_blocking(move || web.look(&seen)).await;
            let changed = match looked {
                Ok((stamp, changed)) => {
                    seen = stamp;
                    changed
                }
                Err(error) => {
                    tracing::error!(%error, "web configuration check panicked");
                    seen = Stamp::default();
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
                None if seen == self.current().stamp => logged = None,
                None => {}
            }
        }
    }

    /// How the files are now, and what they say if they have changed and were already so at the look before.
    fn look(&self, before: &Stamp) -> (Stamp, Option<Result<WebState, ConfigError>>) {
        let current = self.current();
        let now = current.stamp.now();
        if now == current.stamp || now != *before {
            return (now, None);
        }
        let state = self.read().and_then(|state| match (state.removes(&current), &self.file) {
            (Some(what), Some(file)) => Err(ConfigError {
                place: Place::File { path: file.clone(), line: 0, column: 0 },
                message: format!("the changed file would remove {what}: reload (SIGHUP) to confirm"),
            }),
            _ => Ok(state),
        });
        // What changed while it was read is looked at once more.
        let is_stable = current.stamp.now() == now;
        (now, Some(state).filter(|_| is_stable))
    }
}

impl WebState {
    fn read(file: &Path, memory: &Arc<Memory>) -> Result<Self, ConfigError> {
        let place = || Place::File { path: file.to_owned(), line: 0, column: 0 };
        // The stamp of the file first, then of those it names: what changes meanwhile is seen at the next look.
        let first = Stamp::of([file]);
        let config = web::load(file)?;
        let named: Vec<_> = config.files().collect();
        let stamp = Stamp::of(std::iter::once(file).chain(named.iter().map(PathBuf::as_path)));
        let tls = config.tls.as_ref().map(server).transpose();
        let tls = tls.map_err(|message| ConfigError { place: place(), message })?;
        let headers = config.headers.iter().map(|(name, value)| Some((name.parse().ok()?, value.parse().ok()?)));
        let headers = headers.collect::<Option<_>>();
        let headers =
            headers.ok_or_else(|| ConfigError { place: place(), message: "a header cannot be sent".into() })?;
        let auth = auth(&config, memory, place)?;
        let stamp = if first == Stamp::of([file]) { stamp } else { first };
        let needs_certificate = config.tls.as_ref().is_some_and(|tls| tls.client_auth.requires());
        Ok(Self { tls: tls.map(Arc::new), needs_certificate, auth, headers, is_empty: config.is_empty, stamp })
    }

    /// What protects the endpoint before this state, and not with it.
    fn removes(&self, before: &Self) -> Option<&'static str> {
        [
            (before.auth.is_some() && self.auth.is_none(), "the users"),
            (before.tls.is_some() && self.tls.is_none(), "TLS"),
            (before.needs_certificate && !self.needs_certificate, "the demand for client certificates"),
        ]
        .into_iter()
        .find_map(|(removed, what)| removed.then_some(what))
    }

    /// Whether clients must speak TLS.
    #[must_use]
    pub fn is_tls(&self) -> bool {
        self.tls.is_some()
    }

    /// Whether clients must give a password.
    #[must_use]
    pub fn asks_for_password(&self) -> bool {
        self.auth.is_some()
    }
}

/// If configured users cannot be checked, no request may pass unchecked.
fn auth(config: &WebConfig, memory: &Arc<Memory>, place: impl Fn() -> Place) -> Result<Option<Auth>, ConfigError> {
    let auth = Auth::new(config, memory);
    if auth.is_none() && !config.users.is_empty() {
        return Err(ConfigError {
            place: place(),
            message: "the kernel gives no random bytes for basic_auth_users".into(),
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
        format!("tls_server_config asks for what does not go together: {error}; do cipher_suites fit min_version and max_version?")
    })?;
    let identity = SingleCertAndKey::from(pem::identity(&tls.cert, &tls.key)?);
    let mut config =
        builder.with_client_cert_verifier(client_cert::verifier(tls)?).with_cert_resolver(Arc::new(identity));
    config.ignore_client_order = tls.server_order;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}
