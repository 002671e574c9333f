//! The roles of the members, by the command `srvr`, and the wait until they serve.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use super::state::{self, Ensemble};
use crate::failure::{Failure, fail, refuse};
use crate::process::Stat;
use crate::stop_signal::StopSignal;
use crate::wait;

/// A member that accepts and does not reply is not serving.
const REPLY_TIMEOUT: Duration = Duration::from_millis(1500);
const POLL: Duration = Duration::from_millis(50);

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Role {
    Leader,
    Follower,
    Observer,
    Standalone,
    ReadOnly,
    NotServing,
    Paused,
    Down,
}

impl Role {
    const ALL: [(Self, &str); 8] = [
        (Self::Leader, "leader"),
        (Self::Follower, "follower"),
        (Self::Observer, "observer"),
        (Self::Standalone, "standalone"),
        (Self::ReadOnly, "read-only"),
        (Self::NotServing, "not-serving"),
        (Self::Paused, "paused"),
        (Self::Down, "down"),
    ];

    pub(super) fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, text)| *text == name).map(|(role, _)| *role)
    }

    pub(super) fn text(self) -> &'static str {
        Self::ALL.iter().find(|(role, _)| *role == self).map_or("", |(_, text)| text)
    }

    pub(super) fn list() -> String {
        Self::ALL.map(|(_, text)| text).join(" ")
    }

    fn serves_with_quorum(self) -> bool {
        matches!(self, Self::Leader | Self::Follower | Self::Observer | Self::Standalone)
    }

    fn serves(self) -> bool {
        self.serves_with_quorum() || self == Self::ReadOnly
    }

    fn is_running(self) -> bool {
        !matches!(self, Self::Down | Self::Paused)
    }
}

/// The state of one member.
pub(super) struct Member {
    pub(super) id: usize,
    pub(super) role: Role,
    pub(super) pid: Option<u32>,
}

/// Why the members do not serve yet.
struct Unsettled {
    why: String,
    /// The member to inspect.
    late: Option<usize>,
    none_runs: bool,
}

impl Ensemble {
    /// Queries these members concurrently.
    pub(super) fn ask_roles(&self, ids: impl Iterator<Item = usize>) -> Vec<Member> {
        std::thread::scope(|scope| {
            let asked: Vec<_> = ids.map(|id| (id, scope.spawn(move || self.ask(id)))).collect();
            let answer = |(id, thread): (usize, std::thread::ScopedJoinHandle<'_, (Role, Option<u32>)>)| {
                let (role, pid) = thread.join().unwrap_or((Role::NotServing, None));
                Member { id, role, pid }
            };
            asked.into_iter().map(answer).collect()
        })
    }

    pub(super) fn ask_all_roles(&self) -> Vec<Member> {
        self.ask_roles(self.ids())
    }

    fn ask(&self, id: usize) -> (Role, Option<u32>) {
        let Some(pid) = self.pid(id) else { return (Role::Down, None) };
        let Some(stat) = Stat::of(pid) else { return (Role::Down, Some(pid)) };
        let role = if stat.is_stopped() { Role::Paused } else { self.ask_running(id) };
        (role, Some(pid))
    }

    fn ask_running(&self, id: usize) -> Role {
        let reply = srvr(&self.client(id));
        for line in reply.lines() {
            if let Some(mode) = line.strip_prefix("Mode: ") {
                return Role::named(mode).unwrap_or(Role::NotServing);
            }
            if line.contains("not in the whitelist") {
                return self.role_from_log(id);
            }
        }
        Role::NotServing
    }

    /// If the whitelist excludes srvr, only the log shows the role of a member.
    fn role_from_log(&self, id: usize) -> Role {
        let bytes = std::fs::read(self.folder(id).join("log")).unwrap_or_default();
        for line in String::from_utf8_lossy(&bytes).lines().rev() {
            if line.starts_with("--- start of member ") {
                break;
            }
            if let Some((_, state)) = line.split_once("Peer state changed: ") {
                let states = [
                    ("leading - broadcast", Role::Leader),
                    ("following - broadcast", Role::Follower),
                    ("observing - broadcast", Role::Observer),
                ];
                let found = states.iter().find(|(text, _)| state.contains(text));
                return found.map_or(Role::NotServing, |(_, role)| *role);
            }
            let started =
                line.split_once("PrepRequestProcessor (sid:").is_some_and(|(_, rest)| rest.contains(" started"));
            if started && self.total() == 1 {
                return Role::Standalone;
            }
        }
        Role::NotServing
    }

    /// Fails unless the running members serve. Requires exactly one leader among them with a quorum, because followers
    /// of a leader that was just killed or paused still consider it the leader.
    fn settled(&self, members: &[Member]) -> Result<(), Unsettled> {
        let running: Vec<&Member> = members.iter().filter(|member| member.role.is_running()).collect();
        if running.is_empty() {
            return Err(Unsettled { why: "no member is running".to_owned(), late: None, none_runs: true });
        }
        let voters = running.iter().filter(|member| !self.is_observer(member.id)).count();
        let has_quorum = 2 * voters > self.members;
        let fits = |role: Role| if has_quorum { role.serves_with_quorum() } else { role == Role::ReadOnly };
        if let Some(late) = running.iter().find(|member| !fits(member.role)) {
            let mut why = format!("member {} is {}", late.id, late.role.text());
            if !has_quorum {
                why += &format!(" and only {voters} of {} participants run, which is no quorum", self.members);
            }
            return Err(Unsettled { why, late: Some(late.id), none_runs: false });
        }
        let leaders = running.iter().filter(|member| member.role == Role::Leader).count();
        if self.total() > 1 && leaders != 1 && has_quorum {
            return Err(Unsettled { why: format!("{leaders} members say they lead"), late: None, none_runs: false });
        }
        Ok(())
    }

    /// The command `wait`.
    pub(super) fn await_settled(&self, within: Duration) -> Result<(), Failure> {
        let deadline = Instant::now() + within;
        loop {
            let Err(unsettled) = self.settled(&self.ask_all_roles()) else { return Ok(()) };
            if unsettled.none_runs {
                return fail(format!("{}; start one with: {}", unsettled.why, state::command(&self.dir, "restart ID")));
            }
            if Instant::now() >= deadline {
                let message = format!("after {} s {}", within.as_secs(), unsettled.why);
                return unsettled.late.map_or_else(|| fail(message.clone()), |id| Err(self.with_log(id, &message)));
            }
            wait::pause(POLL);
        }
    }

    /// As `await_settled`, but every member must stay alive.
    pub(super) fn await_start(&self, within: Duration, stop: &StopSignal) -> Result<(), Failure> {
        let deadline = Instant::now() + within;
        loop {
            let members = self.ask_all_roles();
            let Err(unsettled) = self.settled(&members) else { return Ok(()) };
            if let Some(status) = stop.status() {
                return Err(Failure::Ended(status));
            }
            if let Some(ended) = members.iter().find(|member| member.role == Role::Down) {
                self.owner_runs("")?;
                return Err(self.with_log(ended.id, &format!("member {} ended before it served", ended.id)));
            }
            if Instant::now() >= deadline {
                let message = format!("after {} s {}", within.as_secs(), unsettled.why);
                return Err(self.with_log(unsettled.late.unwrap_or(1), &message));
            }
            wait::pause(POLL);
        }
    }

    /// Waits until one member serves, after `restart`.
    pub(super) fn await_serving(&self, id: usize, within: Duration) -> Result<(), Failure> {
        let deadline = Instant::now() + within;
        loop {
            let role = self.ask(id).0;
            if role.serves() {
                return Ok(());
            }
            if role == Role::Down {
                return Err(self.with_log(id, &format!("member {id} ended before it served")));
            }
            if Instant::now() >= deadline {
                let message = format!("after {} s member {id} is {}", within.as_secs(), role.text());
                return Err(self.with_log(id, &message));
            }
            wait::pause(POLL);
        }
    }

    /// Fails if the process of `--with-pid` has ended; `advice` follows the message.
    pub(super) fn owner_runs(&self, advice: &str) -> Result<(), Failure> {
        match self.owner {
            Some(owner) if !owner.is_running() => fail(format!("process {} of --with-pid is gone{advice}", owner.pid)),
            _ => Ok(()),
        }
    }

    /// The number of a member given by number or role.
    pub(super) fn resolve(&self, given: &str) -> Result<usize, Failure> {
        let total = self.total();
        if (1..=4).contains(&given.len()) && given.bytes().all(|byte| byte.is_ascii_digit()) {
            return match given.parse() {
                Ok(id) if self.ids().contains(&id) => Ok(id),
                _ => refuse(format!(
                    "there is no member {given}; write a number from 1 to {total}, or a role such as leader"
                )),
            };
        }
        let Some(role) = Role::named(given) else {
            return refuse(format!(
                "'{given}' is no member; write a number from 1 to {total}, or leader, follower or observer"
            ));
        };
        match self.ask_all_roles().iter().find(|member| member.role == role) {
            Some(member) => Ok(member.id),
            None => fail(format!("no member is {given} now; see: {}", state::command(&self.dir, "status"))),
        }
    }
}

/// The reply to `srvr` as far as it arrives in time; empty if the connection is refused or reset.
fn srvr(address: &str) -> String {
    let deadline = Instant::now() + REPLY_TIMEOUT;
    let mut reply = Vec::new();
    let Ok(address) = address.parse::<SocketAddr>() else { return String::new() };
    if let Ok(mut stream) = TcpStream::connect_timeout(&address, REPLY_TIMEOUT)
        && stream.write_all(b"srvr").is_ok()
    {
        let mut bytes = [0; 4096];
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() || stream.set_read_timeout(Some(left)).is_err() {
                break;
            }
            match stream.read(&mut bytes) {
                Ok(read) if read > 0 => reply.extend_from_slice(&bytes[..read]),
                _ => break,
            }
        }
    }
    String::from_utf8_lossy(&reply).into_owned()
}
