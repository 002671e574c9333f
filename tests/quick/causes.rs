//! The graph of causes: existing conditions, no cycle, and inhibitions only for certain edges.

use std::collections::{BTreeMap, BTreeSet};

use zookeeper_exporter::alert::causes::{EDGES, Link};
use zookeeper_exporter::alert::conditions;
use zookeeper_exporter::alert::inhibit::inhibitions;

/// The symptoms of each condition.
fn graph() -> BTreeMap<&'static str, BTreeSet<&'static str>> {
    let mut graph: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for edge in EDGES {
        for cause in edge.causes {
            graph.entry(cause).or_default().extend(edge.symptoms);
        }
    }
    graph
}

/// A path from a condition to itself.
fn cycle<'g>(
    graph: &BTreeMap<&'g str, BTreeSet<&'g str>>,
    at: &'g str,
    path: &mut Vec<&'g str>,
    done: &mut BTreeSet<&'g str>,
) -> Option<Vec<&'g str>> {
    if let Some(begin) = path.iter().position(|name| *name == at) {
        return Some(path[begin..].to_vec());
    }
    if !done.insert(at) {
        return None;
    }
    path.push(at);
    let found = graph.get(at).into_iter().flatten().find_map(|next| cycle(graph, next, path, done));
    path.pop();
    found
}

#[test]
fn the_graph_has_no_cycle() {
    let graph = graph();
    let mut done = BTreeSet::new();
    for name in graph.keys() {
        assert_eq!(cycle(&graph, name, &mut Vec::new(), &mut done), None);
    }
    let circle =
        BTreeMap::from([("a", BTreeSet::from(["b"])), ("b", BTreeSet::from(["c"])), ("c", BTreeSet::from(["b"]))]);
    assert_eq!(cycle(&circle, "a", &mut Vec::new(), &mut BTreeSet::new()), Some(vec!["b", "c"]));
}

#[test]
fn edges_are_unique_and_refer_to_existing_conditions() {
    let names: BTreeSet<&str> = conditions().iter().map(|condition| condition.name).collect();
    let mut seen = BTreeSet::new();
    for edge in EDGES {
        for cause in edge.causes {
            for symptom in edge.symptoms {
                assert!(names.contains(cause) && names.contains(symptom), "{cause} {symptom}");
                assert!(seen.insert((cause, symptom, format!("{:?}", edge.scope))), "{cause} {symptom} twice");
            }
        }
    }
    // Only certain edges inhibit alerts.
    let certain = EDGES.iter().filter(|edge| edge.link == Link::Always).count();
    assert_eq!(inhibitions().count(), certain + 2);
    for condition in conditions().iter().filter(|condition| condition.is_symptom()) {
        let from_history = ["UnusualIndicator", "MemberRisk"].contains(&condition.name);
        assert!(from_history || !condition.possible_causes().is_empty(), "{} has no cause", condition.name);
    }
}
