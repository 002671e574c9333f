//! Faults that are coming: a zone with too many voters, and a client near its connection limit.

use std::cell::RefCell;

use crate::Row;
use crate::bench::Bench;
use crate::common::sessions::Sessions;
use crate::live::Ensemble;
use crate::long::expected;
use crate::prove;

/// Three of five voters are in one zone, until one of them is moved.
pub fn zones(rows: &mut Vec<Row>) {
    let ensemble = Ensemble::start(&["--members", "5"]);
    let members = ensemble.members();
    let placed = |zones: [&str; 5]| {
        let members = members.iter().zip(zones).map(|(member, zone)| format!("{{address: '{member}', zone: {zone}}}"));
        format!("ensembles: [{{name: e, members: [{}]}}]\n", members.collect::<Vec<_>>().join(", "))
    };
    let good = placed(["a", "a", "b", "b", "c"]);
    let mut bench = Bench::start(&good, 1);
    rows.push(prove(
        &mut bench,
        &expected(
            "three of five voters in one zone",
            "ZooKeeperZoneLossStopsQuorum",
            "warning",
            None,
            "would lose its quorum with one of its zones",
        ),
        |bench| bench.configure(0, &placed(["a", "a", "a", "b", "c"])),
        |bench| bench.configure(0, &good),
    ));
}

/// A client opens 90 of the 100 connections that a member accepts from its address.
pub fn clients(rows: &mut Vec<Row>) {
    let ensemble = Ensemble::start(&["--cfg", "maxClientCnxns=100"]);
    let members = ensemble.members();
    let mut bench = Bench::start(
        &format!(
            "ensembles: [{{name: e, members: [{}]}}]\nmodules: {{default: {{clients: {{interval: 10s}}}}}}\n",
            members.join(", ")
        ),
        1,
    );
    let many = RefCell::new(None);
    let _few = Sessions::open(&members[0], "127.0.0.6", 3);
    rows.push(prove(
        &mut bench,
        &expected(
            "90 connections of one address, maxClientCnxns 100",
            "ZooKeeperClientNearConnectionLimit",
            "warning",
            Some(&members[0]),
            "127.0.0.5",
        ),
        |_| *many.borrow_mut() = Some(Sessions::open(&members[0], "127.0.0.5", 90)),
        |_| drop(many.take()),
    ));
}
