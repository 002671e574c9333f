//! TLS ports of real servers: valid setups are scraped, errors are reported in a label and in the log.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use zookeeper_exporter::incident::Explanation;

use crate::common::certs::Authority;
use crate::common::exporter::{Exporter, run};
use crate::common::root;
use crate::live::{Ensemble, reason, scrape, series, state, until};

/// Timeout of a scrape: a cold JVM on a busy machine needs seconds for a dozen handshakes.
const PATIENCE: Duration = Duration::from_secs(25);

/// The addresses of the TLS client ports.
fn tls_members(ensemble: &Ensemble) -> Vec<String> {
    ensemble.run(&["members", "--tls"]).split(',').map(str::to_owned).collect()
}

/// The path of a TLS file of the ensemble, such as its CA or client certificate.
fn file(ensemble: &Ensemble, name: &str) -> String {
    let env = ensemble.run(&["env"]);
    let line = env.lines().find_map(|line| line.strip_prefix(&format!("{name}='"))).unwrap();
    line.trim_end_matches('\'').to_owned()
}

/// Starts an exporter with a configuration in its own folder.
fn exporter(folder: &Path, config: &str) -> Exporter {
    let path = folder.join("config.yml");
    std::fs::write(&path, config).unwrap();
    Exporter::start(&["--config.file", path.to_str().unwrap()])
}

/// The only log line about this ensemble.
fn told(exporter: &Exporter, ensemble: &str) -> String {
    let log = exporter.log();
    let lines: Vec<_> = log.lines().filter(|line| line.contains(&format!("ensemble=\"{ensemble}\""))).collect();
    assert_eq!(lines.len(), 1, "{ensemble}: {log}");
    lines[0].to_owned()
}

/// `why` names the error, and advises to start a member only if one may be down.
fn first_action_is_about_tls(exporter: &Exporter, ensemble: &str, reason: &str, hints: &[&str]) {
    let output = run(&["why", ensemble, "--url", &format!("http://{}", exporter.address), "--output", "json"]);
    let explained: Vec<Explanation> = serde_json::from_slice(&output.stdout).unwrap();
    let cause = &explained[0].causes[0];
    assert_eq!(cause.alert, "ZooKeeperEnsembleUnreachable", "{explained:?}");
    for hint in hints {
        assert!(cause.evidence[0].text.contains(hint), "{ensemble}: `{hint}` is missing in {cause:?}");
    }
    assert!(!cause.sure && cause.first_action.contains("tls"), "{cause:?}");
    let text = format!("{} {}", cause.first_action, cause.look);
    assert_eq!(reason == "tls", !text.contains("tart the members") && !text.contains("outage"), "{cause:?}");
}

#[test]
fn a_secure_port_that_needs_a_client_certificate() {
    let ensemble = Ensemble::start(&["--members", "3", "--tls=need"]);
    let (secure, plain) = (tls_members(&ensemble), ensemble.members());
    let [ca, cert, key] =
        ["ENSEMBLE_CA", "ENSEMBLE_CLIENT_CERT", "ENSEMBLE_CLIENT_KEY"].map(|name| file(&ensemble, name));
    let folder = tempfile::tempdir().unwrap();
    let other = Authority::new("another CA");
    std::fs::write(folder.path().join("other.pem"), &other.pem).unwrap();
    other.issue("stranger", &["localhost"]).write(folder.path(), "stranger");
    let identity = format!("cert_file: {cert}, key_file: {key}");
    let exporter = exporter(
        folder.path(),
        &format!(
            "ensembles:\n\
             - {{name: right, members: [{all}], module: right}}\n\
             - {{name: wrong-ca, members: ['{first}'], module: wrong-ca}}\n\
             - {{name: no-ca, members: ['{first}'], module: no-ca}}\n\
             - {{name: no-certificate, members: ['{first}'], module: no-certificate}}\n\
             - {{name: strange-certificate, members: ['{first}'], module: strange}}\n\
             - {{name: wrong-name, members: ['{first}'], module: wrong-name}}\n\
             - {{name: given-name, members: ['{first}'], module: given-name}}\n\
             - {{name: unverified, members: ['{first}'], module: unverified}}\n\
             - {{name: newer, members: ['{first}'], module: newer}}\n\
             - {{name: plain-to-tls, members: ['{first}']}}\n\
             - {{name: tls-to-plain, members: ['{plain}'], module: right}}\n\
             modules:\n\
             \x20 default: {{timeout: 3s}}\n\
             \x20 right: {{timeout: 20s, tls: {{ca_file: {ca}, {identity}}}}}\n\
             \x20 wrong-ca: {{timeout: 20s, tls: {{ca_file: other.pem, {identity}}}}}\n\
             \x20 no-ca: {{timeout: 20s, tls: {{{identity}}}}}\n\
             \x20 no-certificate: {{timeout: 20s, tls: {{ca_file: {ca}}}}}\n\
             \x20 strange: {{timeout: 20s, tls: {{ca_file: {ca}, cert_file: stranger.pem, key_file: stranger.key}}}}\n\
             \x20 wrong-name: {{timeout: 20s, tls: {{ca_file: {ca}, {identity}, server_name: zk.example.com}}}}\n\
             \x20 given-name: {{timeout: 20s, tls: {{ca_file: {ca}, {identity}, server_name: localhost}}}}\n\
             \x20 unverified: {{timeout: 20s, tls: {{insecure_skip_verify: true, {identity}}}}}\n\
             \x20 newer: {{timeout: 20s, tls: {{ca_file: {ca}, {identity}, min_version: TLS13}}}}\n",
            all = secure.join(", "),
            first = secure[0],
            plain = plain[0],
        ),
    );
    let page = scrape(&exporter, PATIENCE);
    let of = |ensemble: &str, name: &str, labels: &[(&str, &str)]| {
        let mut all = vec![("ensemble", ensemble)];
        all.extend(labels);
        page.value(name, &all)
    };
    for member in &secure {
        assert_eq!(of("right", "zk_mntr_complete", &[("member", member)]), Some(1.0), "{}", exporter.log());
        let until = of("right", "zk_tls_certificate_not_after_timestamp_seconds", &[("member", member)]).unwrap();
        assert!(until > 2.0e9, "{until}");
        assert!(of("right", "zk_connect_duration_seconds", &[("member", member)]).unwrap() > 0.0);
    }
    let leaders = secure
        .iter()
        .filter(|member| of("right", "zk_server_state", &[("member", member), ("state", "leader")]) == Some(1.0));
    assert_eq!(leaders.count(), 1);
    for right in ["given-name", "unverified"] {
        assert_eq!(of(right, "zk_mntr_complete", &[]), Some(1.0), "{right}: {}", exporter.log());
    }
    assert!(told(&exporter, "unverified").contains("insecure_skip_verify"));

    for (wrong, why, hints) in [
        ("wrong-ca", "tls", &["issued by CN=throw-away ensemble CA", "other.pem", "ca_file"][..]),
        ("no-ca", "tls", &["is not signed by a CA in the system's store", "ca_file"]),
        ("no-certificate", "tls", &["demands a client certificate", "ssl.clientAuth=need", "cert_file and key_file"]),
        ("strange-certificate", "tls", &["refuses the client certificate in", "stranger.pem", "ssl.trustStore"]),
        ("wrong-name", "tls", &["is not for `zk.example.com` but for localhost, 127.0.0.1", "server_name"]),
        ("newer", "tls", &["min_version", "TLS12"]),
        ("plain-to-tls", "timeout", &["is this its TLS port? then its module needs `tls:`"]),
        ("tls-to-plain", "tls", &["is this the plain client port? then remove `tls:`", "secureClientPort"]),
    ] {
        let line = told(&exporter, wrong);
        for hint in hints {
            assert!(line.contains(hint), "{wrong}: `{hint}` is missing in {line}");
        }
        assert!(line.contains(&format!("reason=\"{why}\"")) && line.contains("commands=\"mntr,srvr,conf\""), "{line}");
        for command in ["mntr", "srvr"] {
            let failed = of(wrong, "zk_scrape_failure", &[("command", command), ("reason", why)]);
            assert_eq!(failed, Some(1.0), "{wrong} {command}: {line}");
        }
        assert_eq!((of(wrong, "zk_up", &[]), of(wrong, "zk_serving", &[])), (Some(0.0), Some(0.0)), "{wrong}");
        first_action_is_about_tls(&exporter, wrong, why, hints);
    }
    // The validity of a rejected certificate is exported, because it explains the rejection.
    assert!(of("wrong-ca", "zk_tls_certificate_not_after_timestamp_seconds", &[]).is_some());
    // Each problem is logged once.
    let before = exporter.log().lines().count();
    scrape(&exporter, PATIENCE);
    assert_eq!(exporter.log().lines().count(), before, "{}", exporter.log());
}

#[test]
fn an_expired_certificate_and_one_without_a_name() {
    let folder = tempfile::tempdir().unwrap();
    let ca = Authority::new("the CA");
    std::fs::write(folder.path().join("ca.pem"), &ca.pem).unwrap();
    for (name, issued) in [
        ("expired", ca.issue_until("zk-expired", &["127.0.0.1"], 2025)),
        ("nameless", ca.issue("zk-nameless", &[])),
        ("whole", ca.issue("zk-whole", &["zk-whole.example.com"])),
    ] {
        // ZooKeeper expects the chain and the key in one PEM file.
        std::fs::write(folder.path().join(format!("{name}.pem")), format!("{}{}{}", issued.cert, ca.pem, issued.key))
            .unwrap();
    }
    let store =
        |member: u8, name: &str| format!("{member}:ssl.keyStore.location={}/{name}.pem", folder.path().display());
    let (one, two, three) = (store(1, "expired"), store(2, "nameless"), store(3, "whole"));
    let ensemble = Ensemble::start(&["--members", "3", "--tls=none", "--cfg", &one, "--cfg", &two, "--cfg", &three]);
    let secure = tls_members(&ensemble);
    let exporter = exporter(
        folder.path(),
        &format!(
            "ensembles:\n- {{name: expired, members: ['{}'], module: m}}\n- {{name: nameless, members: ['{}'], module: m}}\n\
             - {{name: whole, members: ['{}'], module: named}}\n\
             modules:\n  m: {{timeout: 20s, tls: {{ca_file: ca.pem}}}}\n  named: {{timeout: 20s, tls: {{ca_file: ca.pem, server_name: zk-whole.example.com}}}}\n",
            secure[0], secure[1], secure[2]
        ),
    );
    let page = scrape(&exporter, PATIENCE);
    for (name, hint) in [
        ("expired", "the certificate of the member (CN=zk-expired) expired on 2025-01-01T00:00:00Z; renew it"),
        ("nameless", "it has no subjectAltName (the CN is not used)"),
    ] {
        let failed = page.value("zk_scrape_failure", &[("ensemble", name), ("command", "mntr"), ("reason", "tls")]);
        assert_eq!(failed, Some(1.0), "{name}: {}", exporter.log());
        assert!(told(&exporter, name).contains(hint), "{}", exporter.log());
    }
    let end = |subject: &str| page.value("zk_tls_certificate_not_after_timestamp_seconds", &[("subject", subject)]);
    assert_eq!(end("CN=zk-expired"), Some(1_735_689_600.0), "2025-01-01, though it was refused");
    assert_eq!(end("CN=zk-whole"), Some(4_070_908_800.0));
    assert_eq!(page.value("zk_mntr_complete", &[("ensemble", "whole")]), Some(1.0), "{}", exporter.log());
    // The whole chain is exported: the CA is in the store too and presented by all three.
    let ends = page.series.iter().filter(|(series, _)| series.label("subject") == "CN=the CA").count();
    assert_eq!(ends, 3);
}

#[test]
fn changed_files_are_reloaded_and_broken_ones_are_ignored() {
    let ensemble = Ensemble::start(&["--members", "1", "--tls=want"]);
    let member = &tls_members(&ensemble)[0];
    let right = std::fs::read_to_string(file(&ensemble, "ENSEMBLE_CA")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let ca = folder.path().join("ca.pem");
    let replace = |text: &str| {
        // Replace the file as a rotation does: write a new one, then rename it.
        let next = folder.path().join("next");
        std::fs::write(&next, text).unwrap();
        std::fs::rename(next, &ca).unwrap();
    };
    replace(&Authority::new("another CA").pem);
    let exporter = exporter(
        folder.path(),
        &format!(
            "ensembles: [{{name: prod, members: ['{member}']}}]\nmodules: {{default: {{timeout: 20s, tls: {{ca_file: ca.pem}}}}}}\n"
        ),
    );
    let page = scrape(&exporter, PATIENCE);
    assert_eq!((reason(&page, member, "mntr").as_str(), state(&page, member).as_str()), ("tls", "no-answer"));
    replace(&right);
    // The server requests a client certificate (`want`) but does not require one.
    let page = until(&exporter, "the member after the CA was put right", |page| state(page, member) == "standalone");
    assert!(series(&page, member) > 300);
    assert!(exporter.log().contains("TLS files reloaded"), "{}", exporter.log());
    replace("-----BEGIN CERTIFICATE-----\nnonsense\n");
    until(&exporter, "the broken file logged", |_| exporter.log().contains("keeping the previous certificates"));
    for _ in 0..2 {
        assert_eq!(state(&scrape(&exporter, PATIENCE), member), "standalone");
    }
    let told = exporter.log().lines().filter(|line| line.contains("keeping the previous certificates")).count();
    assert_eq!(told, 1, "{}", exporter.log());
}

#[test]
fn one_port_serves_plaintext_and_tls() {
    // Port unification: the plain port also accepts TLS.
    let ensemble = Ensemble::start(&["--members", "1", "--tls=none", "--cfg", "client.portUnification=true"]);
    let member = &ensemble.members()[0];
    let folder = tempfile::tempdir().unwrap();
    let exporter = exporter(
        folder.path(),
        &format!(
            "ensembles:\n- {{name: plain, members: ['{member}']}}\n- {{name: tls, members: ['{member}'], module: tls}}\n\
             modules: {{default: {{timeout: 20s}}, tls: {{timeout: 20s, tls: {{ca_file: '{}'}}}}}}\n",
            file(&ensemble, "ENSEMBLE_CA")
        ),
    );
    let page = scrape(&exporter, PATIENCE);
    for ensemble in ["plain", "tls"] {
        let whole = page.value("zk_mntr_complete", &[("ensemble", ensemble)]);
        assert_eq!(whole, Some(1.0), "{ensemble}: {}", exporter.log());
    }
    assert!(page.value("zk_tls_certificate_not_after_timestamp_seconds", &[("ensemble", "tls")]).is_some());
}

#[test]
fn the_documented_commands_create_working_certificates() {
    let text = std::fs::read_to_string(root().join("docs/tls.md")).unwrap();
    let (_, behind) = text.split_once("<!-- run -->\n```sh\n").expect("commands that are run");
    let (commands, _) = behind.split_once("```").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let made = Command::new("bash").args(["-euc", commands]).current_dir(folder.path()).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));

    let path = |name: &str| folder.path().join(name).display().to_string();
    let (keys, trust) =
        (format!("ssl.keyStore.location={}", path("zk-1.pem")), format!("ssl.trustStore.location={}", path("ca.pem")));
    let ensemble = Ensemble::start(&["--members", "1", "--tls=need", "--cfg", &keys, "--cfg", &trust]);
    let config = format!(
        "ensembles: [{{name: prod, members: ['{}'], module: secure}}]\n\
         modules: {{secure: {{timeout: 20s, tls: {{ca_file: ca.pem, cert_file: exporter.pem, key_file: exporter.key, server_name: zk-1.example.com}}}}}}\n",
        tls_members(&ensemble)[0]
    );
    let web = "tls_server_config: {cert_file: page.pem, key_file: page.key, client_ca_file: ca.pem, client_auth_type: RequireAndVerifyClientCert}\n";
    std::fs::write(path("config.yml"), config).unwrap();
    std::fs::write(path("web.yml"), web).unwrap();
    let exporter = Exporter::start(&["--config.file", &path("config.yml"), "--web.config.file", &path("web.yml")]);
    let port = exporter.address.rsplit_once(':').unwrap().1;
    let curl = |more: &[&str]| {
        let resolve = format!("exporter.example.com:{port}:127.0.0.1");
        let url = format!("https://exporter.example.com:{port}/metrics");
        let ca = path("ca.pem");
        let output =
            Command::new("curl").args(["-sS", "--cacert", &ca, "--resolve", &resolve, &url]).args(more).output();
        let output = output.unwrap();
        (output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let (ok, page) = curl(&["--cert", &path("exporter.pem"), "--key", &path("exporter.key")]);
    assert!(ok && page.contains("state=\"standalone\"} 1"), "{page}{}", exporter.log());
    assert!(
        page.contains("subject=\"CN=zk-1.example.com\"}") && page.contains("subject=\"CN=ZooKeeper CA\"}"),
        "{page}"
    );
    let (ok, page) = curl(&[]);
    assert!(!ok && page.is_empty(), "without a certificate there is no page: {page}");
}
