//! A new configuration is applied completely or not at all, on SIGHUP and on POST /-/reload.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use zookeeper_exporter::exposition::Format;

use crate::common::exporter::{Exporter, run};
use crate::common::listeners::{Listener, closed_port};
use crate::common::{Page, read_page};

const SRVR: &str = "Zookeeper version: 3.9.3-x, built on 2024-10-17 23:21 UTC\nLatency min/avg/max: 0/0.0/0\nReceived: 1\n\
    Sent: 1\nConnections: 1\nOutstanding: 0\nZxid: 0x100000001\nMode: follower\nNode count: 5\n";

const GOOD: &str = "ensembles: [{name: prod, members: ['127.0.0.1:1']}]\n";

pub fn page(exporter: &Exporter) -> Page {
    read_page(exporter.scrape("3").text(), Format::Classic).unwrap()
}

/// Sends a request with the given method; returns status and body.
pub fn request(exporter: &Exporter, method: &str, path: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(&exporter.address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    write!(stream, "{method} {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\nContent-Length: 0\r\n\r\n").unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let status = text.split(' ').nth(1).unwrap().parse().unwrap();
    (status, text.split_once("\r\n\r\n").unwrap().1.to_owned())
}

fn wait(what: &str, seen: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !seen() {
        assert!(Instant::now() < deadline, "{what}");
        std::thread::yield_now();
    }
}

#[test]
fn drop_counters_of_removed_members_are_evicted() {
    let mntr = include_str!("../fixtures/3.9.3/follower/mntr.txt");
    let member = Listener::answering_words(&[("mntr", mntr), ("srvr", SRVR)]);
    let file = tempfile::NamedTempFile::new().unwrap();
    let write = |names: &[&str]| {
        let ensemble = |name: &&str| format!("  - {{name: {name}, members: ['{}']}}\n", member.address);
        std::fs::write(file.path(), format!("ensembles:\n{}", names.iter().map(ensemble).collect::<String>())).unwrap();
    };
    write(&["stays", "goes"]);
    let path = file.path().to_str().unwrap();
    let exporter =
        Exporter::start(&["--config.file", path, "--web.enable-lifecycle", "--limit.series-per-member", "50"]);
    let dropped =
        |ensemble: &str| page(&exporter).value("zk_exporter_dropped_samples_total", &[("ensemble", ensemble)]);
    let before = dropped("stays").expect("more than the cap");
    assert!(dropped("goes").is_some());
    write(&["stays"]);
    assert_eq!(request(&exporter, "POST", "/-/reload").0, 200);
    assert_eq!(dropped("goes"), None);
    assert!(dropped("stays").is_some_and(|count| count > before), "who stays is counted on");
}

/// The folder has the layout of a Kubernetes `ConfigMap`: the file is a link, and an update replaces the link target.
#[test]
fn a_changed_file_is_reloaded_without_a_signal() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ensembles.yml");
    let publish = |version: &str, text: &str| {
        let data = folder.path().join(version);
        std::fs::create_dir(&data).unwrap();
        std::fs::write(data.join("ensembles.yml"), text).unwrap();
        let next = folder.path().join("..data_tmp");
        std::os::unix::fs::symlink(version, &next).unwrap();
        std::fs::rename(next, folder.path().join("..data")).unwrap();
    };
    let config = |name: &str| format!("ensembles: [{{name: {name}, members: ['127.0.0.1:1']}}]\n");
    publish("..1", &config("one"));
    std::os::unix::fs::symlink("..data/ensembles.yml", &path).unwrap();
    let file = path.to_str().unwrap();
    let exporter = Exporter::start(&["--config.file", file, "--config.auto-reload-interval", "1s"]);
    let watched = |name: &str| page(&exporter).value("zk_ensemble_members", &[("ensemble", name)]).is_some();
    let failed = || page(&exporter).value("zk_exporter_config_last_reload_successful", &[]) == Some(0.0);
    assert!(watched("one"));
    publish("..2", &config("two"));
    wait("the new file is not read", || watched("two") && !watched("one"));
    publish("..3", "ensembles: [");
    wait("the mistake is not reported", failed);
    assert!(watched("two"), "a file with a mistake replaces the current configuration");
    publish("..4", &config("three"));
    wait("the corrected file is not read", || watched("three") && !failed());
}

#[test]
fn automatic_reload_requires_a_file_and_a_valid_interval() {
    for (arguments, says) in [
        (&["--config.auto-reload-interval", "30s"][..], "--config.file"),
        (&["--config.file", "x.yml", "--config.auto-reload-interval", "10ms"], "at least 1s"),
    ] {
        let output = run(arguments);
        assert_eq!(output.status.code(), Some(2));
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.contains("--config.auto-reload-interval") && said.contains(says), "{said}");
    }
}

#[test]
fn reload_by_signal_and_over_http_is_all_or_nothing() {
    let (member, dead) = (Listener::answering_words(&[("srvr", SRVR)]), closed_port());
    let file = tempfile::NamedTempFile::new().unwrap();
    let write = |text: &str| std::fs::write(file.path(), text).unwrap();
    let config = |name: &str, members: &str| format!("ensembles: [{{name: {name}, members: [{members}]}}]\n");
    write(&config("one", &member.address));
    let path = file.path().to_str().unwrap();
    let exporter = Exporter::start(&["--config.file", path, "--web.enable-lifecycle"]);
    let one = [("ensemble", "one"), ("member", member.address.as_str())];
    let first = page(&exporter);
    assert_eq!(first.value("zk_up", &one), Some(1.0));
    assert_eq!(first.value("zk_exporter_config_last_reload_successful", &[]), Some(1.0));
    let begun = first.value("zk_exporter_config_last_reload_success_timestamp_seconds", &[]).unwrap();
    assert!(begun > 1.7e9);
    let failures = |page: &Page| page.value("zk_scrape_failures_total", &[("ensemble", "one"), ("command", "mntr")]);
    let failed = failures(&first).expect("mntr has no answer");

    // Broken: the previous configuration is kept; status, log and metrics report the failure.
    write("ensembles: [{name: one, members: [zk-1:port]}]\n");
    let (status, told) = request(&exporter, "POST", "/-/reload");
    assert_eq!(status, 500);
    assert!(told.contains(&format!("{path}:1:35: invalid port in `zk-1:port`")) && told.lines().count() == 1, "{told}");
    let broken = page(&exporter);
    assert_eq!(broken.value("zk_up", &one), Some(1.0));
    assert_eq!(broken.value("zk_exporter_config_last_reload_successful", &[]), Some(0.0));
    assert_eq!(broken.value("zk_exporter_config_last_reload_success_timestamp_seconds", &[]), Some(begun));
    wait("the log names the mistake", || exporter.log().contains("invalid port in `zk-1:port`"));

    // Valid: applied, and the state of the remaining member is kept.
    write(&config("one", &format!("{}, {dead}", member.address)));
    exporter.signal("HUP");
    wait("two members", || page(&exporter).value("zk_ensemble_members", &[]) == Some(2.0));
    let second = page(&exporter);
    assert_eq!(second.value("zk_exporter_config_last_reload_successful", &[]), Some(1.0));
    assert!(second.value("zk_exporter_config_last_reload_success_timestamp_seconds", &[]).unwrap() > begun);
    let of_member = second.value("zk_scrape_failures_total", &[one[1], ("command", "mntr")]).unwrap();
    assert!(of_member > failed + 1.0, "{of_member} after {failed}");

    // A removed member disappears from the page.
    write(&config("two", &dead));
    assert_eq!(request(&exporter, "POST", "/-/reload"), (200, "ok\n".into()));
    let third = page(&exporter);
    assert!(
        third.series.iter().all(|(series, _)| series.label("ensemble") != "one" || series.name.contains("dropped"))
    );
    assert_eq!(request(&exporter, "GET", "/-/reload").0, 405);
}

#[test]
fn reload_over_http_requires_the_lifecycle_flag() {
    let exporter = Exporter::start(&["--zookeeper", &closed_port()]);
    let (status, told) = request(&exporter, "POST", "/-/reload");
    assert_eq!(status, 403);
    assert!(told.contains("--web.enable-lifecycle") && told.contains("SIGHUP"));
    // Flags cannot change: reloading them is not an error.
    exporter.signal("HUP");
    wait("the log tells", || exporter.log().contains("configuration reloaded"));
}

#[test]
fn requests_in_flight_keep_the_previous_configuration() {
    let (silent, dead) = (Listener::silent(), closed_port());
    let file = tempfile::NamedTempFile::new().unwrap();
    let config = |name: &str, member: &str| {
        format!("ensembles: [{{name: {name}, members: [\"{member}\"]}}]\nmodules: {{default: {{timeout: 2s}}}}\n")
    };
    std::fs::write(file.path(), config("old", &silent.address)).unwrap();
    let exporter = Exporter::start(&["--config.file", file.path().to_str().unwrap(), "--web.enable-lifecycle"]);
    std::thread::scope(|scope| {
        let slow = scope.spawn(|| page(&exporter));
        wait("the slow member is queried", || silent.connections.load(Ordering::Relaxed) > 0);
        std::fs::write(file.path(), config("new", &dead)).unwrap();
        assert_eq!(request(&exporter, "POST", "/-/reload").0, 200);
        assert!(page(&exporter).value("zk_up", &[("ensemble", "new")]).is_some());
        let slow = slow.join().unwrap();
        assert_eq!(slow.value("zk_up", &[("ensemble", "old")]), Some(0.0));
    });
}

#[test]
fn reloads_under_load_lose_no_scrape() {
    let member = Listener::answering_words(&[("srvr", SRVR)]);
    let file = tempfile::NamedTempFile::new().unwrap();
    let good = format!("ensembles: [{{name: prod, members: [\"{}\"]}}]\n", member.address);
    std::fs::write(file.path(), &good).unwrap();
    let exporter = Exporter::start(&["--config.file", file.path().to_str().unwrap(), "--web.enable-lifecycle"]);
    let stop = AtomicBool::new(false);
    let scrapes: usize = std::thread::scope(|scope| {
        let scrapers: Vec<_> = (0..3)
            .map(|_| {
                scope.spawn(|| {
                    let mut done = 0;
                    while !stop.load(Ordering::Relaxed) {
                        assert_eq!(page(&exporter).value("zk_up", &[("ensemble", "prod")]), Some(1.0));
                        done += 1;
                    }
                    done
                })
            })
            .collect();
        for round in 0..40 {
            let broken = round % 3 == 2;
            std::fs::write(file.path(), if broken { "ensembles: [" } else { &good }).unwrap();
            assert_eq!(request(&exporter, "POST", "/-/reload").0, if broken { 500 } else { 200 });
        }
        stop.store(true, Ordering::Relaxed);
        scrapers.into_iter().map(|scraper| scraper.join().unwrap()).sum()
    });
    assert!(scrapes > 10, "only {scrapes} scrapes under 40 reloads");
}

#[test]
fn config_check_accepts_valid_and_rejects_invalid_files() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "ensembles: [{name: prod, members: [zk-1, zk-2]}]\n").unwrap();
    let path = file.path().to_str().unwrap();
    let output = run(&["config", "check", path]);
    assert!(output.status.success());
    assert_eq!(String::from_utf8(output.stdout).unwrap(), format!("{path}: ok: ensembles 1, members 2\n"));
    let written = "ensembles: [{name: prod, members: [zk-1], module: slow}]\nmodules: {slow: {timeout: 8s}}\n";
    std::fs::write(file.path(), written).unwrap();
    let output = run(&["config", "check", path]);
    assert_eq!(String::from_utf8(output.stdout).unwrap(), format!("{path}: ok: ensembles 1, members 1, modules 1\n"));
    std::fs::write(file.path(), "ensembles: [{name: prod, member: [zk-1, zk-2]}]\n").unwrap();
    let output = run(&["config", "check", path]);
    assert_eq!(output.status.code(), Some(2));
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(told.starts_with(&format!("zookeeper-exporter: {path}:1:26: unknown field `member`")), "{told}");
    assert_eq!(told.lines().count(), 1);
}

/// A reload from a pipe without a writer fails like any other error, and the next reload works.
#[test]
fn a_pipe_without_a_writer_does_not_block_reloads() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let (config, web) = (path("ensembles.yml"), path("web.yml"));
    let good = |file: &Path| std::fs::write(file, if file == web { "" } else { GOOD }).unwrap();
    let pipe = |file: &Path| {
        let _ = std::fs::remove_file(file);
        assert!(Command::new("mkfifo").arg(file).status().unwrap().success());
    };
    let text = |file: &Path| file.to_str().unwrap().to_owned();
    good(&config);
    good(&web);
    let arguments = ["--config.file", &text(&config), "--web.config.file", &text(&web), "--web.enable-lifecycle"];
    let exporter = Exporter::start(&arguments);
    let successful = || page(&exporter).value("zk_exporter_config_last_reload_successful", &[]);
    assert_eq!(successful(), Some(1.0));
    std::thread::scope(|scope| {
        pipe(&path("other.yml"));
        let check = scope.spawn(|| run(&["config", "check", &text(&path("other.yml"))]));
        for file in [&config, &web] {
            pipe(file);
            let (status, told) = request(&exporter, "POST", "/-/reload");
            let why = "cannot read the configuration file: not read within 10 s; is it a pipe without a writer?\n";
            assert!(status == 500 && told.ends_with(&format!("{}: {why}", text(file))), "{status} {told}");
            assert_eq!(successful(), Some(0.0));
            std::fs::remove_file(file).unwrap();
            good(file);
            assert_eq!(request(&exporter, "POST", "/-/reload"), (200, "ok\n".into()));
            assert_eq!(successful(), Some(1.0));
        }
        let output = check.join().unwrap();
        assert_eq!(output.status.code(), Some(2), "{output:?}");
    });
    // A pipe with a writer works like a file.
    for how in ["$0 config check <(sleep 0.2; cat $1)", "cat $1 | $0 config check /dev/stdin"] {
        let binary = env!("CARGO_BIN_EXE_zookeeper-exporter");
        let output = Command::new("bash").args(["-c", how, binary, &text(&config)]).output().unwrap();
        assert!(output.status.success(), "{how}: {output:?}");
    }
}
