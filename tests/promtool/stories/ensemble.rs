//! A modelled ensemble: its leader, its synced members, its clients. It advances second by second.

use super::figures::Figures;
use super::server::{Process, Role, Server};

/// Seconds that an election takes once a majority is up.
const ELECTION: f64 = 3.0;

/// The load of the clients per second.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    pub reads: f64,
    pub writes: f64,
    pub read_ms: f64,
    /// In addition to the time of the disks.
    pub write_ms: f64,
}

/// An ensemble.
#[derive(Clone, Debug)]
pub struct Ensemble {
    pub name: String,
    pub servers: Vec<Server>,
    pub load: Load,
    pub epoch: u64,
    pub sequence: f64,
    /// The index of the leader.
    pub leader: Option<usize>,
    leads_since: f64,
    elected_at: Option<f64>,
    /// Clients that are currently not connected.
    homeless: u32,
    pub watches_of_a_client: f64,
    pub ephemerals: f64,
    /// Counters that grow independently of the load: server, key, increase per second.
    pub rates: Vec<(u32, String, f64)>,
    /// Replaces the membership derived from the servers.
    pub membership: Option<String>,
    /// Prefix of the host names in the membership; the id follows.
    pub host: &'static str,
}

impl Ensemble {
    /// Voters `1..=voters`, then observers, in sync, with a light load; the last voter leads.
    pub fn new(name: &str, voters: u32, observers: u32) -> Self {
        let servers = (1..=voters + observers).map(|id| Server::new(id, id <= voters)).collect();
        let mut ensemble = Self {
            name: name.to_owned(),
            servers,
            load: Load { reads: 60.0, writes: 30.0, read_ms: 1.0, write_ms: 4.0 },
            // A standalone server has no elections and remains in its first epoch.
            epoch: u64::from(voters + observers == 1),
            sequence: 0.0,
            leader: None,
            leads_since: 0.0,
            elected_at: None,
            homeless: 30 * (voters + observers),
            watches_of_a_client: 20.0,
            ephemerals: 200.0,
            rates: Vec::new(),
            membership: None,
            host: "zk",
        };
        if voters == 1 && observers == 0 {
            ensemble.servers[0].serve(Role::Standalone, 0.0);
        } else {
            ensemble.elect(0.0);
            for server in ensemble.servers.iter_mut().filter(|server| !server.votes) {
                server.serve(Role::Observer, 0.0);
            }
        }
        // Started an hour before the story, so that its start has no effect on the alerts.
        for server in &mut ensemble.servers {
            server.serving_since = -3600.0;
        }
        ensemble.leads_since = -3600.0;
        ensemble.settle_clients(0.0);
        ensemble
    }

    fn standalone(&self) -> bool {
        self.servers.len() == 1
    }

    /// The server with this id.
    pub fn server(&mut self, id: u32) -> &mut Server {
        self.servers.iter_mut().find(|server| server.id == id).expect("a story names its servers")
    }

    /// The id of the leader, if there is one.
    pub fn leader_id(&self) -> Option<u32> {
        self.leader.map(|place| self.servers[place].id)
    }

    fn majority(&self) -> usize {
        self.servers.iter().filter(|server| server.votes).count() / 2 + 1
    }

    fn elect(&mut self, now: f64) {
        let mut voters = self.servers.iter().enumerate().filter(|(_, server)| server.votes && server.connected(now));
        let Some((leader, _)) = voters.rfind(|(_, server)| server.process == Process::Running) else {
            return;
        };
        self.epoch += 1;
        self.sequence = 0.0;
        self.leader = Some(leader);
        self.leads_since = now;
        for place in 0..self.servers.len() {
            let joins = self.servers[place].votes
                && self.servers[place].connected(now)
                && self.servers[place].process == Process::Running;
            if joins {
                let role = if place == leader { Role::Leader } else { Role::Follower };
                self.servers[place].serve(role, now);
            }
        }
    }

    /// Advances to `now`, which is `step` seconds after the last call.
    pub fn advance(&mut self, now: f64, step: f64) {
        for server in &mut self.servers {
            if let Process::Loading(until) = server.process
                && now >= until
            {
                server.process = Process::Running;
                // It was not in sync up to this point either.
                server.role = Role::Looking;
            }
        }
        if self.standalone() {
            let server = &mut self.servers[0];
            if server.process == Process::Running && server.role == Role::Looking {
                server.serve(Role::Standalone, now);
            }
        } else {
            self.keep_or_lose_the_leader(now);
            self.join(now);
        }
        self.settle_clients(now);
        self.work(step);
    }

    fn keep_or_lose_the_leader(&mut self, now: f64) {
        if let Some(leader) = self.leader {
            let kept = |server: &Server| server.connected(now) && matches!(server.role, Role::Leader | Role::Follower);
            let in_sync = self.servers.iter().filter(|server| server.votes && kept(server)).count();
            if in_sync < self.majority() || !self.servers[leader].connected(now) {
                self.leader = None;
                self.elected_at = None;
                // A suspended server notices it only after it continues.
                for server in self.servers.iter_mut().filter(|server| server.process == Process::Running) {
                    server.look(now);
                }
            }
        }
        if self.leader.is_none() {
            let ready = |server: &&Server| server.votes && server.connected(now) && server.process == Process::Running;
            if self.servers.iter().filter(ready).count() < self.majority() {
                self.elected_at = None;
            } else if now >= *self.elected_at.get_or_insert(now + ELECTION) {
                self.elect(now);
            }
        }
    }

    fn join(&mut self, now: f64) {
        let there = self.leader.is_some();
        for server in &mut self.servers {
            if server.process != Process::Running {
                continue;
            }
            let serves = matches!(server.role, Role::Leader | Role::Follower | Role::Observer);
            if serves && !server.connected(now) {
                server.look(now);
            } else if !serves && there && server.connected(now) && now >= server.looking_since + server.sync {
                server.serve(if server.votes { Role::Follower } else { Role::Observer }, now);
            }
        }
    }

    /// Clients of a server that does not serve move to the others and stay there.
    fn settle_clients(&mut self, now: f64) {
        for server in self.servers.iter_mut().filter(|server| gone(server, now)) {
            self.homeless += std::mem::take(&mut server.clients);
        }
        let serving: Vec<usize> = (0..self.servers.len()).filter(|place| self.servers[*place].works()).collect();
        if serving.is_empty() || self.homeless == 0 {
            return;
        }
        let number = u32::try_from(serving.len()).expect("few servers");
        for (turn, place) in (0..).zip(serving) {
            self.servers[place].clients += self.homeless / number + u32::from(turn < self.homeless % number);
        }
        self.homeless = 0;
    }

    /// Sets the total number of clients: new ones are spread evenly, and removed ones are taken from all servers.
    pub fn set_clients(&mut self, number: u32) {
        for server in &mut self.servers {
            server.clients = 0;
        }
        self.homeless = number;
        self.settle_clients(0.0);
    }

    /// The clients of all servers.
    pub fn clients(&self) -> u32 {
        self.servers.iter().map(|server| server.clients).sum::<u32>() + self.homeless
    }

    fn work(&mut self, step: f64) {
        let serving = self.servers.iter().filter(|server| server.works()).count();
        let leader_works =
            self.standalone() && serving == 1 || self.leader.is_some_and(|leader| self.servers[leader].works());
        #[expect(clippy::cast_precision_loss, reason = "few servers")]
        let share = if serving == 0 { 0.0 } else { 1.0 / serving as f64 };
        let Load { reads, writes, read_ms, write_ms } = self.load;
        let writes = if leader_works { writes } else { 0.0 };
        self.sequence += writes * step;
        // A write waits for a majority of the disks.
        let mut disks: Vec<f64> =
            self.servers.iter().filter(|server| server.works() && server.votes).map(|server| server.fsync_ms).collect();
        disks.sort_by(f64::total_cmp);
        let disk = disks.get(self.majority() - 1).copied().unwrap_or(0.0);
        for server in self.servers.iter_mut().filter(|server| server.works()) {
            let (read, written) = (reads * share * step, writes * share * step);
            let fsyncs = writes.min(500.0) * step;
            let figures: &mut Figures = &mut server.figures;
            figures.add("readlatency_count", read);
            figures.add("readlatency_sum", read * read_ms);
            figures.add("updatelatency_count", written);
            figures.add("updatelatency_sum", written * (write_ms + disk));
            figures.add("fsynctime_count", fsyncs);
            figures.add("fsynctime_sum", fsyncs * server.fsync_ms);
            figures.add("packets_received", read + written + step);
            figures.add("packets_sent", read + written + step);
            figures.add("bytes_received_count", 100.0 * (read + written) + 50.0 * step);
            figures.add("jvm_gc_collection_seconds_count{gc=\"G1 Young Generation\"}", 0.1 * step);
            figures.add("jvm_gc_collection_seconds_sum{gc=\"G1 Young Generation\"}", 0.002 * step);
            server.zxid = (self.epoch, self.sequence);
        }
        let mut rates = std::mem::take(&mut self.rates);
        for (id, key, rate) in &mut rates {
            let server = self.server(*id);
            if server.process == Process::Running {
                server.figures.add(key, *rate * step);
            }
        }
        self.rates = rates;
    }

    /// The lines of a server's `mntr` that depend on the ensemble.
    pub fn lines(&self, server: &Server, now: f64) -> String {
        let watches = (f64::from(server.clients) * self.watches_of_a_client).floor();
        let mut out = format!(
            "zk_watch_count\t{watches}\nzk_ephemerals_count\t{}\nzk_global_sessions\t{}\nzk_local_sessions\t0\n",
            self.ephemerals,
            self.clients()
        );
        let voters = self.servers.iter().filter(|server| server.votes).count();
        if matches!(server.role, Role::Leader | Role::Follower | Role::Observer) {
            out.push_str(&format!("zk_quorum_size\t{voters}\n"));
        }
        if server.role == Role::Leader {
            let counted =
                |role: Role| self.servers.iter().filter(|server| server.role == role && server.connected(now)).count();
            let (followers, observers) = (counted(Role::Follower), counted(Role::Observer));
            out.push_str(&format!(
                "zk_synced_followers\t{followers}\nzk_synced_non_voting_followers\t0\nzk_synced_observers\t{observers}\n\
                 zk_learners\t{}\nzk_leader_uptime\t{}\n",
                followers + observers,
                ((now - self.leads_since) * 1000.0).floor()
            ));
        }
        out
    }

    /// The membership lines of `conf`.
    pub fn membership_lines(&self) -> String {
        if self.standalone() {
            return String::new();
        }
        if let Some(lines) = &self.membership {
            return lines.clone();
        }
        let mut out = String::from("membership: \n");
        for server in &self.servers {
            let role = if server.votes { "participant" } else { "observer" };
            out.push_str(&format!("server.{0}={1}-{0}:2888:3888:{role}\n", server.id, self.host));
        }
        out.push_str("version=0");
        out
    }
}

/// Whether its clients have noticed its loss: sessions end at the sync limit at the latest.
fn gone(server: &Server, now: f64) -> bool {
    match server.process {
        Process::Stopped | Process::Loading(_) => true,
        Process::Suspended(since) => now - since >= server.sync_limit,
        Process::Running => server.role == Role::Looking,
    }
}
