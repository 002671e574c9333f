//! HTTP basic authentication: bcrypt runs off the event loop with limited concurrency, and outcomes are cached.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::hmac;
use ring::rand::SystemRandom;
use tokio::task::spawn_blocking;
use tokio::time::timeout_at;

use super::deadline::Deadline;
use super::fair_queue::{FairQueue, Turn};
use crate::config::web::{Hash, WebConfig};

/// Authenticates requests against the users of the web-config file.
#[derive(Debug)]
pub(super) struct Auth {
    users: BTreeMap<String, Hash>,
    /// The hash used for unknown users. It has the highest cost, so that unknown and known users take equally long.
    decoy: String,
    max_cost: u32,
    memory: Arc<Memory>,
}

/// The cache of verifications. It outlives the configuration: passwords that are still valid are kept at a reload.
#[derive(Debug)]
pub(super) struct Memory {
    /// Secret key of the digests, so that they do not reveal passwords. `None` if the kernel provides no randomness.
    key: Option<hmac::Key>,
    outcomes: Mutex<Outcomes>,
    queue: Arc<FairQueue>,
}

/// Digests of verified users, hashes and passwords; a changed hash, or a removed or added user, invalidates them.
#[derive(Debug, Default)]
struct Outcomes {
    right: Recent,
    /// A client that repeats a wrong password costs one verification in total.
    wrong: Recent,
}

/// A bounded set of the most recent digests.
#[derive(Debug, Default)]
struct Recent {
    known: HashSet<[u8; 32]>,
    order: VecDeque<[u8; 32]>,
}

/// The result of checking the credentials of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AuthOutcome {
    /// Valid user and password.
    Authorized,
    /// Missing or wrong credentials.
    Unauthorized,
    /// Not verified in time.
    Overloaded,
}

/// Maximum number of cached digests, separately for right and wrong credentials.
const MAX_REMEMBERED: usize = 1024;

/// Maximum length of the credentials, in bytes.
const MAX_CREDENTIALS: usize = 4096;

/// Minimum cost of bcrypt.
const MIN_COST: u32 = 4;

impl Memory {
    pub(super) fn new() -> Arc<Self> {
        let queue = FairQueue::new(concurrency());
        let key = hmac::Key::generate(hmac::HMAC_SHA256, &SystemRandom::new()).ok();
        Arc::new(Self { key, outcomes: Mutex::default(), queue })
    }

    /// The cached result, if any.
    fn outcome(&self, digest: &[u8; 32]) -> Option<bool> {
        let outcomes = self.outcomes.lock().unwrap_or_else(PoisonError::into_inner);
        let right = outcomes.right.known.contains(digest);
        (right || outcomes.wrong.known.contains(digest)).then_some(right)
    }

    fn remember(&self, digest: [u8; 32], is_right: bool) {
        let mut outcomes = self.outcomes.lock().unwrap_or_else(PoisonError::into_inner);
        if is_right { outcomes.right.insert(digest) } else { outcomes.wrong.insert(digest) }
    }
}

impl Recent {
    fn insert(&mut self, digest: [u8; 32]) {
        if !self.known.insert(digest) {
            return;
        }
        self.order.push_back(digest);
        if self.order.len() > MAX_REMEMBERED
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
    }
}

impl Auth {
    /// `None` if no user is configured, or if the cache has no secret key.
    pub(super) fn new(config: &WebConfig, memory: &Arc<Memory>) -> Option<Self> {
        memory.key.as_ref()?;
        let decoy = config.users.values().max_by_key(|hash| cost(&hash.0))?.0.clone();
        let max_cost = cost(&decoy);
        Some(Self { users: config.users.clone(), decoy, max_cost, memory: Arc::clone(memory) })
    }

    /// Checks `Authorization: Basic`. Unknown users and wrong passwords take equally long.
    pub(super) async fn check(&self, headers: &HeaderMap, client: Option<IpAddr>, deadline: &Deadline) -> AuthOutcome {
        let Some((user, password)) = credentials(headers) else { return AuthOutcome::Unauthorized };
        let known = self.users.get(&user).map(|hash| hash.0.clone());
        let exists = known.is_some();
        let hash = known.unwrap_or_else(|| self.decoy.clone());
        let Some(digest) = self.digest(&user, exists, &hash, &password) else { return AuthOutcome::Overloaded };
        if let Some(is_right) = self.memory.outcome(&digest) {
            return AuthOutcome::of(is_right);
        }
        let Ok(turn) = timeout_at(deadline.verify_by(), self.memory.queue.turn(client)).await else {
            return AuthOutcome::Overloaded;
        };
        // Another request may have verified the same credentials meanwhile.
        if let Some(is_right) = self.memory.outcome(&digest) {
            return AuthOutcome::of(is_right);
        }
        let work = Work { turn, user_exists: exists, password, hash, digest, max_cost: self.max_cost };
        let memory = Arc::clone(&self.memory);
        let verified = spawn_blocking(move || work.run(&memory));
        match timeout_at(deadline.answer_by(), verified).await {
            Ok(Ok(is_right)) => AuthOutcome::of(is_right),
            Ok(Err(_)) => AuthOutcome::Unauthorized,
            Err(_) => AuthOutcome::Overloaded,
        }
    }

    /// An unknown user has the hash of another one, so a user that was removed or added must get another digest.
    fn digest(&self, user: &str, exists: bool, hash: &str, password: &[u8]) -> Option<[u8; 32]> {
        let mut context = hmac::Context::with_key(self.memory.key.as_ref()?);
        for part in [user.as_bytes(), &[u8::from(exists)], hash.as_bytes(), password] {
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part);
        }
        context.sign().as_ref().try_into().ok()
    }
}

impl AuthOutcome {
    fn of(is_right: bool) -> Self {
        if is_right { Self::Authorized } else { Self::Unauthorized }
    }
}

/// A bcrypt verification, run off the event loop.
struct Work {
    /// Held until the end, even if the client has disconnected: bcrypt cannot be interrupted.
    turn: Turn,
    user_exists: bool,
    password: Vec<u8>,
    hash: String,
    digest: [u8; 32],
    max_cost: u32,
}

impl Work {
    fn run(self, memory: &Memory) -> bool {
        let is_right = bcrypt::verify(&self.password, &self.hash).unwrap_or(false) && self.user_exists;
        if !is_right {
            // Extra work for cheaper hashes: 2^c + 2^c + 2^(c+1) + ... + 2^(max-1) = 2^max, so that a wrong password
            // takes the same time whether its user exists or not.
            for cost in cost(&self.hash).max(MIN_COST)..self.max_cost {
                drop(bcrypt::hash_with_salt(&self.password, cost, [0; 16]));
            }
        }
        memory.remember(self.digest, is_right);
        drop(self.turn);
        is_right
    }
}

/// Number of concurrent verifications; leaves CPUs for scrapes.
fn concurrency() -> usize {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get);
    (cores / 2).clamp(1, 4)
}

fn cost(hash: &str) -> u32 {
    hash.parse().map_or(0, |parts: bcrypt::HashParts| parts.get_cost())
}

/// User and password of a request. The password may contain any bytes.
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
    use std::time::Duration;

    use tokio::time::Instant;

    use super::*;
    use crate::http::deadline::TIMEOUT_HEADER;

    fn headers(value: &str) -> HeaderMap {
        HeaderMap::from_iter([(AUTHORIZATION, value.parse().expect("a header"))])
    }

    fn basic(user: &str, password: &str) -> HeaderMap {
        headers(&format!("Basic {}", STANDARD.encode(format!("{user}:{password}"))))
    }

    fn config(password: &str) -> WebConfig {
        let hash = Hash(bcrypt::hash(password, 4).expect("a hash"));
        WebConfig { users: [("prometheus".to_owned(), hash)].into(), ..WebConfig::default() }
    }

    fn auth() -> Auth {
        Auth::new(&config("se:cret"), &Memory::new()).expect("there is a user")
    }

    fn deadline(seconds: &str) -> Deadline {
        let headers = HeaderMap::from_iter([(TIMEOUT_HEADER, seconds.parse().expect("a value"))]);
        Deadline::new(&headers, Duration::ZERO, Instant::now())
    }

    async fn outcome(auth: &Auth, headers: &HeaderMap) -> AuthOutcome {
        auth.check(headers, None, &deadline("30")).await
    }

    async fn all_turns(memory: &Memory) -> Vec<Turn> {
        let mut turns = Vec::new();
        for _ in 0..concurrency() {
            turns.push(memory.queue.turn(None).await);
        }
        turns
    }

    fn remembered(auth: &Auth) -> (usize, usize) {
        let outcomes = auth.memory.outcomes.lock().expect("whole");
        (outcomes.right.known.len(), outcomes.wrong.known.len())
    }

    #[tokio::test]
    async fn only_the_right_password_of_a_known_user_passes() {
        let auth = auth();
        for _ in 0..2 {
            assert_eq!(outcome(&auth, &basic("prometheus", "se:cret")).await, AuthOutcome::Authorized);
        }
        assert_eq!(remembered(&auth), (1, 0));
        for _ in 0..2 {
            for wrong in [
                HeaderMap::new(),
                basic("prometheus", "secret"),
                basic("prometheus", ""),
                basic("", ""),
                basic("mallory", "se:cret"),
                headers("Basic"),
                headers("Basic !!!"),
                headers("Basic Og=="),
                headers("Bearer abc"),
                headers(&format!("Basic {}", "A".repeat(60_000))),
            ] {
                assert_eq!(outcome(&auth, &wrong).await, AuthOutcome::Unauthorized, "{wrong:?}");
            }
        }
        assert_eq!(remembered(&auth), (1, 4), "a wrong password is verified once");
    }

    #[tokio::test]
    async fn an_unknown_user_is_refused_with_the_password_of_another_user() {
        let auth = auth();
        assert_eq!(outcome(&auth, &basic("mallory", "se:cret")).await, AuthOutcome::Unauthorized);
        assert_eq!(outcome(&auth, &basic("prometheus", "se:cret")).await, AuthOutcome::Authorized);
        assert_eq!(outcome(&auth, &basic("mallory", "se:cret")).await, AuthOutcome::Unauthorized);
    }

    #[tokio::test]
    async fn a_reload_keeps_verified_passwords_unless_their_hash_changed() {
        let (memory, first) = (Memory::new(), config("se:cret"));
        let auth = Auth::new(&first, &memory).expect("there is a user");
        assert_eq!(outcome(&auth, &basic("prometheus", "se:cret")).await, AuthOutcome::Authorized);
        let _busy = all_turns(&memory).await;
        let reloaded = Auth::new(&first, &memory).expect("there is a user");
        let check = async |auth: &Auth| auth.check(&basic("prometheus", "se:cret"), None, &deadline("0.1")).await;
        assert_eq!(check(&reloaded).await, AuthOutcome::Authorized, "although nothing can be verified now");
        let changed = Auth::new(&config("other"), &memory).expect("there is a user");
        assert_eq!(check(&changed).await, AuthOutcome::Overloaded, "what was right before is not right any more");
    }

    #[tokio::test]
    async fn a_renamed_user_with_the_same_hash_is_another_user() {
        let (memory, first) = (Memory::new(), config("se:cret"));
        let hash = first.users["prometheus"].clone();
        let renamed = WebConfig { users: [("other".to_owned(), hash)].into(), ..WebConfig::default() };
        for (config, known, unknown) in
            [(&first, "prometheus", "other"), (&renamed, "other", "prometheus"), (&first, "prometheus", "other")]
        {
            let auth = Auth::new(config, &memory).expect("there is a user");
            assert_eq!(outcome(&auth, &basic(unknown, "se:cret")).await, AuthOutcome::Unauthorized, "{unknown}");
            assert_eq!(outcome(&auth, &basic(known, "se:cret")).await, AuthOutcome::Authorized, "{known}");
        }
    }

    #[tokio::test]
    async fn verification_waits_at_most_until_the_deadline() {
        let auth = auth();
        let _busy = all_turns(&auth.memory).await;
        let begun = Instant::now();
        let wrong = auth.check(&basic("prometheus", "wrong"), None, &deadline("0.2")).await;
        assert_eq!(wrong, AuthOutcome::Overloaded);
        assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    }

    #[test]
    fn cached_outcomes_are_bounded() {
        let mut recent = Recent::default();
        for number in 0..3 * MAX_REMEMBERED {
            let mut digest = [0; 32];
            digest[..8].copy_from_slice(&number.to_be_bytes());
            recent.insert(digest);
        }
        assert_eq!((recent.known.len(), recent.order.len()), (MAX_REMEMBERED, MAX_REMEMBERED));
    }
}
