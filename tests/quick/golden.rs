//! Golden pages of every fixture in both formats, checked with promtool and the parser of the Python client.

use std::io::Write;
use std::process::{Command, Stdio};

use zookeeper_exporter::exposition::{Format, Names};
use zookeeper_exporter::reply::{mntr, monitor};
use zookeeper_exporter::scrape::samples::Samples;
use zookeeper_exporter::scrape::typed::typed;

use crate::common::{Fixture, assert_golden, fixture_member, fixtures, member, named_page, page, read_page, report};

fn pages(fixture: &Fixture) -> [(&'static str, Format, String); 2] {
    let report = report(vec![fixture_member(fixture)]);
    [("prom", Format::Classic), ("om", Format::OpenMetrics)]
        .map(|(ending, format)| (ending, format, page(&report, format)))
}

#[test]
fn pages_match_the_golden_files_and_are_valid() {
    for fixture in fixtures() {
        for (ending, format, text) in pages(&fixture) {
            read_page(&text, format).unwrap_or_else(|error| panic!("{}.{ending}: {error}", fixture.name));
            assert_golden(&format!("tests/golden/{}.{ending}", fixture.name), &text);
        }
    }
}

#[test]
fn an_ensemble_of_every_role_is_one_page() {
    let wanted = ["3.8.0/leader", "3.8.0/follower", "3.8.0/observer", "3.8.0/no-quorum", "3.8.0/whitelist-refuses"];
    let mut members: Vec<_> = fixtures()
        .into_iter()
        .filter(|fixture| wanted.contains(&fixture.name.as_str()))
        .enumerate()
        .map(|(number, fixture)| {
            let (mntr, srvr) = (fixture.read("mntr.txt"), fixture.read("srvr.txt"));
            member(&format!("zk-{number}:2181"), mntr.as_deref(), srvr.as_deref(), None)
        })
        .collect();
    members.push(member("[::1]:2181", None, None, None));
    let report = report(members);
    for (ending, format) in [("prom", Format::Classic), ("om", Format::OpenMetrics)] {
        let text = page(&report, format);
        read_page(&text, format).unwrap();
        assert_golden(&format!("tests/golden/ensemble.{ending}"), &text);
    }
}

#[test]
fn promtool_reports_no_problem() {
    for fixture in fixtures() {
        let [(_, _, classic), _] = pages(&fixture);
        let (code, said) = pipe("promtool", &["check", "metrics"], &classic);
        assert_eq!((code, said.as_str()), (0, ""), "{}", fixture.name);
    }
}

#[test]
fn promtool_reports_a_bad_page() {
    let (code, said) = pipe("promtool", &["check", "metrics"], "# HELP a_count x\n# TYPE a_count gauge\na_count 1\n");
    assert_ne!(code, 0);
    assert!(said.contains("a_count"));
}

const STRICT_READER: &str = "
import sys
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read
for path in sys.argv[1:]:
    try:
        samples = sum(len(family.samples) for family in read(open(path).read()))
    except Exception as error:
        print(path, repr(error)); sys.exit(1)
    if samples < 10: print(path, 'has few samples'); sys.exit(1)
";

#[test]
fn the_strict_openmetrics_parser_of_python_accepts_every_page() {
    let folder = tempfile::tempdir().unwrap();
    let mut paths = Vec::new();
    for fixture in fixtures() {
        let [_, (_, _, text)] = pages(&fixture);
        let path = folder.path().join(fixture.name.replace('/', "-"));
        std::fs::write(&path, text).unwrap();
        paths.push(path);
    }
    // Debian's own interpreter: the package python3-prometheus-client belongs to it.
    let run = |paths: &[std::path::PathBuf]| {
        Command::new("/usr/bin/python3").arg("-c").arg(STRICT_READER).args(paths).output().expect("python3 runs")
    };
    let output = run(&paths);
    assert!(
        output.status.success(),
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );

    let bad = folder.path().join("bad");
    std::fs::write(&bad, std::fs::read_to_string(&paths[0]).unwrap().replace("# EOF\n", "")).unwrap();
    assert!(!run(&[bad]).status.success(), "the reader accepts anything");
}

#[test]
fn the_adminserver_gives_the_same_page() {
    let series = |samples: &Samples| -> Vec<String> {
        let one = |cell: &zookeeper_exporter::scrape::Cell| {
            format!("{:?} {:?} {:?}", cell.family(), cell.part(), samples.label_values(*cell).collect::<Vec<_>>())
        };
        samples.cells().iter().map(one).collect()
    };
    let mut compared = 0;
    for fixture in fixtures() {
        let Some(body) = fixture.read("admin-monitor.json") else { continue };
        let Ok(parsed) = monitor::parse(std::str::from_utf8(&body).unwrap()) else {
            assert!(
                fixture.name.contains("-quorum"),
                "{}: only a member that does not serve replies with a page",
                fixture.name
            );
            continue;
        };
        if parsed.error().is_some() {
            continue;
        }
        // The same entries in mntr format must give bit-identical samples.
        let as_text: String = parsed
            .entries()
            .map(|entry| match entry.labels {
                Some(labels) => format!("zk_{}{{{labels}}}\t{}\n", entry.key, entry.value),
                None => format!("zk_{}\t{}\n", entry.key, entry.value),
            })
            .collect();
        let (from_json, facts) = typed(parsed.entries(), 0, 10_000);
        let (from_text, same_facts) = typed(mntr::entries(&as_text), 0, 10_000);
        assert_eq!(format!("{from_json:?}"), format!("{from_text:?}"), "{}", fixture.name);
        assert_eq!(facts, same_facts);
        // The member's own mntr reply, captured a moment apart, has the same series for the same keys.
        let keys: std::collections::BTreeSet<_> =
            parsed.entries().map(|entry| (entry.key.to_owned(), entry.labels.map(str::to_owned))).collect();
        let text = fixture.mntr();
        if mntr::entries(&text).next().is_none() {
            continue; // mntr is refused: there is nothing to compare with.
        }
        let shared: Vec<_> = mntr::entries(&text)
            .filter(|entry| keys.contains(&(entry.key.to_owned(), entry.labels.map(str::to_owned))))
            .collect();
        let shared_keys: std::collections::BTreeSet<_> = shared.iter().map(|entry| (entry.key, entry.labels)).collect();
        let from_json =
            typed(parsed.entries().filter(|entry| shared_keys.contains(&(entry.key, entry.labels))), 0, 10_000).0;
        assert_eq!(series(&from_json), series(&typed(shared.iter().copied(), 0, 10_000).0), "{}", fixture.name);
        assert!(shared.len() * 10 > keys.len() * 8, "{}: {} of {}", fixture.name, shared.len(), keys.len());
        compared += 1;
    }
    assert!(compared >= 15, "only {compared} fixtures have an AdminServer");
}

#[test]
fn mntr_names_keep_keys_and_values_unchanged() {
    for fixture in fixtures() {
        let report = report(vec![fixture_member(&fixture)]);
        for format in [Format::Classic, Format::OpenMetrics] {
            let text = named_page(&report, Names::Mntr, format);
            let shown = read_page(&text, format).unwrap_or_else(|error| panic!("{}: {error}", fixture.name));
            // Every plain mntr line is exported under its own name, unscaled.
            for line in fixture.mntr().lines().filter(|line| !line.contains('{')) {
                let Some((key, value)) = line.split_once('\t') else { continue };
                let Ok(value) = value.parse::<f64>() else { continue };
                let found = shown.value(key, &[("zk_host", "zk-1:2181"), ("ensemble", "prod")]);
                assert!(found == Some(value), "{}: {line} is exported as {found:?}", fixture.name);
            }
            assert!(shown.value("zk_up", &[("zk_host", "zk-1:2181")]).is_some());
        }
    }
}

#[test]
fn colliding_namespaces_keep_the_first_and_count_the_other() {
    let reply = "zk_version\t3.8.0-x\nzk_cnt_a-b_write_per_namespace\t1\nzk_cnt_a.b_write_per_namespace\t2\nzk_up\t7\n";
    let found = member("zk-1:2181", Some(reply.as_bytes()), None, None);
    assert_eq!(zookeeper_exporter::exposition::collisions(&found), 2);
    let text = named_page(&report(vec![found]), Names::Mntr, Format::Classic);
    let shown = read_page(&text, Format::Classic).unwrap();
    assert_eq!(shown.value("zk_cnt_a_b_write_per_namespace", &[]), Some(1.0));
    assert_eq!(shown.value("zk_up", &[]), Some(1.0));
}

fn pipe(program: &str, arguments: &[&str], input: &str) -> (i32, String) {
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{program} does not run ({error}); apt-get install prometheus"));
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.code().unwrap_or(-1), String::from_utf8_lossy(&said).into_owned())
}
