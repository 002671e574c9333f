//! The reference of the configuration file is complete, and its example is valid. `xtask/src/document/configuration.rs`
//! generates it.

use crate::common::exporter::run;
use crate::common::root;

fn reference() -> String {
    std::fs::read_to_string(root().join("docs/configuration.md")).unwrap()
}

#[test]
fn the_reference_lists_all_sections() {
    let text = reference();
    for key in ["### The file", "### `ensembles[]`", "### `modules.NAME.tls`", "| `discovery` |", "### `probe`"] {
        assert!(text.contains(key), "{key}");
    }
}

#[test]
fn the_example_of_the_reference_is_valid() {
    let reference = reference();
    let example = reference.split("```yaml\n").nth(1).unwrap().split("```").next().unwrap();
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), example).unwrap();
    let output = run(&["config", "check", file.path().to_str().unwrap()]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
