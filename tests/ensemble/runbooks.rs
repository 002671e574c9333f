//! Runs every command of every runbook and of every alert text on an ensemble configured by the README, over plaintext
//! and over TLS.
//!
//! `docs/runbooks/README.md` documents the placeholders that are replaced here, and the command for TLS ports.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command as Process, Stdio};
use std::sync::Mutex;

use crate::common::exporter::{Exporter, binary, run};
use crate::common::root;
use crate::common::runbooks::{Command, Place, commands, place, replaced};
use crate::live::{Ensemble, client};

/// Commands that are not run here, and why; each matches at least one command of a runbook or an alert.
const NOT_RUN: &[(&str, &str)] = &[
    ("systemctl ", "needs systemd and the units"),
    ("journalctl ", "needs systemd and the units"),
    ("kubectl ", "needs a cluster"),
    ("dmesg ", "needs access to the kernel log"),
    ("ping ", "needs access to raw sockets"),
    ("iostat ", "needs the package sysstat"),
    ("sudo iotop ", "needs root and the package iotop"),
    ("cat /sys/fs/cgroup/cpu.stat", "needs a process in a cgroup"),
    ("keytool ", "needs the key store of a member with its password"),
    ("openssl s_client -connect HOST:3888 ", "needs sslQuorum"),
    ("promtool ", "needs the host of Prometheus"),
    ("amtool ", "needs Alertmanager"),
    ("jmap ", "stops the member for a moment"),
    ("kill -9", "changes a member"),
    ("kill -CONT", "changes a member"),
    ("prlimit ", "changes a member"),
    ("zkCleanup.sh ", "changes a member"),
    ("zkCli.sh -server HOST:2181 reconfig ", "changes the ensemble"),
    ("kinit ", "needs Kerberos"),
    ("zookeeper-exporter simulate ", "needs members with zones"),
    ("du -xh --max-depth=2 / ", "reads a whole file system"),
    ("jstat ", "the members of `scripts/ensemble` write no performance data"),
];

/// Programs of the JDK: a machine may have the runtime only.
const OPTIONAL: &[&str] = &["jstack "];

/// Words in the output of a command that was called in a wrong way, or that a member refused.
const REFUSED: &[&str] = &[
    "not in the whitelist",
    "sage:",
    "unrecognized",
    "nvalid option",
    "unexpected argument",
    "command not found",
    "No such file",
    "is not executed",
];

/// A command, where it is from, and whether it may print nothing.
struct Case {
    source: String,
    command: Command,
}

/// The commands of all runbooks, and those of the descriptions of the generated rules.
fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for entry in std::fs::read_dir(root().join("docs/runbooks")).unwrap().map(Result::unwrap) {
        let name = entry.file_name().into_string().unwrap();
        if name != "README.md" {
            let text = std::fs::read_to_string(entry.path()).unwrap();
            cases.extend(commands(&text).into_iter().map(|command| Case { source: name.clone(), command }));
        }
    }
    let rules = run(&["rules", "--all"]);
    let rules = if rules.status.success() { rules } else { run(&["rules"]) };
    let rules: serde_json::Value = serde_saphyr::from_str(&String::from_utf8(rules.stdout).unwrap()).unwrap();
    for rule in rules["groups"].as_array().unwrap().iter().flat_map(|group| group["rules"].as_array().unwrap()) {
        if let Some(text) = rule["annotations"]["description"].as_str() {
            let source = format!("description of {}", rule["alert"].as_str().unwrap());
            let found = of_description(text);
            cases.extend(
                found
                    .into_iter()
                    .map(|text| Case { source: source.clone(), command: Command { section: String::new(), text } }),
            );
        }
    }
    cases
}

/// The commands in the description of a rule, with the placeholders of runbooks for the templates.
fn of_description(text: &str) -> Vec<String> {
    let (host_port, host) = (
        r#"{{ reReplaceAll "^\\[?(.*?)]?:([0-9]+)$" "$1 $2" $labels.member }}"#,
        r#"{{ reReplaceAll "^\\[?(.*?)]?:[0-9]+$" "$1" $labels.member }}"#,
    );
    let text = text.replace(host_port, "HOST 2181").replace(host, "HOST").replace("{{ $labels.ensemble }}", "E");
    let text = text.replace("{{ $labels.member }}", "HOST:2181").replace("{{ $labels.instance }}", "EXPORTER:9141");
    let parts = text.split(" - ").flat_map(|part| part.split("; "));
    let commands = parts.filter_map(|part| {
        let start = |text: &str| place(text.split(' ').next().unwrap()).is_some_and(|place| place != Place::Inside);
        let begins = std::iter::once(0).chain(part.match_indices(": ").map(|(at, _)| at + 2));
        let begin = begins.into_iter().find(|&at| start(&part[at..]) && part[at..].contains(' '))?;
        let command = &part[begin..];
        let ends = [
            " on HOST",
            " on the leader",
            " on each member",
            " names the ",
            ", and ",
            " for the ",
            ". ",
            " in Prometheus",
        ];
        let ends = ends.iter().filter_map(|end| command.find(end));
        let end = ends.min().unwrap_or(command.len());
        Some(command[..end].trim_end_matches('.').to_owned())
    });
    commands.collect()
}

/// Where the commands are run: a folder with the files that they name, and the values of the placeholders.
struct Scene {
    folder: tempfile::TempDir,
    values: Vec<(&'static str, String)>,
    tls: bool,
    _exporter: Exporter,
    _ensemble: Ensemble,
}

impl Scene {
    fn new(tls: bool) -> Self {
        let mut arguments = vec!["--members", "3", "--admin"];
        arguments.extend(tls.then_some("--tls=need"));
        let ensemble = Ensemble::start(&arguments);
        let folder = tempfile::tempdir().unwrap();
        let link = |target: &Path, name: &str| std::os::unix::fs::symlink(target, folder.path().join(name)).unwrap();
        let leader: usize = ensemble.run(&["mode", "leader"]).parse().unwrap();
        let other = leader % 3 + 1;
        // Diagnosis begins at the member of the alert: here a follower.
        let home = ensemble.folder().join(other.to_string());
        link(&home.join("log"), "zookeeper.log");
        link(&home.join("zoo.cfg"), "zoo.cfg");
        std::fs::create_dir(folder.path().join("bin")).unwrap();
        link(Path::new(binary().get_program()), "bin/zookeeper-exporter");
        // The script finds its configuration by its own path.
        let shell = folder.path().join("bin/zkCli.sh");
        std::fs::write(&shell, "#!/bin/sh\nexec /usr/share/zookeeper/bin/zkCli.sh \"$@\"\n").unwrap();
        std::fs::set_permissions(&shell, std::fs::Permissions::from_mode(0o755)).unwrap();
        let mut module = "{}".to_owned();
        if tls {
            for (file, name) in [("ca.pem", "ca.pem"), ("client.pem", "c.pem"), ("client-key.pem", "k.pem")] {
                link(&ensemble.folder().join("tls").join(file), name);
            }
            "{tls: {ca_file: ca.pem, cert_file: c.pem, key_file: k.pem}}".clone_into(&mut module);
        }
        let plain = ensemble.members();
        let port = if tls { 22810 } else { 21810 };
        let members: Vec<String> = plain.iter().map(|member| member.replace(":21810", &format!(":{port}"))).collect();
        let config = format!(
            "ensembles:\n  - name: prod\n    members: [{}]\nmodules:\n  default: {module}\n",
            members.join(", ")
        );
        let file = folder.path().join("ensembles.yml");
        std::fs::write(&file, config).unwrap();
        let exporter = Exporter::start(&["--config.file", file.to_str().unwrap(), "--web.enable-lifecycle"]);
        exporter.get("/metrics", &[]);
        client(&plain[0], "zk.create('/path', b'7')\nzk.create('/alarm/path', b'90', makepath=True)");
        let host = |id: usize| plain[id - 1].trim_end_matches(":21810").to_owned();
        let (leads, host) = (host(leader), host(other));
        let status = ensemble.run(&["status"]);
        let pid = status.lines().find(|line| line.contains(&format!("{host}:"))).unwrap();
        let pid = pid.split_whitespace().last().unwrap().to_owned();
        let values = vec![
            ("$(pgrep -f QuorumPeerMain)", pid.clone()),
            // Addresses of loopback have no names.
            ("getent hosts HOST", "getent hosts localhost".to_owned()),
            ("getent hosts OTHER", "getent hosts localhost".to_owned()),
            ("NAME", "localhost".to_owned()),
            ("HOST 2181", format!("{host} {port}")),
            ("localhost 2181", format!("{host} {port}")),
            ("LEADER 2181", format!("{leads} {port}")),
            ("HOST:2181", format!("{host}:{port}")),
            ("LEADER:2181", format!("{leads}:{port}")),
            ("localhost:2181", format!("{host}:{port}")),
            ("HOST:2281", format!("{host}:{port}")),
            (":2181", format!(":{port}")),
            ("HOST:8080", format!("{host}:28080")),
            ("LEADER:8080", format!("{leads}:28080")),
            // Only the leader listens on its quorum port.
            ("OTHER 2888", format!("{leads} 22880")),
            ("LEADER 2888", format!("{leads} 22880")),
            ("OTHER 3888", format!("{leads} 23880")),
            ("EXPORTER:9141", exporter.address.clone()),
            ("localhost:9141", exporter.address.clone()),
            ("MEMBER", format!("{host}:{port}")),
            ("HOST", host),
            ("LEADER", leads.clone()),
            ("OTHER", leads),
            ("FILE", file.to_str().unwrap().to_owned()),
            ("E", "prod".to_owned()),
            ("DATADIR", home.join("data").display().to_string()),
            ("DATALOGDIR", home.join("data").display().to_string()),
            ("/PATH", "/path".to_owned()),
            ("PATH", "/path".to_owned()),
            ("BYTES", "1000000".to_owned()),
            ("N", "1000".to_owned()),
            ("SESSIONID", "0x1".to_owned()),
            ("PID", pid),
        ];
        Self { folder, values, tls, _exporter: exporter, _ensemble: ensemble }
    }

    /// The command with its placeholders replaced.
    fn command(&self, text: &str) -> String {
        let values: Vec<_> = self.values.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let text = if self.tls { over_tls(text) } else { text.to_owned() };
        replaced(&text, &values)
    }

    /// Runs a command and returns what is wrong with it.
    fn fault(&self, text: &str) -> Option<String> {
        let command = self.command(text);
        let (code, output) = self.shell(&command);
        // A handshake that fails is a result: the server may require a certificate.
        let handshake = text.starts_with("openssl s_client") && output.contains("CONNECTED");
        let stages: Vec<&str> = text.split(" | ").collect();
        // A log need not have the searched line.
        let nothing_found = code == 1 && stages.last().unwrap().starts_with("grep") && !stages[0].starts_with("echo");
        let refused = REFUSED.iter().find(|word| output.contains(**word));
        // If a filter leaves nothing, the reply before it must be one of the member.
        let answered = || {
            let query = command.split(" | ").take(2).collect::<Vec<_>>().join(" | ");
            let reply = self.shell(query.split(" > ").next().unwrap()).1;
            !reply.is_empty() && !REFUSED.iter().any(|word| reply.contains(word))
        };
        let answered = !text.starts_with("echo ") || !output.is_empty() || answered();
        let written = output.contains("Node already exists") || text.ends_with("grep lop=SYNC");
        let right = (code == 0 || nothing_found || handshake || written) && refused.is_none() && answered;
        (!right).then(|| {
            let output: String = output.chars().take(300).collect();
            format!("`{command}`: exit {code}, {refused:?}: {output}")
        })
    }

    fn shell(&self, command: &str) -> (i32, String) {
        let path = format!("{}/bin:{}", self.folder.path().display(), std::env::var("PATH").unwrap());
        let output = Process::new("timeout")
            .args(["40", "bash", "-c", command])
            .current_dir(self.folder.path())
            .env("PATH", path)
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let text = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
        (output.status.code().unwrap_or(-1), text)
    }

    /// Runs commands side by side, each once; returns the faults.
    fn faults(&self, cases: &BTreeMap<String, String>) -> Vec<String> {
        let (next, faults) = (Mutex::new(cases.iter()), Mutex::new(Vec::new()));
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    loop {
                        let Some((text, source)) = next.lock().unwrap().next() else { return };
                        // A member that is busy may exceed the timeout of `nc`.
                        let attempts: Vec<String> = (0..3).map_while(|_| self.fault(text)).collect();
                        if let [_, _, fault] = &attempts[..] {
                            faults.lock().unwrap().push(format!("{source}: {fault}"));
                        }
                    }
                });
            }
        });
        faults.into_inner().unwrap()
    }
}

/// The command for a TLS port that `docs/runbooks/README.md` documents.
fn over_tls(text: &str) -> String {
    let index = std::fs::read_to_string(root().join("docs/runbooks/README.md")).unwrap().replace("\n  ", " ");
    let line = index.split("For a TLS port, replace `nc -w 3 HOST 2181` by `").nth(1).expect("the index documents TLS");
    let mut quoted = line.split('`');
    let (base, identity) = (quoted.next().unwrap(), quoted.nth(1).unwrap());
    let with = |host: &str| base.replace("HOST:2281", host).replace(" 2>", &format!(" {identity} 2>"));
    ["HOST", "LEADER", "localhost"].iter().fold(text.to_owned(), |text, host| {
        text.replace(&format!("nc -w 3 {host} 2181"), &with(&format!("{host}:2181")))
    })
}

#[test]
fn every_command_of_runbooks_and_alerts_works() {
    let cases = cases();
    assert!(cases.len() > 250, "{}", cases.len());
    let (mut unused, mut to_run): (Vec<_>, BTreeMap<String, String>) = (NOT_RUN.to_vec(), BTreeMap::new());
    for Case { source, command } in cases {
        let skipped = NOT_RUN.iter().find(|(begin, _)| command.text.starts_with(begin));
        let inside = place(command.text.split_whitespace().next().unwrap()) == Some(Place::Inside);
        match skipped {
            Some(skipped) => {
                let is_change = skipped.1.starts_with("changes");
                assert!(!is_change || command.section == "Mitigation", "{source}: {} changes something", command.text);
                unused.retain(|one| one != skipped);
            }
            None if inside => {}
            None => drop(to_run.entry(command.text).or_insert(source)),
        }
    }
    assert!(unused.is_empty(), "no command begins like this: {unused:?}");
    let has_jdk = Process::new("jstack").arg("-h").output().is_ok();
    if !has_jdk {
        eprintln!("SKIPPED: commands of the JDK, which is not installed: {OPTIONAL:?}");
        to_run.retain(|text, _| !OPTIONAL.iter().any(|tool| text.starts_with(tool)));
    }
    let (plain, tls) = std::thread::scope(|scope| {
        let tls = scope.spawn(|| Scene::new(true));
        (Scene::new(false), tls.join().unwrap())
    });
    let (of_tls, of_both): (BTreeMap<_, _>, BTreeMap<_, _>) =
        to_run.into_iter().partition(|(text, _)| text.starts_with("openssl"));
    let mut faults = plain.faults(&of_both);
    // Over TLS only what reaches a client port differs.
    let of_clients = of_both
        .into_iter()
        .filter(|(text, _)| ["nc -w 3", "zookeeper-exporter "].iter().any(|tool| text.contains(tool)));
    faults
        .extend(tls.faults(&of_clients.chain(of_tls).collect()).into_iter().map(|fault| format!("over TLS: {fault}")));
    assert!(faults.is_empty(), "{} commands fail:\n{}", faults.len(), faults.join("\n"));
}
