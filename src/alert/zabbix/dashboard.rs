//! Items without a trigger, graphs, and the dashboard that shows them.

use super::item::{Items, parameters, prefix};
use super::yaml::{Node, text, uuid};
use super::{Agg, Keys, Selector, TEMPLATE};

/// A graph of an ensemble or a member: its title, and its items by short name, with colours.
struct Graph {
    rule: Keys,
    title: &'static str,
    series: &'static [(&'static str, &'static str)],
}

const GRAPHS: [Graph; 6] = [
    Graph {
        rule: Keys::Ensemble,
        title: "voters in sync and margin",
        series: &[
            ("ensemble_voters", "97AAB3"),
            ("ensemble_voters_synced", "1F7C2D"),
            ("ensemble_majority", "F7941D"),
            ("ensemble_quorum_margin", "E53935"),
        ],
    },
    Graph {
        rule: Keys::Ensemble,
        title: "members that answer",
        series: &[("ensemble_members", "97AAB3"), ("ensemble_members_up", "1F7C2D")],
    },
    Graph { rule: Keys::Member, title: "outstanding requests", series: &[("outstanding_requests", "E53935")] },
    Graph { rule: Keys::Member, title: "average latency", series: &[("avg_latency_seconds", "F7941D")] },
    Graph {
        rule: Keys::Member,
        title: "packets per second",
        series: &[("packets_received.rate", "1F7C2D"), ("packets_sent.rate", "2774A4")],
    },
    Graph { rule: Keys::Member, title: "connections", series: &[("num_alive_connections", "2774A4")] },
];

/// Adds the items used only by graphs.
pub(super) fn note_items(items: &mut Items) {
    let shown: [(Keys, &[&'static str]); 2] = [
        (
            Keys::Ensemble,
            &[
                "zk_ensemble_members",
                "zk_ensemble_members_up",
                "zk_ensemble_voters",
                "zk_ensemble_voters_synced",
                "zk_ensemble_majority",
                "zk_ensemble_quorum_margin",
                "zk_ensemble_has_quorum",
            ],
        ),
        (
            Keys::Member,
            &[
                "zk_up",
                "zk_serving",
                "zk_outstanding_requests",
                "zk_avg_latency_seconds",
                "zk_num_alive_connections",
                "zk_znodes",
                "zk_watches",
                "zk_ephemerals",
                "zk_approximate_data_size_bytes",
                "zk_zxid_lag",
                "zk_scrape_duration_seconds",
            ],
        ),
    ];
    for (rule, names) in shown {
        for name in names {
            items.number(rule, rule, Agg::Max, &Selector { name, labels: Vec::new() });
        }
    }
    items.speed(Keys::Member, "zk_packets_received_total");
    items.speed(Keys::Member, "zk_packets_sent_total");
    items.role();
    items.word(Keys::Member, "version", "version", "zk_member_info", "version");
    items.word(Keys::Ensemble, "leader", "leader", "zk_ensemble_leader_info", "member");
    let build = Selector { name: "zk_exporter_build_info", labels: Vec::new() };
    items.number(Keys::Target, Keys::Target, Agg::Max, &build);
}

fn name(graph: &Graph) -> String {
    format!("{}: {}", prefix(graph.rule), graph.title)
}

/// The graphs of one discovery rule.
pub(super) fn graphs(rule: Keys) -> Vec<Node> {
    let of_rule = GRAPHS.iter().filter(|graph| graph.rule == rule);
    of_rule
        .map(|graph| {
            let series = graph.series.iter().enumerate().map(|(place, (key, colour))| {
                let item =
                    Node::Map(vec![("host", text(TEMPLATE)), ("key", text(format!("zk.{key}{}", parameters(rule))))]);
                Node::Map(vec![("sortorder", text(place.to_string())), ("color", text(*colour)), ("item", item)])
            });
            Node::Map(vec![
                ("uuid", uuid(&format!("{TEMPLATE}/graph/{}", name(graph)))),
                ("name", text(name(graph))),
                ("graph_items", Node::List(series.collect())),
            ])
        })
        .collect()
}

/// The dashboard: ensembles on the first page, members on the second.
pub(super) fn node() -> Node {
    let page = |title: &str, rule: Keys| {
        let of_rule = GRAPHS.iter().filter(|graph| graph.rule == rule).enumerate();
        let widgets = of_rule.map(|(place, graph)| widget(graph, place)).collect();
        Node::Map(vec![("name", text(title)), ("widgets", Node::List(widgets))])
    };
    Node::List(vec![Node::Map(vec![
        ("uuid", uuid(&format!("{TEMPLATE}/dashboard"))),
        ("name", text("ZooKeeper")),
        ("pages", Node::List(vec![page("Ensembles", Keys::Ensemble), page("Members", Keys::Member)])),
    ])])
}

fn widget(graph: &Graph, place: usize) -> Node {
    let field = |kind: &str, name: &str, value: Node| {
        Node::Map(vec![("type", text(kind)), ("name", text(name)), ("value", value)])
    };
    let of = Node::Map(vec![("host", text(TEMPLATE)), ("name", text(name(graph)))]);
    Node::Map(vec![
        ("type", text("GRAPH_PROTOTYPE")),
        ("name", text(graph.title)),
        ("x", text("0")),
        ("y", text((place * 6).to_string())),
        ("width", text("24")),
        ("height", text("6")),
        (
            "fields",
            Node::List(vec![
                field("INTEGER", "columns", text("3")),
                field("INTEGER", "rows", text("1")),
                field("GRAPH_PROTOTYPE", "graphid", of),
            ]),
        ),
    ])
}
