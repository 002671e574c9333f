//! The files of the members: configuration, certificates, and the jars of ZooKeeper.

use std::fmt::Write as _;
use std::fs::File;
use std::path::Path;
use std::process::Command;

use rustix::fs::Mode;
use rustix::process::umask;

use super::arguments::{StartOptions, cfg_of_member};
use super::state::{ADMIN_PORT, CLIENT_PORT, ELECTION_PORT, Ensemble, QUORUM_PORT, SECURE_PORT};
use crate::failure::{Failure, fail};
use crate::process;

pub(super) const INSTALL: &str = "install ZooKeeper and Java: apt-get install zookeeper default-jre-headless";

/// The manifest of Debian's zookeeper.jar lacks a logger, the servlet interface of the AdminServer and half of Netty.
pub const JARS: [&str; 8] = [
    "zookeeper",
    "zookeeper-jute",
    "slf4j-api",
    "slf4j-simple",
    "servlet-api",
    "netty-codec",
    "netty-resolver",
    "netty-transport-native-unix-common",
];

/// `$ZOOKEEPER_CLASSPATH`, if it is set and not empty.
pub(super) fn given_class_path() -> Option<String> {
    std::env::var("ZOOKEEPER_CLASSPATH").ok().filter(|path| !path.is_empty())
}

pub(super) fn class_path() -> Result<String, Failure> {
    if let Some(given) = given_class_path() {
        return Ok(given);
    }
    let jars = JARS.map(|jar| format!("/usr/share/java/{jar}.jar"));
    if !Path::new(&jars[0]).exists() {
        return fail(format!("{} is missing; {INSTALL}", jars[0]));
    }
    Ok(jars.into_iter().filter(|jar| Path::new(jar).exists()).collect::<Vec<_>>().join(":"))
}

impl Ensemble {
    /// Writes the folder of a member. Paths in zoo.cfg are relative to it, the working directory of the member: java reads
    /// the file as ISO-8859-1 with backslash escapes, which cannot represent every directory.
    pub(super) fn write_member(&self, id: usize, options: &StartOptions) -> std::io::Result<()> {
        let folder = self.folder(id);
        std::fs::create_dir_all(folder.join("data"))?;
        std::fs::create_dir_all(folder.join("tmp"))?;
        std::fs::write(folder.join("data/myid"), format!("{id}\n"))?;
        std::fs::write(folder.join("zoo.cfg"), self.configuration(id, options))
    }

    fn configuration(&self, id: usize, options: &StartOptions) -> String {
        let host = self.host(id);
        let mut text = format!(
            "tickTime=500\ninitLimit=20\nsyncLimit=10\nmaxClientCnxns=0\ndataDir=./data\n\
             clientPortAddress={host}\nclientPort={CLIENT_PORT}\n"
        );
        if options.whitelist != "default" {
            let _ = writeln!(text, "4lw.commands.whitelist={}", options.whitelist);
        }
        if self.admin {
            let _ =
                writeln!(text, "admin.enableServer=true\nadmin.serverAddress={host}\nadmin.serverPort={ADMIN_PORT}");
        } else {
            text.push_str("admin.enableServer=false\n");
        }
        if let Some(auth) = &self.tls {
            let _ = writeln!(
                text,
                "serverCnxnFactory=org.apache.zookeeper.server.NettyServerCnxnFactory\n\
                 secureClientPortAddress={host}\nsecureClientPort={SECURE_PORT}\n\
                 ssl.keyStore.location=../tls/server.pem\nssl.keyStore.type=PEM\n\
                 ssl.trustStore.location=../tls/ca.pem\nssl.trustStore.type=PEM\nssl.clientAuth={auth}"
            );
        }
        if self.total() > 1 {
            // ZooKeeper refuses a single participant with observers unless standalone mode is disabled.
            text.push_str(if self.members == 1 { "standaloneEnabled=false\n" } else { "" });
            text.push_str(if self.is_observer(id) { "peerType=observer\n" } else { "" });
            for other in self.ids() {
                let kind = if self.is_observer(other) { ":observer" } else { "" };
                let _ = writeln!(text, "server.{other}={}:{QUORUM_PORT}:{ELECTION_PORT}{kind}", self.host(other));
            }
        }
        for line in &options.cfg {
            let (of, line) = cfg_of_member(line);
            if of.is_none_or(|of| of == id.to_string()) {
                let _ = writeln!(text, "{line}");
            }
        }
        text
    }

    /// ZooKeeper reads PEM files, so openssl is sufficient, without keytool and passwords.
    pub(super) fn make_certificates(&self) -> Result<(), Failure> {
        let tls = self.dir.join("tls");
        if !process::is_installed("openssl") {
            return fail("--tls needs openssl; install it: apt-get install openssl");
        }
        let addresses: String = self.ids().map(|id| format!(",IP:{}", self.host(id))).collect();
        std::fs::create_dir_all(&tls)?;
        std::fs::write(tls.join("openssl.cnf"), extensions(&format!("DNS:localhost,IP:127.0.0.1{addresses}")))?;
        let log = File::create(tls.join("openssl.log"))?;
        let before = umask(Mode::from_raw_mode(0o077));
        let made = certificates(&tls, &log);
        umask(before);
        if made.is_err() {
            let log = std::fs::read_to_string(tls.join("openssl.log")).unwrap_or_default();
            let lines: Vec<&str> = log.lines().collect();
            return fail(format!(
                "openssl could not make the certificates, see {}\n{}",
                tls.join("openssl.log").display(),
                lines[lines.len().saturating_sub(5)..].join("\n")
            ));
        }
        Ok(())
    }
}

fn certificates(tls: &Path, log: &File) -> std::io::Result<()> {
    let openssl = |arguments: &str, subject: Option<&str>| {
        let subject = subject.map(|name| format!("/CN=throw-away ensemble {name}"));
        let status = Command::new("openssl")
            .args(arguments.split(' '))
            .args(subject.iter().flat_map(|subject| ["-subj", subject]))
            .current_dir(tls)
            .stdin(std::process::Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log.try_clone()?)
            .status()?;
        if status.success() { Ok(()) } else { Err(std::io::Error::other(status.to_string())) }
    };
    let new_key = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -config openssl.cnf";
    openssl(&format!("req -x509 {new_key} -keyout ca-key.pem -out ca.pem -days 3650"), Some("CA"))?;
    for who in ["server", "client"] {
        openssl(&format!("req -new {new_key} -keyout {who}-key.pem -out {who}.csr"), Some(who))?;
        openssl(
            &format!(
                "x509 -req -in {who}.csr -CA ca.pem -CAkey ca-key.pem -CAcreateserial -days 3650 -extfile openssl.cnf \
                 -extensions {who} -out {who}-cert.pem"
            ),
            None,
        )?;
    }
    let mut both = std::fs::read(tls.join("server-key.pem"))?;
    both.extend(std::fs::read(tls.join("server-cert.pem"))?);
    std::fs::write(tls.join("server.pem"), both)?;
    std::fs::rename(tls.join("client-cert.pem"), tls.join("client.pem"))?;
    for public in ["ca.pem", "client.pem"] {
        rustix::fs::chmod(tls.join(public), Mode::from_raw_mode(0o644))?;
    }
    Ok(())
}

fn extensions(names: &str) -> String {
    format!(
        "\
[req]
distinguished_name = name
x509_extensions = ca
[name]
[ca]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
[server]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
subjectAltName = {names}
[client]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = clientAuth
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
subjectAltName = DNS:localhost
"
    )
}
