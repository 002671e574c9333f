//! Every command of the README runs as written, its YAML is valid, and docs/flags.md lists the flags of the binary.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::common::exporter::{Exporter, run};
use crate::common::root;
use crate::trial;

fn readme() -> String {
    std::fs::read_to_string(root().join("README.md")).unwrap()
}

/// The fenced code blocks of a language, in order.
fn blocks(language: &str) -> Vec<String> {
    let text = readme();
    let fence = format!("```{language}\n");
    text.split(&fence).skip(1).map(|behind| behind.split("```").next().unwrap().to_owned()).collect()
}

/// A shell command run in the top folder as written, except that it uses a test build.
fn shell(command: &str) -> Command {
    let command = command.replace("./target/", &format!("{}/", trial::FOLDER));
    let mut shell = Command::new("bash");
    shell.args(["-o", "pipefail", "-c", &command]).current_dir(root()).stdin(Stdio::null()).envs(trial::ENVIRONMENT);
    shell
}

struct Stopped(Child);

impl Drop for Stopped {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn every_command_runs_as_written() {
    let commands: Vec<String> = blocks("sh")
        .iter()
        .flat_map(|block| {
            block.lines().map(|line| line.split(" #").next().unwrap().trim().to_owned()).collect::<Vec<_>>()
        })
        .filter(|line| !line.is_empty())
        .collect();
    let mut exporter = None;
    for command in &commands {
        match command.as_str() {
            // The demo has a test of its own, and `./scripts/test` includes this test.
            "./scripts/demo" | "./scripts/test" => {
                let help = shell(&format!("{command} --help")).output().unwrap();
                assert!(help.status.success(), "{command} does not even help");
            }
            "cargo build --release --locked" => {
                assert!(shell("cargo build --quiet --release --locked").status().unwrap().success());
            }
            serving if serving.starts_with("./target/release/zookeeper-exporter --zookeeper") => {
                let serving =
                    shell(&format!("exec {serving}")).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
                exporter = Some(Stopped(serving));
                wait_for_port();
            }
            asking if asking.starts_with("curl") || asking.ends_with(" healthy") => {
                assert!(exporter.is_some(), "`{asking}` precedes the start of the exporter");
                let output = shell(asking).output().unwrap();
                assert!(output.status.success() && !output.stdout.is_empty(), "`{asking}` gives nothing");
            }
            unknown => panic!("the README has a command that no test runs: {unknown}"),
        }
    }
    assert_eq!(commands.len(), 6, "the README's commands changed: {commands:?}");
}

/// Waits until the default port, which the README uses, is free.
fn wait_for_port() {
    let deadline = Instant::now() + Duration::from_secs(10);
    while std::net::TcpStream::connect("127.0.0.1:9141").is_err() {
        assert!(Instant::now() < deadline, "nothing listens on 9141");
        std::thread::yield_now();
    }
}

#[test]
fn the_yaml_is_valid() {
    let yaml = blocks("yaml");
    let (mut prometheus, mut ours) = (0, 0);
    for text in &yaml {
        if text.contains("scrape_configs:") {
            let file = root().join("target").join("readme-prometheus.yml");
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            // Paths in a configuration are relative to its file; the one in the README is meant for the top folder.
            std::fs::write(&file, text.replace("alert-rules/", "../alert-rules/")).unwrap();
            let checked = Command::new("promtool").args(["check", "config"]).arg(&file).output().unwrap();
            assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
            prometheus += 1;
        } else {
            let file = tempfile::NamedTempFile::new().unwrap();
            std::fs::write(file.path(), text).unwrap();
            let exporter = Exporter::start(&["--config.file", file.path().to_str().unwrap()]);
            assert!(exporter.log().contains("members=5"), "{}", exporter.log());
            ours += 1;
        }
    }
    assert_eq!((prometheus, ours), (1, 1));
}

#[test]
fn the_flags_are_those_of_the_binary() {
    let help = String::from_utf8(run(&["--help"]).stdout).unwrap();
    let of_binary: Vec<String> = help
        .lines()
        .filter_map(|line| line.trim_start().strip_prefix("--"))
        .map(|line| format!("--{}", line.split([' ', ',']).next().unwrap()))
        .filter(|flag| flag != "--help" && flag != "--version")
        .collect();
    let text = std::fs::read_to_string(root().join("docs/flags.md")).unwrap();
    let table = text.split("## Flags").nth(1).unwrap().split("\n## ").next().unwrap();
    for flag in &of_binary {
        assert!(table.contains(&format!("`{flag}")), "docs/flags.md lacks {flag}");
    }
    for (place, _) in table.match_indices("`--") {
        let flag: String =
            table[place + 1..].chars().take_while(|c| c.is_ascii_alphanumeric() || "-.".contains(*c)).collect();
        assert!(of_binary.contains(&flag), "docs/flags.md has {flag}, the binary does not");
    }
    for row in table.lines().filter(|line| line.starts_with("| `--") && !line.starts_with("| `--log")) {
        let cells: Vec<&str> = row.replace("\\|", "/").leak().split('|').map(str::trim).collect();
        let flag = cells[1].trim_matches('`').split(' ').next().unwrap().to_owned();
        let default = cells[2].trim_matches('`');
        if default == "off" {
            let written = help.lines().find(|line| line.trim_start().starts_with(&flag)).unwrap_or_default();
            assert!(!written.contains('<'), "{flag} takes a value, and is not just on or off");
        } else if !default.is_empty() && !help.contains(&format!("[default: {default}]")) {
            assert!(help.contains(&format!("Default: {default}")), "the default of {flag} is not {default}");
        }
    }
}
