//! Passwords of the endpoint: bcrypt off the event loop, one at a time, and what was right is remembered.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::hmac;
use ring::rand::SystemRandom;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use crate::config::web::WebConfig;

/// The users of the web-config file.
#[derive(Debug)]
pub(super) struct Auth {
    users: Arc<std::collections::BTreeMap<String, crate::config::web::Hash>>,
    /// What an unknown user is measured against: the costliest hash there is, so that it takes as long.
    decoy: String,
    /// Keys the memory of what was right: without the key, a digest says nothing about a password.
    key: hmac::Key,
    right: Arc<Mutex<HashSet<[u8; 32]>>>,
    /// Requests that are verified or wait for it.
    queue: Semaphore,
    verifying: Arc<Semaphore>,
}

/// What a request's credentials are worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// They are right.
    Welcome,
    /// They are missing or wrong.
    Unauthorized,
    /// Too many wait to be verified.
    Overloaded,
}

/// A verification takes a processor for some 70 ms (cost 10); more than this many waiting would wait in vain.
const QUEUE: usize = 32;

/// The longest wait for a verification.
const PATIENCE: Duration = Duration::from_secs(10);

/// bcrypt ignores what comes behind 72 bytes, so that several passwords may be right; more than this are forgotten.
const MAX_REMEMBERED: usize = 256;

/// Credentials longer than this are nobody's.
const MAX_CREDENTIALS: usize = 4096;

impl Auth {
    /// `None` where no user is configured: everybody is welcome.
    pub(super) fn new(config: &WebConfig) -> Option<Self> {
        let cost = |hash: &str| hash.parse().map_or(0, |parts: bcrypt::HashParts| parts.get_cost());
        let decoy = config.users.values().max_by_key(|hash| cost(&hash.0))?.0.clone();
        // Without randomness from the kernel nothing is remembered under a key that could be guessed.
        let key = hmac::Key::generate(hmac::HMAC_SHA256, &SystemRandom::new()).ok()?;
        Some(Self {
            users: Arc::new(config.users.clone()),
            decoy,
            key,
            right: Arc::default(),
            queue: Semaphore::new(QUEUE),
            verifying: Arc::new(Semaphore::new(1)),
        })
    }

    /// Checks `Authorization: Basic`. Takes as long for an unknown user as for a wrong password.
    pub(super) async fn check(&self, headers: &HeaderMap) -> Verdict {
        let Some((user, password)) = credentials(headers) else { return Verdict::Unauthorized };
        let known = self.users.get(&user).map(|hash| hash.0.clone());
        let exists = known.is_some();
        let hash = known.unwrap_or_else(|| self.decoy.clone());
        let digest = self.digest(&user, &hash, &password);
        if exists && self.right.lock().unwrap_or_else(PoisonError::into_inner).contains(&digest) {
            return Verdict::Welcome;
        }
        let Ok(_place) = self.queue.try_acquire() else { return Verdict::Overloaded };
        let Ok(Ok(turn)) = timeout(PATIENCE, Arc::clone(&self.verifying).acquire_owned()).await else {
            return Verdict::Overloaded;
        };
        let verified = spawn_blocking(move || {
            // Held to the end, also when the client is gone: bcrypt cannot be broken off.
            let _turn = turn;
            bcrypt::verify(password, &hash).unwrap_or(false)
        });
        if !(verified.await.unwrap_or(false) && exists) {
            return Verdict::Unauthorized;
        }
        let mut right = self.right.lock().unwrap_or_else(PoisonError::into_inner);
        if right.len() >= MAX_REMEMBERED {
            right.clear();
        }
        right.insert(digest);
        Verdict::Welcome
    }

    fn digest(&self, user: &str, hash: &str, password: &[u8]) -> [u8; 32] {
        let mut context = hmac::Context::with_key(&self.key);
        for part in [user.as_bytes(), hash.as_bytes(), password] {
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part);
        }
        let mut digest = [0; 32];
        digest.copy_from_slice(context.sign().as_ref());
        digest
    }
}

/// User and password of a request; the password may be any bytes.
fn credentials(headers: &HeaderMap) -> Option<(String, Vec<u8>)> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let value = values.next()?.to_str().ok().filter(|value| value.len() <= MAX_CREDENTIALS)?;
    if values.next().is_some() {
        return None;
    }
    let (scheme, encoded) = value.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = STANDARD.decode(encoded.trim()).ok()?;
    let colon = decoded.iter().position(|&byte| byte == b':')?;
    let user = std::str::from_utf8(&decoded[..colon]).ok()?.to_owned();
    Some((user, decoded[colon + 1..].to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::web::Hash;

    fn headers(value: &str) -> HeaderMap {
        HeaderMap::from_iter([(AUTHORIZATION, value.parse().expect("a header"))])
    }

    fn basic(user: &str, password: &str) -> HeaderMap {
        headers(&format!("Basic {}", STANDARD.encode(format!("{user}:{password}"))))
    }

    fn auth() -> Auth {
        let hash = Hash(bcrypt::hash("se:cret", 4).expect("a hash"));
        let config = WebConfig { users: [("prometheus".to_owned(), hash)].into(), ..WebConfig::default() };
        Auth::new(&config).expect("there is a user")
    }

    #[tokio::test]
    async fn only_the_right_password_of_a_known_user_passes() {
        let auth = auth();
        for _ in 0..2 {
            assert_eq!(auth.check(&basic("prometheus", "se:cret")).await, Verdict::Welcome);
        }
        assert_eq!(auth.right.lock().expect("whole").len(), 1, "what was right is remembered once");
        for wrong in [
            HeaderMap::new(),
            basic("prometheus", "secret"),
            basic("prometheus", ""),
            basic("", ""),
            basic("nobody", "se:cret"),
            headers("Basic"),
            headers("Basic !!!"),
            headers("Basic Og=="),
            headers("Bearer abc"),
            headers(&format!("Basic {}", "A".repeat(60_000))),
        ] {
            assert_eq!(auth.check(&wrong).await, Verdict::Unauthorized, "{wrong:?}");
        }
        assert_eq!(auth.right.lock().expect("whole").len(), 1, "what was wrong is not remembered");
    }

    #[tokio::test]
    async fn the_password_of_the_decoy_does_not_let_a_stranger_in() {
        // An unknown user is measured against the hash of a known one; that it fits must not help.
        let auth = auth();
        assert_eq!(auth.check(&basic("nobody", "se:cret")).await, Verdict::Unauthorized);
        assert_eq!(auth.check(&basic("prometheus", "se:cret")).await, Verdict::Welcome);
        assert_eq!(auth.check(&basic("nobody", "se:cret")).await, Verdict::Unauthorized);
    }

    #[tokio::test]
    async fn those_who_wait_are_bounded() {
        let auth = auth();
        let _busy = auth.queue.try_acquire_many(u32::try_from(QUEUE).expect("small")).expect("free");
        assert_eq!(auth.check(&basic("prometheus", "wrong")).await, Verdict::Overloaded);
    }
}
