//! The commands on an ensemble that exists.

use std::fs::OpenOptions;
use std::io::{ErrorKind, IsTerminal, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use super::PROGRAM;
use super::arguments::Arguments;
use super::files::given_class_path;
use super::roles::Role;
use super::state::{self, ADMIN_PORT, Ensemble, SECURE_PORT, quoted};
use crate::failure::{Failure, fail, tell};
use crate::process::Signal;

const WORD_TIMEOUT: Duration = Duration::from_secs(2);

impl Ensemble {
    /// `kill`, `term`, `pause` and `resume`.
    pub(super) fn fault(&self, member: &str, signal: Signal, done: &str) -> Result<(), Failure> {
        let id = self.resolve(member)?;
        self.signal(id, signal)?;
        confirm(id, done);
        Ok(())
    }

    pub(super) fn restart(&self, member: &str, all: &Arguments) -> Result<(), Failure> {
        let id = self.resolve(member)?;
        if self.pid(id).is_some() {
            self.signal(id, Signal::KILL)?;
        }
        let make_new = || state::command(&self.dir, "start");
        // `stop` releases the network.
        if !self.owns_network() && !self.claim_network() {
            return fail(format!(
                "another ensemble has the network of this one by now; make a new one with: {}",
                make_new()
            ));
        }
        let mut configuration = OpenOptions::new().append(true).open(self.folder(id).join("zoo.cfg"))?;
        for line in &all.start.cfg {
            writeln!(configuration, "{line}")?;
        }
        self.owner_runs(&format!("; make a new ensemble with: {}", make_new()))?;
        self.launch_watcher()?;
        self.launch(id, &given_class_path().unwrap_or_else(|| self.class_path.clone()))?;
        if all.restart_wait {
            self.await_serving(id, all.wait)?;
        }
        confirm(id, "restarted");
        Ok(())
    }

    pub(super) fn print_status(&self) -> Result<(), Failure> {
        let members = self.ask_all_roles();
        let width = self.ids().map(|id| self.client(id).len()).max().unwrap_or(0).max("ADDRESS".len());
        let mut text = format!("{:<2}  {:<width$}  {:<11}  PID\n", "ID", "ADDRESS", "ROLE");
        for member in members {
            let pid = member.pid.map_or_else(|| "-".to_owned(), |pid| pid.to_string());
            let role = member.role.text();
            text += &format!("{:<2}  {:<width$}  {role:<11}  {pid}\n", member.id, self.client(member.id));
        }
        print(&text)
    }

    pub(super) fn print_members(&self, tls: bool, flag: bool) -> Result<(), Failure> {
        if tls && self.tls.is_none() {
            return fail(format!(
                "the ensemble in {} was started without --tls and has no TLS ports",
                self.dir.display()
            ));
        }
        print(&(self.addresses(tls, flag) + "\n"))
    }

    /// The comma-separated client addresses, participants first.
    pub(super) fn addresses(&self, tls: bool, flag: bool) -> String {
        self.list(|id| {
            let address = if tls { self.secure(id) } else { self.client(id) };
            let kind = if flag && self.is_observer(id) { ":observer" } else { "" };
            format!("{address}{kind}")
        })
    }

    pub(super) fn print_mode(&self, role: &str) -> Result<(), Failure> {
        let wanted = Role::named(role);
        let members = self.ask_all_roles();
        let ids = members.iter().filter(|member| Some(member.role) == wanted).map(|member| format!("{}\n", member.id));
        print(&ids.collect::<String>())
    }

    pub(super) fn print_env(&self) -> Result<(), Failure> {
        let file = |name: &str| self.dir.join("tls").join(name).display().to_string();
        let with_tls = |value: String| if self.tls.is_some() { value } else { String::new() };
        let admin =
            if self.admin { self.list(|id| format!("http://{}:{ADMIN_PORT}", self.host(id))) } else { String::new() };
        let all = [
            ("DIR", self.dir.display().to_string()),
            ("MEMBERS", self.list(|id| self.client(id))),
            ("TLS_MEMBERS", with_tls(self.list(|id| self.secure(id)))),
            ("ADMIN", admin),
            ("CA", with_tls(file("ca.pem"))),
            ("CLIENT_CERT", with_tls(file("client.pem"))),
            ("CLIENT_KEY", with_tls(file("client-key.pem"))),
        ];
        print(&all.map(|(name, value)| format!("ENSEMBLE_{name}={}\n", quoted(&value))).concat())
    }

    /// Sends a four-letter word. A paused member accepts and never replies, hence the timeout.
    pub(super) fn word(&self, member: &str, word: &str) -> Result<(), Failure> {
        let id = self.resolve(member)?;
        let deadline = Instant::now() + WORD_TIMEOUT;
        let late = || fail(format!("member {id} gave no whole answer to {word} within 2 s"));
        let address = self.client(id);
        let parsed: SocketAddr = address.parse().map_err(|_| Failure::Failed(format!("{address} is no address")))?;
        let mut stream = match TcpStream::connect_timeout(&parsed, WORD_TIMEOUT) {
            Ok(stream) => stream,
            Err(error) if error.kind() == ErrorKind::TimedOut => return late(),
            Err(_) => return fail(format!("member {id} does not listen on {address}")),
        };
        let _ = stream.write_all(word.as_bytes());
        let mut output = std::io::stdout().lock();
        let (mut bytes, mut any) = ([0; 8192], false);
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() || stream.set_read_timeout(Some(left)).is_err() {
                return late();
            }
            match stream.read(&mut bytes) {
                Ok(read) if read > 0 => {
                    any = true;
                    output.write_all(&bytes[..read])?;
                    output.flush()?;
                }
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => return late(),
                _ if any => return Ok(()),
                _ => return fail(format!("member {id} closed the connection without an answer to {word}")),
            }
        }
    }

    fn secure(&self, id: usize) -> String {
        format!("{}:{SECURE_PORT}", self.host(id))
    }

    fn list(&self, of: impl Fn(usize) -> String) -> String {
        self.ids().map(of).collect::<Vec<_>>().join(",")
    }
}

/// Reports on a terminal what was done, since a role such as `follower` selects one of several.
fn confirm(id: usize, done: &str) {
    if std::io::stderr().is_terminal() {
        tell(PROGRAM, &format!("member {id} {done}"));
    }
}

fn print(text: &str) -> Result<(), Failure> {
    Ok(std::io::stdout().write_all(text.as_bytes())?)
}
