//! What `--web.config.file` asks for, in force: TLS, users and headers, made anew when a file changes.

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use axum::http::{HeaderName, HeaderValue};
use rustls::ServerConfig;
use rustls::sign::SingleCertAndKey;
use rustls::version::{TLS12, TLS13};
use tokio::task::spawn_blocking;

use super::auth::Auth;
use super::client_cert;
use crate::config::stamp::Stamp;
use crate::config::web::{self, WebConfig, WebTls};
use crate::config::{ConfigError, Place, TlsVersion, pem};

/// The endpoint's TLS, users and headers; without a file there are none.
#[derive(Debug, Default)]
pub struct Web {
    file: Option<PathBuf>,
    current: RwLock<Arc<WebState>>,
}

/// What one reading of the files gave; a connection and a request keep theirs.
#[derive(Debug, Default)]
pub struct WebState {
    pub(super) tls: Option<Arc<ServerConfig>>,
    pub(super) auth: Option<Auth>,
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
    stamp: Stamp,
}

/// How often the files are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(2);

impl Web {
    /// Reads the file and all that it names.
    ///
    /// # Errors
    /// When something in them cannot be done, with its place.
    pub fn load(file: Option<PathBuf>) -> Result<Self, ConfigError> {
        let web = Self { file, current: RwLock::default() };
        web.put(web.read()?);
        Ok(web)
    }

    /// Reads the files without putting them in force: for a reload that is all or nothing.
    ///
    /// # Errors
    /// When something in them cannot be done, with its place.
    pub fn read(&self) -> Result<WebState, ConfigError> {
        self.file.as_deref().map_or_else(|| Ok(WebState::default()), WebState::read)
    }

    /// Puts what was read in force, for connections and requests to come.
    pub fn put(&self, state: WebState) {
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(state);
    }

    /// What is in force.
    #[must_use]
    pub fn current(&self) -> Arc<WebState> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Follows the files for ever. A broken one leaves the old state in force and is told once.
    pub(super) async fn follow(self: Arc<Self>) {
        if self.file.is_none() {
            return;
        }
        let mut told: Option<(Stamp, String)> = None;
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            let web = Arc::clone(&self);
            let looked = spawn_blocking(move || {
                let stamp = web.current().stamp.now();
                (stamp != web.current().stamp).then(|| (stamp, web.read()))
            });
            match looked.await {
                Ok(Some((_, Ok(state)))) => {
                    self.put(state);
                    told = None;
                    tracing::info!("the changed web configuration is in force");
                }
                Ok(Some((stamp, Err(error)))) => {
                    let news = Some((stamp, error.to_string()));
                    if told != news {
                        tracing::error!(
                            "the changed web configuration cannot be used, the old one stays in force: {error}"
                        );
                    }
                    told = news;
                }
                Ok(None) => told = None,
                Err(error) => tracing::error!(%error, "a look at the web configuration broke off"),
            }
        }
    }
}

impl WebState {
    fn read(file: &Path) -> Result<Self, ConfigError> {
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
        let auth = auth(&config, place)?;
        let stamp = if first == Stamp::of([file]) { stamp } else { first };
        Ok(Self { tls: tls.map(Arc::new), auth, headers, stamp })
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

/// Users that are configured and cannot be checked must not mean that nobody is checked.
fn auth(config: &WebConfig, place: impl Fn() -> Place) -> Result<Option<Auth>, ConfigError> {
    let auth = Auth::new(config);
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
