//! Instructions from the bytes of replies to the bytes of a page, counted by valgrind: unlike times, they do not depend on
//! the machine's load. The limits are those of this unoptimised build, some percent above what it needs.

use std::process::Command;

use zookeeper_exporter::exposition::Format;

use crate::common::{fixture_member, fixtures, page, report};

/// Limits in thousands of instructions: of a page of one member, and of each further member.
const FIRST_MEMBER: u64 = 15_300;
const FURTHER_MEMBER: u64 = 10_600;

/// Parses the replies of these many members and writes their page.
fn page_of(members: usize) -> usize {
    let fixture = fixtures().into_iter().find(|fixture| fixture.name == "3.9.3/leader").unwrap();
    page(&report((0..members).map(|_| fixture_member(&fixture)).collect()), Format::Classic).len()
}

/// Valgrind counts while this function runs.
#[inline(never)]
fn counted_page(members: usize) -> usize {
    page_of(members)
}

/// The part that valgrind runs.
#[test]
#[ignore = "run by the test below, under valgrind"]
fn a_page_under_valgrind() {
    let members = std::env::var("COUNTED_MEMBERS").unwrap().parse().unwrap();
    // The catalogue is built at its first use.
    assert_eq!(page_of(members), counted_page(members));
}

/// Instructions for a page of this many members, in thousands.
fn thousands(members: usize) -> u64 {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg("--toggle-collect=quick::instructions::counted_page")
        .arg(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "instructions::a_page_under_valgrind"])
        .env("COUNTED_MEMBERS", members.to_string())
        .output()
        .expect("valgrind is installed");
    let said = String::from_utf8_lossy(&output.stderr);
    let collected = said.lines().find_map(|line| line.split_once("Collected : ")).map(|(_, number)| number.trim());
    let collected: u64 = collected.unwrap_or_else(|| panic!("{said}")).parse().unwrap();
    assert!(output.status.success() && collected > 0, "{said}");
    collected / 1000
}

#[test]
fn a_page_needs_no_more_instructions_than_before() {
    let (one, three) = std::thread::scope(|threads| {
        let three = threads.spawn(|| thousands(3));
        (thousands(1), three.join().unwrap())
    });
    let further = (three - one) / 2;
    println!("first member: {one} thousand instructions, further member: {further} thousand");
    assert!(one <= FIRST_MEMBER, "{one} thousand instructions for a page of one member");
    assert!(further <= FURTHER_MEMBER, "{further} thousand instructions per further member");
}
