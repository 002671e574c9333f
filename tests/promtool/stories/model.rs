//! Compares the model with real replies and real pages.

use std::collections::{BTreeMap, BTreeSet};

use zookeeper_exporter::exposition::Format;

use super::exporter::Exporter;
use super::story::Story;
use super::told;
use super::world::World;
use crate::common::{fixture_member, fixtures, member, page, promql, read_page, report, root};

/// Families that rules use and no story has: opt-in probes, metrics that need TLS or a local member, and
/// zones, which are configured.
const NOT_MODELLED: &[&str] = &[
    "zk_canary_",
    "zk_znode_",
    "zk_dir_",
    "zk_host_",
    "zk_tls_certificate_",
    "zk_jvm_memory_pool_",
    "zk_exporter_",
    "zk_ensemble_zone_",
];

/// The names and label names of the samples on a page, with the type of the family.
fn shapes(text: &str) -> BTreeMap<String, String> {
    let page = read_page(text, Format::Classic).expect("a valid page");
    page.series
        .iter()
        .map(|(series, _)| {
            let labels: Vec<&str> = series.labels.keys().map(String::as_str).collect();
            let family = series.name.trim_end_matches("_sum").trim_end_matches("_count");
            let kind = page.types.get(&series.name).or_else(|| page.types.get(family)).cloned().unwrap_or_default();
            (format!("{}{labels:?}", series.name), kind)
        })
        .collect()
}

#[test]
fn series_of_the_model_exist_on_real_pages() {
    let mut real = BTreeMap::new();
    for fixture in fixtures() {
        real.extend(shapes(&page(&report(vec![fixture_member(&fixture)]), Format::Classic)));
    }
    // Members with and without a reply: lag, failures, and the ensemble's own families.
    real.extend(shapes(&std::fs::read_to_string(root().join("tests/golden/ensemble.prom")).unwrap()));

    // Members that report their membership, from which voters may be missing in the list.
    let stating: Vec<_> = fixtures()
        .into_iter()
        .filter(|fixture| ["3.8.0/leader", "3.8.0/follower"].contains(&fixture.name.as_str()))
        .enumerate()
        .map(|(number, fixture)| {
            let text = |file| fixture.read(file);
            let (mntr, srvr, conf) = (text("mntr.txt"), text("srvr.txt"), text("conf.txt"));
            member(&format!("zk-{number}:2181"), mntr.as_deref(), srvr.as_deref(), conf.as_deref())
        })
        .collect();
    real.extend(shapes(&page(&report(stating), Format::Classic)));

    let mut world = World::new("model", 3, 1);
    world.stop(1);
    for _ in 0..30 {
        world.advance(1.0);
    }
    world.exporters[0].layout = super::exporter::Layout::Probe;
    let (ensembles, now) = (world.ensembles.clone(), world.now);
    let text = world.exporters[0].page(&ensembles, now);
    let modelled = shapes(&text);
    assert!(modelled.len() > 60, "{} families", modelled.len());
    // Durations are measured while members are queried, and a regression needs an earlier scrape: a page made of files lacks them.
    let measured = |shape: &str| {
        ["zk_scrape_duration", "zk_connect_duration", "zk_ensemble_zxid_regressed"]
            .iter()
            .any(|name| shape.starts_with(name))
    };
    for (shape, kind) in modelled.iter().filter(|(shape, _)| !measured(shape)) {
        assert_eq!(Some(kind), real.get(shape), "{shape} is not so on a real page");
    }
    for complete in ["zk-2:2181", "zk-3:2181", "zk-4:2181"] {
        assert!(
            text.contains(&format!("zk_mntr_complete{{ensemble=\"model\",member=\"{complete}\"}} 1")),
            "the reply of {complete} lacks keys: {text}"
        );
    }
}

#[test]
fn the_model_has_the_families_of_the_exporter() {
    let metrics = std::fs::read_to_string(root().join("docs/metrics.md")).unwrap();
    let mut exporter = Exporter::new("e", &[]);
    let text = exporter.page(&[], 0.0);
    for name in text.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split(['{', ' ']).next()) {
        assert!(metrics.contains(&format!("`{name}`")), "{name}");
    }
}

/// Every family of a rule is on the page of a story, so that no rule passes without its series.
#[test]
fn every_family_of_a_rule_is_modelled() {
    let mut names = BTreeSet::new();
    let mut add = |story: &Story| {
        for name in story.series(60, 0).names() {
            names.insert(name.split('{').next().unwrap_or(name).to_owned());
        }
    };
    told::stories().iter().filter(|story| story.name.starts_with("quiet-hour-") || story.early).for_each(&mut add);
    let mut missing = BTreeSet::new();
    for file in ["zookeeper.yml", "early-warning.yml"] {
        let text = std::fs::read_to_string(root().join("alert-rules").join(file)).unwrap();
        let rules: serde_json::Value = serde_saphyr::from_str(&text).unwrap();
        for rule in rules["groups"].as_array().unwrap().iter().flat_map(|group| group["rules"].as_array().unwrap()) {
            for selector in promql::selectors(rule["expr"].as_str().unwrap()).unwrap() {
                let own = NOT_MODELLED.iter().any(|prefix| selector.name.starts_with(prefix));
                let recorded = selector.name.contains(':') || selector.name.starts_with("ALERTS");
                if !own && !recorded && !names.contains(&selector.name) {
                    missing.insert(selector.name);
                }
            }
        }
    }
    assert!(missing.is_empty(), "{missing:?}");
}
