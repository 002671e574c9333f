//! Every dependency is justified in `docs/decisions.md`, and the number of packages is documented.

use std::collections::BTreeSet;
use std::process::Command;

use crate::common::root;

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

#[test]
fn every_dependency_is_documented() {
    let manifest = read("Cargo.toml");
    let section = manifest.split("[dependencies]\n").nth(1).unwrap().split("\n[").next().unwrap();
    let named: Vec<&str> = section.lines().filter_map(|line| line.split_once(" = ")).map(|(name, _)| name).collect();
    let document = read("docs/decisions.md");
    let table = document.split("## Dependencies").nth(1).expect("docs/decisions.md has no Dependencies");
    let rows = table.lines().filter_map(|line| line.strip_prefix("| ")).skip(1);
    let justified: Vec<&str> = rows.filter_map(|row| row.split(" |").next()).collect();
    assert_eq!(justified, named);
    assert!(named.len() > 20);
}

#[test]
fn the_documented_number_of_packages_is_right() {
    let output = Command::new(env!("CARGO"))
        .args(["tree", "--locked", "--offline", "-e", "normal", "--prefix", "none", "--format", "{p}"])
        .args(["--target", "x86_64-unknown-linux-gnu"])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    // A line may end with `(proc-macro)` or `(*)`: only name and version identify a package.
    let all = String::from_utf8(output.stdout).unwrap();
    let packages: BTreeSet<Vec<&str>> =
        all.lines().filter(|line| !line.is_empty()).map(|line| line.split(' ').take(2).collect()).collect();
    let stated = format!("x86_64 Linux: {} packages", packages.len());
    let document = read("docs/decisions.md");
    assert!(document.contains(&stated), "docs/decisions.md lacks `{stated}`; justify the new package");
}
