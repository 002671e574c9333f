//! Members in network namespaces of their own, so that the links between them can be cut and throttled. Needs root.

use std::process::{Child, Command, Stdio};

use testkit::ensemble::JARS;

/// Voters 1 to N, all reachable from the test process, stopped on drop.
pub struct Apart {
    folder: tempfile::TempDir,
    /// Separates concurrent runs: part of the namespace names and the third byte of addresses.
    net: u32,
    processes: Vec<Child>,
}

impl Apart {
    /// `sync_limit` is the number of 500 ms ticks after which a silent or lagging learner is dropped.
    pub fn start(members: usize, sync_limit: usize) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut apart = Self { folder, net: std::process::id() % 250 + 1, processes: Vec::new() };
        // The switch has its own namespace, unaffected by the firewall of the machine.
        let (net, hub, road) = (apart.net, apart.hub(), apart.road());
        ip(&format!("netns add {hub}"));
        ip(&format!("-n {hub} link add switch type bridge"));
        ip(&format!("-n {hub} link set switch up"));
        ip(&format!("link add {road} type veth peer name port0 netns {hub}"));
        ip(&format!("-n {hub} link set port0 master switch up"));
        ip(&format!("addr add 10.231.{net}.254/24 dev {road}"));
        ip(&format!("link set {road} up"));
        let servers: String =
            (1..=members).map(|id| format!("server.{id}={}:2888:3888\n", apart.address(id))).collect();
        let jars = JARS.map(|jar| format!("/usr/share/java/{jar}.jar")).join(":");
        for id in 1..=members {
            let space = apart.space(id);
            ip(&format!("netns add {space}"));
            ip(&format!("-n {hub} link add port{id} type veth peer name eth0 netns {space}"));
            ip(&format!("-n {hub} link set port{id} master switch up"));
            ip(&format!("-n {space} link set lo up"));
            ip(&format!("-n {space} addr add {}/24 dev eth0", apart.address(id)));
            ip(&format!("-n {space} link set eth0 up"));
            let home = apart.folder.path().join(id.to_string());
            std::fs::create_dir_all(home.join("data")).unwrap();
            std::fs::write(home.join("data/myid"), format!("{id}\n")).unwrap();
            let settings = format!(
                "tickTime=500\ninitLimit=20\nsyncLimit={sync_limit}\nmaxClientCnxns=0\ndataDir={}\nclientPort=2181\n\
                 4lw.commands.whitelist=mntr,srvr,conf,cons,wchs,isro\nadmin.enableServer=false\n{servers}",
                home.join("data").display()
            );
            std::fs::write(home.join("zoo.cfg"), settings).unwrap();
            let log = std::fs::File::create(home.join("log")).unwrap();
            let process = Command::new("ip")
                .args(["netns", "exec", &space, "java", "-Xmx128m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"])
                .args(["-Dreadonlymode.enabled=true", "-Djava.net.preferIPv4Stack=true"])
                .args(["-Dzookeeper.jmx.log4j.disable=true", "-cp", &jars])
                .args(["org.apache.zookeeper.server.quorum.QuorumPeerMain", home.join("zoo.cfg").to_str().unwrap()])
                .stdin(Stdio::null())
                .stdout(log.try_clone().unwrap())
                .stderr(log)
                .spawn()
                .unwrap();
            apart.processes.push(process);
        }
        apart
    }

    /// The address of a member as `HOST:PORT`.
    pub fn member(&self, id: usize) -> String {
        format!("{}:2181", self.address(id))
    }

    /// The value for `--zookeeper`.
    pub fn flag(&self, name: &str) -> String {
        let members: Vec<_> = (1..=self.processes.len()).map(|id| self.member(id)).collect();
        format!("{name}={}", members.join(","))
    }

    /// Cuts the link between two members.
    pub fn cut(&self, one: usize, other: usize) {
        for (from, to) in [(one, other), (other, one)] {
            ip(&format!("-n {} route add blackhole {}/32", self.space(from), self.address(to)));
        }
    }

    /// Restores the link between two members.
    #[allow(dead_code, reason = "used by the fault tests")]
    pub fn mend(&self, one: usize, other: usize) {
        for (from, to) in [(one, other), (other, one)] {
            ip(&format!("-n {} route del blackhole {}/32", self.space(from), self.address(to)));
        }
    }

    /// Limits the bandwidth from the other members to this one; its clients are not affected.
    pub fn narrow(&self, id: usize, rate: &str) {
        let tc = |arguments: &str| run("tc", &format!("-n {} {arguments}", self.hub()));
        tc(&format!("qdisc add dev port{id} root handle 1: htb default 20"));
        tc(&format!("class add dev port{id} parent 1: classid 1:10 htb rate 1gbit"));
        tc(&format!("class add dev port{id} parent 1: classid 1:20 htb rate {rate}"));
        tc(&format!("filter add dev port{id} parent 1: protocol ip u32 match ip dport 2181 0xffff flowid 1:10"));
    }

    fn address(&self, id: usize) -> String {
        format!("10.231.{}.{id}", self.net)
    }

    fn hub(&self) -> String {
        format!("zk-{}-hub", self.net)
    }

    fn space(&self, id: usize) -> String {
        format!("zk-{}-{id}", self.net)
    }

    /// The link from this machine to the switch.
    fn road(&self) -> String {
        format!("zk-road{}", self.net)
    }
}

impl Drop for Apart {
    fn drop(&mut self) {
        for process in &mut self.processes {
            let _ = process.kill();
            let _ = process.wait();
        }
        let spaces = (1..=self.processes.len()).map(|id| self.space(id));
        for space in spaces.chain([self.hub()]) {
            let _ = Command::new("ip").args(["netns", "del", &space]).status();
        }
        let _ = Command::new("ip").args(["link", "del", &self.road()]).stderr(Stdio::null()).status();
    }
}

fn ip(arguments: &str) {
    run("ip", arguments);
}

fn run(program: &str, arguments: &str) {
    let output = Command::new(program).args(arguments.split(' ')).output().expect("iproute2 is installed");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments}: {said} (namespaces of networks need root)");
}
