//! One modelled ZooKeeper server: its process, its role, and its replies to four-letter commands.

use super::figures::Figures;

/// The reply to every command of a server that looks for a leader.
const NOT_SERVING: &str = "This ZooKeeper instance is not currently serving requests\n";

/// Seconds without a message after which leader and learners disconnect: syncLimit 5, tickTime 2 s.
const SYNC_LIMIT: f64 = 10.0;

/// The state of the process.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Process {
    /// Not running.
    Stopped,
    /// Loading its data until this time; its port is closed.
    Loading(f64),
    /// Running.
    Running,
    /// Suspended at this time; it keeps its connections.
    Suspended(f64),
}

/// The role of a running server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Without a leader; not serving.
    Looking,
    /// Leader.
    Leader,
    /// Follower.
    Follower,
    /// Observer.
    Observer,
    /// Standalone.
    Standalone,
    /// Read-only: cut off from the majority.
    ReadOnly,
}

impl Role {
    /// The value of `zk_server_state` and of `Mode`.
    const fn text(self) -> &'static str {
        match self {
            Self::Looking => "looking",
            Self::Leader => "leader",
            Self::Follower => "follower",
            Self::Observer => "observer",
            Self::Standalone => "standalone",
            Self::ReadOnly => "read-only",
        }
    }

    const fn peer_state(self) -> &'static str {
        match self {
            Self::Leader => "leading - broadcast",
            Self::Observer => "observing - broadcast",
            _ => "following - broadcast",
        }
    }
}

/// The result of a command sent to a server.
#[derive(Clone, Debug)]
pub enum Reply {
    /// The connection is refused.
    Refused,
    /// Connected, without a reply before the timeout.
    Silent,
    /// These bytes after this number of seconds.
    Bytes(String, f64),
}

/// A server.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch that a story sets")]
pub struct Server {
    pub id: u32,
    /// The address known to the exporter.
    pub address: String,
    pub votes: bool,
    pub process: Process,
    pub role: Role,
    /// Partitioned from the others.
    pub isolated: bool,
    /// It cannot join the leader: a duplicate id, a broken data directory.
    pub stuck: bool,
    /// Serves reads without a leader.
    pub read_only_allowed: bool,
    /// `leaderServes=no`.
    pub serves_as_leader: bool,
    /// Whether `mntr` is in its whitelist.
    pub mntr_allowed: bool,
    /// Delay of its replies in seconds.
    pub delay: f64,
    /// Seconds after which leader and learners abandon a silent peer.
    pub sync_limit: f64,
    /// Seconds from finding a leader until it is in sync.
    pub sync: f64,
    /// Client connections.
    pub clients: u32,
    /// Mean duration of an fsync in milliseconds.
    pub fsync_ms: f64,
    pub figures: Figures,
    /// When it started to look for a leader.
    pub looking_since: f64,
    /// When it started to serve.
    pub serving_since: f64,
    /// Its last transaction: epoch and number.
    pub zxid: (u64, f64),
}

impl Server {
    /// A server that is in sync from the start.
    pub fn new(id: u32, votes: bool) -> Self {
        Self {
            id,
            address: format!("zk-{id}:2181"),
            votes,
            process: Process::Running,
            role: Role::Looking,
            isolated: false,
            stuck: false,
            read_only_allowed: false,
            serves_as_leader: true,
            mntr_allowed: true,
            delay: 0.01,
            sync_limit: SYNC_LIMIT,
            sync: 3.0,
            clients: 0,
            fsync_ms: 5.0,
            figures: Figures::begin(),
            looking_since: 0.0,
            serving_since: 0.0,
            zxid: (1, 0.0),
        }
    }

    /// Whether leader and learners keep the connection to it.
    pub fn connected(&self, now: f64) -> bool {
        let alive = match self.process {
            Process::Running => true,
            Process::Suspended(since) => now - since < self.sync_limit,
            Process::Stopped | Process::Loading(_) => false,
        };
        alive && !self.isolated && !self.stuck
    }

    /// Whether it currently processes requests.
    pub fn works(&self) -> bool {
        self.process == Process::Running && self.role != Role::Looking
    }

    /// Loses its leader.
    pub fn look(&mut self, now: f64) {
        if self.role != Role::Looking {
            self.role = if self.read_only_allowed { Role::ReadOnly } else { Role::Looking };
            self.looking_since = now;
            self.figures.add("looking_count", 1.0);
        }
    }

    /// Starts to serve in a role.
    pub fn serve(&mut self, role: Role, now: f64) {
        self.role = role;
        self.serving_since = now;
        if self.votes {
            self.figures.add("election_time_count", 1.0);
            self.figures.add("election_time_sum", 200.0);
        }
        // The release reports its own return as the best value.
        self.figures.add("unavailable_time_count", 1.0);
        self.figures.add("unavailable_time_sum", (now - self.looking_since) * 1000.0);
        // The statistics of the server are reset with every role; the metrics of the process are kept.
        self.figures.reset("packets_received");
        self.figures.reset("packets_sent");
    }

    fn reply(&self, text: String) -> Reply {
        match self.process {
            Process::Stopped | Process::Loading(_) => Reply::Refused,
            Process::Suspended(_) => Reply::Silent,
            Process::Running if self.role == Role::Looking => Reply::Bytes(NOT_SERVING.to_owned(), self.delay),
            Process::Running if self.role == Role::Leader && !self.serves_as_leader => {
                Reply::Bytes(NOT_SERVING.to_owned(), self.delay)
            }
            Process::Running => Reply::Bytes(text, self.delay),
        }
    }

    /// The reply to `mntr`; `more` are the lines added by the ensemble.
    pub fn mntr(&self, now: f64, more: &str) -> Reply {
        if !self.mntr_allowed {
            return self.reply("mntr is not executed because it is not in the whitelist.\n".to_owned());
        }
        let mut text =
            format!("zk_version\t3.8.0-1, built on 2024-12-29 17:54 UTC\nzk_server_state\t{}\n", self.role.text());
        if matches!(self.role, Role::Leader | Role::Follower | Role::Observer) {
            text.push_str(&format!("zk_peer_state\t{}\n", self.role.peer_state()));
        }
        text.push_str(&format!("zk_uptime\t{}\n", ((now - self.serving_since) * 1000.0).floor()));
        text.push_str(&format!("zk_num_alive_connections\t{}\n", self.clients));
        text.push_str(&format!("zk_open_file_descriptor_count\t{}\n", self.clients + 100));
        text.push_str(&self.figures.lines(self.role == Role::Leader));
        text.push_str(more);
        self.reply(text)
    }

    /// The reply to `srvr`.
    pub fn srvr(&self) -> Reply {
        let (epoch, sequence) = self.zxid;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "below 2^32")]
        let zxid = (epoch << 32) + sequence as u64;
        let mode = self.role.text();
        let proposals = if self.role == Role::Leader { "Proposal sizes last/min/max: 36/36/889\n" } else { "" };
        let read_only =
            if self.role == Role::ReadOnly { "READ-ONLY mode; serving only read-only clients\n" } else { "" };
        self.reply(format!(
            "Zookeeper version: 3.8.0-1, built on 2024-12-29 17:54 UTC\n{read_only}Latency min/avg/max: 0/1.0/40\n\
             Received: 1000\nSent: 1000\nConnections: {}\nOutstanding: 0\nZxid: {zxid:#x}\nMode: {mode}\n\
             Node count: 20000\n{proposals}",
            self.clients
        ))
    }

    /// The reply to `conf`; `membership` are its lines `server.N=` and `version=`.
    pub fn conf(&self, membership: &str) -> Reply {
        let peer_type = i32::from(!self.votes);
        self.reply(format!(
            "clientPort=2181\nsecureClientPort=-1\ndataDir=/var/lib/zookeeper/version-2\ndataDirSize=1000\n\
             dataLogDir=/var/lib/zookeeper/version-2\ndataLogSize=1000\ntickTime=2000\nmaxClientCnxns=60\n\
             minSessionTimeout=4000\nmaxSessionTimeout=40000\nclientPortListenBacklog=-1\nserverId={}\ninitLimit=10\n\
             syncLimit={}\nelectionAlg=3\nelectionPort=3888\nquorumPort=2888\npeerType={peer_type}\n{membership}",
            self.id,
            // In ticks of two seconds.
            self.sync_limit / 2.0
        ))
    }
}
