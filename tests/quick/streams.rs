//! Standard output and standard error that are full or closed: write errors are reported, and nothing panics.

use std::fs::File;
use std::process::{Output, Stdio};

use crate::common::exporter::binary;
use crate::common::listeners::{Listener, closed_port};

/// A device that accepts no data.
fn full() -> Stdio {
    File::options().write(true).open("/dev/full").unwrap().into()
}

/// A pipe without a reader.
fn closed() -> Stdio {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    writer.into()
}

fn run(arguments: &[&str], stdout: Stdio) -> Output {
    binary().args(arguments).stdout(stdout).output().unwrap()
}

#[test]
fn a_result_that_cannot_be_written_is_an_error() {
    let (folder, refused) = (tempfile::tempdir().unwrap(), closed_port());
    let out = folder.path().to_str().unwrap();
    let config = folder.path().join("ensembles.yml");
    std::fs::write(&config, format!("ensembles: [{{name: prod, members: ['{refused}']}}]\n")).unwrap();
    let config = config.to_str().unwrap();
    for (arguments, code) in [
        (&["rules"][..], 1),
        (&["rules", "--out", out], 1),
        (&["rules", "--format", "zabbix"], 1),
        (&["config", "check", config, config], 1),
        (&["info", "--zookeeper", &refused], 1),
        (&["stat", "--zookeeper", &refused, "--interval", "1ms"], 1),
        (&["stat", "--watch", "--zookeeper", &refused, "--interval", "1ms"], 1),
        (&["top", "--watch", "--zookeeper", &refused, "--interval", "1ms"], 1),
        (&["check", "--zookeeper", &refused, "--interval", "0s"], 3),
        (&["--help"], 1),
        (&["--version"], 1),
    ] {
        let output = run(arguments, full());
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {said}");
        let begin = "zookeeper-exporter: cannot write to standard output: No space left on device";
        assert!(said.starts_with(begin) && said.lines().count() == 1, "{arguments:?}: {said}");
        // A closed pipe is not an error: the reader has read enough.
        if arguments[0] != "check" {
            let output = run(arguments, closed());
            assert!(output.stderr.is_empty() && output.status.success(), "{arguments:?}: {output:?}");
        }
    }
    // Files are written even if the list of them cannot be printed.
    let rules = folder.path().join("rules");
    std::fs::create_dir(&rules).unwrap();
    let output = run(&["rules", "--out", rules.to_str().unwrap()], closed());
    assert!(output.status.success(), "{output:?}");
    assert_eq!(std::fs::read_dir(rules).unwrap().count(), 2);
}

#[test]
fn a_message_that_cannot_be_written_keeps_the_exit_code() {
    let refused = closed_port();
    let taken = Listener::silent();
    let folder = tempfile::tempdir().unwrap();
    for (arguments, code) in [
        (&["--nonsense"][..], 2),
        (&["config", "check", "/nonexistent.yml"], 2),
        (&["check", "--nonsense"], 3),
        (&["healthy", "--web.listen-address", &refused], 1),
        (&["--web.listen-address", &taken.address], 1),
        (&["alarm", "list", "--zookeeper", &refused, "--timeout", "1s"], 1),
        (&["rules", "--out", folder.path().to_str().unwrap(), "--check"], 1),
    ] {
        for stderr in [full(), closed()] {
            let output = binary().args(arguments).stderr(stderr).output().unwrap();
            assert_eq!(output.status.code(), Some(code), "{arguments:?}: {output:?}");
        }
    }
    // Both streams are full.
    let output = binary().arg("rules").stdout(full()).stderr(full()).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
}

#[test]
fn a_check_with_closed_output_keeps_its_exit_code() {
    for output in ["nagios", "json", "prometheus"] {
        let arguments = ["check", "--zookeeper", &closed_port(), "--interval", "0s", "--output", output];
        let output = run(&arguments, closed());
        assert!(output.status.code() == Some(2) && output.stderr.is_empty(), "{output:?}");
    }
}
