//! Every user error is one line that names the error and the expected value, with exit code 2.

use std::os::unix::process::ExitStatusExt;
use std::time::{Duration, Instant};

use crate::common::exporter::{Exporter, binary, run};
use crate::common::listeners::{Listener, closed_port};
use crate::common::root;

/// Runs with a user error and returns its line.
fn mistake(arguments: &[&str]) -> String {
    failure(arguments, 2)
}

/// Runs until exit, checks the exit code and returns the only line of output.
fn failure(arguments: &[&str], code: i32) -> String {
    let output = run(arguments);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {said}");
    assert_eq!(said.lines().count(), 1, "{arguments:?}: {said}");
    assert!(output.stdout.is_empty());
    let line = said.trim_end().strip_prefix("zookeeper-exporter: ").expect("the program says who speaks");
    line.to_owned()
}

#[test]
fn invalid_flags_are_reported() {
    for (arguments, parts) in [
        (&["--zookeepr", "zk-1"][..], &["--zookeepr", "did you mean --zookeeper?"][..]),
        (&["--nonsense"], &["--nonsense", "--help"]),
        (&["begin"], &["begin", "--help"]),
        (&["config"], &["config requires a sub-command: expected one of check"]),
        (&["alarm"], &["alarm requires a sub-command: expected one of set, list, clear"]),
        (&["alarm", "lst"], &["lst", "did you mean list?"]),
        (&["healty"], &["healty", "healthy?"]),
        (&["--log.level", "loud"], &["loud", "--log.level", "error, warn, info, debug, trace"]),
        (&["--metrics.names", "dabealu"], &["--metrics.names", "prometheus, mntr"]),
        (&["--web.listen-address", "9141"], &["9141", "--web.listen-address", ":9141"]),
        (&["--web.listen-address", "127.0.0.1:99999"], &["99999", ":9141"]),
        (&["--web.telemetry-path", "metrics"], &["--web.telemetry-path", "/metrics"]),
        (&["--web.telemetry-path", "/-/healthy"], &["--web.telemetry-path"]),
        (&["--web.telemetry-path", "/"], &["--web.telemetry-path"]),
        (&["--web.telemetry-path", "/probe"], &["--web.telemetry-path", "another endpoint"]),
        (&["--web.telemetry-path", "/status.css"], &["--web.telemetry-path", "another endpoint"]),
        (&["--web.telemetry-path", "/ensemble/prod"], &["--web.telemetry-path", "another endpoint"]),
        (&["--web.telemetry-path", "/{x}"], &["--web.telemetry-path"]),
        (&["--scrape.timeout", "5"], &["--scrape.timeout", "500ms, 5s or 1m30s"]),
        (&["--scrape.timeout", "0s"], &["--scrape.timeout", "5s"]),
        (
            &["--scrape.timeout", "999999999999h"],
            &["--scrape.timeout", "duration `999999999999h` too long: expected at most 1w"],
        ),
        (&["--scrape.timeout-offset", "500000000y"], &["--scrape.timeout-offset", "too long: expected at most 1w"]),
        (&["stat", "--interval", "500000000y"], &["--interval", "too long: expected at most 1w"]),
        (&["top", "--interval", "500000000y"], &["--interval", "too long: expected at most 1w"]),
        (&["top", "--rows", "0"], &["--rows"]),
        (&["top", "--by", "znode"], &["--by", "client, member"]),
        (&["alarm", "list", "--timeout", "500000000y"], &["--timeout", "too long: expected at most 1w"]),
        (&["--limit.sockets", "0"], &["--limit.sockets", "at least 1"]),
        (&["--limit.reply-bytes", "lots"], &["--limit.reply-bytes", "at least 1"]),
        (&["--limit.series-per-member", "0"], &["--limit.series-per-member", "at least 1"]),
        (&["--limit.series-per-member", "32768"], &["--limit.series-per-member", "from 1 to 32767"]),
        (&["--zookeeper"], &["--zookeeper"]),
        (&["--zookeeper", ""], &["--zookeeper", "has no members", "zk-1:2181"]),
        (&["--zookeeper", "prod="], &["--zookeeper", "`prod` has no members"]),
        (&["--zookeeper", "prod=zk-1:port"], &["--zookeeper", "invalid port in `zk-1:port`"]),
        (&["--zookeeper", "a=zk-1,zk-1:2181"], &["duplicate member `zk-1:2181`"]),
        (&["--zookeeper", "a=zk-1", "--zookeeper", "a=zk-2"], &["duplicate ensemble `a`"]),
        (&["--zookeeper", "a=zk-1", "--config.file", "x.yml"], &["--zookeeper", "--config.file"]),
        (&["--config.file", "no/such/file.yml"], &["no/such/file.yml", "No such file", "--config.file"]),
        (&["--config.file", "/"], &["cannot read the configuration file"]),
    ] {
        let line = mistake(arguments);
        for part in parts {
            assert!(line.contains(part), "{arguments:?} gives `{line}`, which lacks `{part}`");
        }
    }
}

/// Exit code 1, not 2: a supervisor may retry and succeed.
#[test]
fn an_unusable_listen_address_exits_with_1() {
    let taken = Listener::silent();
    for (address, why) in [
        (&*taken.address, "is in use: stop the process that listens there, or choose another port"),
        ("192.0.2.1:9141", "does not have that address"),
        ("no-such-host.invalid:9141", "no-such-host.invalid:9141: "),
    ] {
        let line = failure(&["--web.listen-address", address], 1);
        let begin = format!("--web.listen-address: cannot listen on {address}: ");
        assert!(line.starts_with(&begin) && line.contains(why), "{line}");
    }
}

#[test]
fn bad_configuration_files_are_reported_with_file_line_and_column() {
    let mut files = 0;
    let mut entries: Vec<_> =
        std::fs::read_dir(root().join("tests/config-bad")).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        // The first line of each file is the expected message.
        let text = std::fs::read_to_string(&path).unwrap();
        let expected = text.lines().next().and_then(|line| line.strip_prefix("# expect: ")).expect("an expectation");
        let line = mistake(&["--config.file", path.to_str().unwrap()]);
        let said = line
            .strip_prefix(&*format!("{}:", path.display()))
            .unwrap_or_else(|| panic!("{line} does not name the file"));
        assert_eq!(said.trim_start(), expected, "{}", path.display());
        files += 1;
    }
    assert!(files >= 40, "only {files} files");
}

#[test]
fn a_key_without_a_value_equals_a_missing_key() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let check = |text: &[u8]| {
        std::fs::write(&file, text).unwrap();
        let output = run(&["config", "check", file.path().to_str().unwrap()]);
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let ensembles = "ensembles: [{name: prod, members: ['zk-1:2181']}]";
    for keys in
        ["modules:", "probe:", "alerts:", "profile:", "modules: {default: }", "modules:\n  default:\n  other:\n"]
    {
        assert_eq!(check(format!("{ensembles}\n{keys}\n").as_bytes()), (Some(0), String::new()), "{keys}");
    }
    let (code, said) = check(b"ensembles:\n");
    assert!(code == Some(2) && said.contains("no ensembles: expected"), "{said}");
    let (code, said) = check(b"ensembles: \xff\n");
    assert!(code == Some(2) && said.contains("expected UTF-8"), "{said}");
}

#[test]
fn flags_override_environment_variables() {
    let output = binary().env("ZOOKEEPER_EXPORTER_ZOOKEEPER", "prod=").output().unwrap();
    assert!(String::from_utf8_lossy(&output.stderr).contains("`prod` has no members"));
    let output = binary().env("ZOOKEEPER_EXPORTER_ZOOKEEPER", "a=zk-1 b=zk-2,zk-2").output().unwrap();
    assert!(String::from_utf8_lossy(&output.stderr).contains("`zk-2:2181` of ensemble `b`"));
    let output = binary().env("ZOOKEEPER_EXPORTER_ZOOKEEPER", "a=zk-1,\n  zk-2, zk-2").output().unwrap();
    assert!(String::from_utf8_lossy(&output.stderr).contains("duplicate member `zk-2:2181` of ensemble `a`"));
    let output =
        binary().env("ZOOKEEPER_EXPORTER_LOG_LEVEL", "loud").args(["--log.level", "loudest"]).output().unwrap();
    assert!(String::from_utf8_lossy(&output.stderr).contains("loudest"));
}

#[test]
fn a_flag_overrides_a_variable_that_it_excludes() {
    let refused = closed_port();
    let member = format!("told={refused}");
    let said = |variables: &[(&str, &str)], arguments: &[&str]| {
        let output = binary().envs(variables.iter().copied()).args(arguments).output().unwrap();
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
    };
    let (host, port) = refused.rsplit_once(':').unwrap();
    let url = format!("http://{refused}/metrics");
    let of_ensemble = ("ZOOKEEPER_EXPORTER_ZOOKEEPER", "env=zk-1.invalid");
    let of_file = ("ZOOKEEPER_EXPORTER_CONFIG_FILE", "env.yml");
    let of_timeout = ("ZOOKEEPER_EXPORTER_SCRAPE_TIMEOUT", "4s");
    for (variables, arguments, part) in [
        (&[of_ensemble][..], &["info", "--config.file", "written.yml"][..], "written.yml: cannot read"),
        (&[of_timeout], &["--config.file", "written.yml"], "written.yml: cannot read"),
        (&[of_ensemble, of_timeout], &["--config.file", "written.yml"], "written.yml: cannot read"),
        (&[of_file, of_timeout], &["info", "--zookeeper", &member], "told: 0 of 1 voters"),
        (&[of_ensemble], &["check", "--from", &url], "Connection refused"),
        (&[of_ensemble], &["check", "-H", host, "-p", port], &format!("member {refused} of ensemble default")),
        (&[of_file], &["check", "-H", host, "-p", port], &format!("member {refused} of ensemble default")),
        (&[of_file], &["alarm", "list", "--zookeeper", "a=zk-1,zk-1"], "duplicate member"),
        // Without a flag there is no precedence, and two flags exclude each other with or without a variable.
        (&[of_ensemble, of_file], &["info"], "cannot be used with"),
        (&[of_ensemble], &["--zookeeper", "a=zk-1", "--config.file", "x.yml"], "cannot be used with"),
        // Errors in variables are reported too.
        (&[of_ensemble, ("ZOOKEEPER_EXPORTER_SCRAPE_TIMEOUT", "4")], &["info"], "invalid duration `4`"),
        (&[("ZOOKEEPER_EXPORTER_SCRAPE_TIMEOUT", "2w")], &["info"], "duration `2w` too long"),
    ] {
        let said = said(variables, arguments);
        assert!(said.contains(part), "{variables:?} {arguments:?}: {said}");
    }
}

/// `alarm` accepts the environment of an exporter with several ensembles.
#[test]
fn alarm_works_on_one_of_several_ensembles() {
    let refused = closed_port();
    for (arguments, code, part) in [
        (&["alarm", "list"][..], 2, "several ensembles: expected --ensemble with one of a, b".to_owned()),
        (&["alarm", "set", "/alarm", "5", "--ensemble", "b"], 2, "/alarm is the root of the alarms".to_owned()),
        (&["alarm", "clear", "/alarm/load", "--ensemble", "b"], 2, "expected the monitored znode, /load".to_owned()),
        (&["alarm", "list", "--ensemble", "c"], 2, "unknown ensemble `c`: expected one of a, b".to_owned()),
        (
            &["alarm", "list", "--ensemble", "b", "--timeout", "2s"],
            1,
            format!("cannot list the alarms below /alarm: {refused}: Connection refused"),
        ),
    ] {
        let mut command = binary();
        let command = command.env("ZOOKEEPER_EXPORTER_ZOOKEEPER", format!("a=127.0.0.1:1 b={refused}"));
        let output = command.args(arguments).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.code() == Some(code) && said.contains(&part), "{arguments:?}: {said}");
    }
}

#[test]
fn help_and_version_exit_with_0() {
    let output = run(&["--help"]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success());
    for part in ["Examples:", "--zookeeper", "--config.file", "--web.listen-address", "ZOOKEEPER_EXPORTER_"] {
        assert!(text.contains(part), "{part}");
    }
    let output = run(&["--version"]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(text.lines().next(), Some(&*format!("zookeeper-exporter {}", env!("CARGO_PKG_VERSION"))));
}

/// Lines are not broken twice, in the source and by the terminal, and examples are not broken within an argument.
#[test]
fn help_is_wrapped_only_by_the_terminal() {
    fn look(command: &clap::Command, seen: &mut usize) {
        let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
        let mut before = "";
        for line in help.lines() {
            assert!(!line.starts_with("  ") || line.len() <= 100, "{}: too long: {line}", command.get_name());
            let in_paragraph = |line: &str| !line.is_empty() && !line.starts_with(' ') && !line.ends_with(':');
            assert!(!in_paragraph(before) || !in_paragraph(line), "{}: broken before: {line}", command.get_name());
            before = line;
            *seen += 1;
        }
        command.get_subcommands().for_each(|command| look(command, seen));
    }
    let mut seen = 0;
    look(&zookeeper_exporter::cli::command(), &mut seen);
    assert!(seen > 60, "only {seen} lines");
}

#[test]
fn healthy_detects_whether_the_exporter_runs() {
    let exporter = Exporter::start(&["--zookeeper", &closed_port()]);
    let output = run(&["healthy", "--web.listen-address", &exporter.address]);
    assert_eq!((output.status.code(), String::from_utf8(output.stdout).unwrap().as_str()), (Some(0), "healthy\n"));
    for other in [closed_port(), Listener::answering("nonsense").address] {
        let output = run(&["healthy", "--web.listen-address", &other]);
        assert_eq!(output.status.code(), Some(1));
        assert_eq!(String::from_utf8(output.stderr).unwrap().lines().count(), 1);
    }
    // An incomplete TLS handshake.
    let hanging = Listener::start(|mut stream| {
        use std::io::{Read, Write};
        let _ = stream.write_all(&[21, 3, 3, 0, 2]);
        let _ = stream.read_to_end(&mut Vec::new());
    });
    for hostile in [Listener::silent(), Listener::dripping(), Listener::flooding("HTTP/1.0 500 \r\n"), hanging] {
        let begun = Instant::now();
        let output = run(&["healthy", "--web.listen-address", &hostile.address]);
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.code() == Some(1) && said.lines().count() == 1, "{said}");
        assert!(said.contains("no answer in time") || said.contains("unexpected response `"), "{said}");
        assert!(begun.elapsed() < Duration::from_secs(3), "{:?}: {said}", begun.elapsed());
    }
}

#[test]
fn health_and_readiness_do_not_depend_on_zookeeper() {
    let exporter = Exporter::start(&["--zookeeper", &closed_port()]);
    for path in ["/-/healthy", "/-/ready", "/"] {
        assert_eq!(exporter.get(path, &[]).status, 200, "{path}");
    }
}

#[test]
fn the_status_page_has_security_headers() {
    let exporter = Exporter::start(&["--zookeeper", &format!("prod={}", closed_port())]);
    for path in ["/", "/ensemble/prod"] {
        let answer = exporter.get(path, &[]);
        assert_eq!(answer.status, 200, "{path}");
        for header in [
            "content-type: text/html",
            "content-security-policy: default-src 'none'",
            "x-content-type-options: nosniff",
        ] {
            assert!(answer.head.contains(header), "{path} lacks {header}: {}", answer.head);
        }
        assert!(
            answer.text().contains("/runbooks/ZooKeeperMemberDown\"")
                && answer.text().contains("http-equiv=\"refresh\"")
        );
    }
    assert_eq!(exporter.get("/ensemble/nobody", &[]).status, 404);
    assert_eq!(exporter.get("/ensemble/%3Cscript%3E", &[]).status, 404);
    let style = exporter.get("/status.css", &[]);
    assert!(style.status == 200 && style.head.contains("content-type: text/css"), "{}", style.head);
    let page = exporter.get("/metrics", &[]);
    assert!(page.text().contains("handler=\"/ensemble\",code=\"404\"} 2"), "routes are labels, paths are not");
}

#[test]
fn formats_and_compression_are_negotiated() {
    use std::io::Read;
    let exporter = Exporter::start(&["--zookeeper", &closed_port(), "--web.telemetry-path", "/zk/metrics"]);
    assert_eq!(exporter.get("/metrics", &[]).status, 404);
    let classic = exporter.get("/zk/metrics", &[]);
    assert!(classic.head.contains("content-type: text/plain; version=0.0.4; charset=utf-8\r\n"), "{}", classic.head);
    assert!(!classic.text().contains("# EOF"));
    let open = exporter.get("/zk/metrics", &[("Accept", "application/openmetrics-text;version=1.0.0;q=0.8,*/*;q=0.1")]);
    assert!(open.head.contains("content-type: application/openmetrics-text; version=1.0.0; charset=utf-8\r\n"));
    assert!(open.text().ends_with("# EOF\n"));
    let packed = exporter.get("/zk/metrics", &[("Accept-Encoding", "gzip")]);
    assert!(packed.head.contains("content-encoding: gzip\r\n"));
    let mut text = String::new();
    flate2::read::GzDecoder::new(&packed.body[..]).read_to_string(&mut text).unwrap();
    assert!(text.contains("zk_up{") && packed.body.len() * 2 < text.len());
}

#[test]
fn sigterm_waits_for_the_scrape_in_flight_and_exits_with_0() {
    let silent = Listener::silent();
    let exporter = Exporter::start(&["--zookeeper", &silent.address, "--scrape.timeout", "2s"]);
    let address = exporter.address.clone();
    let scrape = std::thread::spawn(move || {
        use std::io::{Read, Write};
        let mut stream = std::net::TcpStream::connect(address).unwrap();
        stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
        let mut text = String::new();
        let _ = stream.read_to_string(&mut text);
        text
    });
    while silent.connections.load(std::sync::atomic::Ordering::Relaxed) == 0 {
        std::thread::yield_now();
    }
    assert_eq!(exporter.get("/-/ready", &[]).status, 200);
    let begun = Instant::now();
    exporter.signal("TERM");
    // The signal is delivered asynchronously; readiness must end before the scrape in flight does.
    while exporter.try_get("/-/ready", &[]).is_none_or(|answer| answer.status != 503) {
        assert!(begun.elapsed() < Duration::from_secs(1), "still ready");
    }
    assert_eq!(exporter.get("/-/healthy", &[]).status, 200);
    assert_eq!(exporter.wait(), 0);
    assert!(begun.elapsed() > Duration::from_secs(1), "it did not wait for the open scrape");
    assert!(begun.elapsed() < Duration::from_secs(5));
    let text = scrape.join().unwrap();
    assert!(text.contains("200 OK") && text.contains("zk_up{"), "{text}");
}

#[test]
fn an_idle_exporter_stops_immediately() {
    for signal in ["TERM", "INT"] {
        let exporter = Exporter::start(&["--zookeeper", &closed_port()]);
        let begun = Instant::now();
        exporter.signal(signal);
        assert_eq!(exporter.wait(), 0, "{signal}");
        assert!(begun.elapsed() < Duration::from_secs(1));
    }
}

#[test]
fn help_into_a_closed_pipe_does_not_panic() {
    let output = std::process::Command::new("sh")
        .args(["-c", &format!("{} --help | true", env!("CARGO_BIN_EXE_zookeeper-exporter"))])
        .output()
        .unwrap();
    assert_eq!(output.status.signal(), None);
    assert!(output.stderr.is_empty());
}
