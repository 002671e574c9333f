//! The files around the binary match it: the build context of the image and the install guide.

use std::process::Command;

use crate::common::root;

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap()
}

/// The text of all Rust source files.
fn sources() -> String {
    let mut texts = String::new();
    let mut folders = vec![root().join("src")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            match path.extension() {
                _ if path.is_dir() => folders.push(path),
                Some(ending) if ending == "rs" => texts.push_str(&std::fs::read_to_string(path).unwrap()),
                _ => {}
            }
        }
    }
    texts
}

#[test]
fn the_image_contains_all_included_files() {
    let (dockerfile, ignore) = (read("deploy/docker/Dockerfile"), read(".dockerignore"));
    let copied: Vec<&str> = dockerfile
        .lines()
        .filter_map(|line| line.strip_prefix("COPY ").filter(|rest| !rest.starts_with("--from")))
        .flat_map(|rest| rest.split(' ').rev().skip(1))
        .collect();
    assert!(copied.contains(&"src") && copied.contains(&"Cargo.lock"));
    for path in &copied {
        assert!(ignore.lines().any(|line| line == format!("!{path}")), ".dockerignore keeps {path} from the image");
    }
    let sources = sources();
    for behind in ["include_str!(", "include_bytes!("].iter().flat_map(|call| sources.split(call).skip(1)) {
        // `concat!(env!("CARGO_MANIFEST_DIR"), "/dashboards/x.json")` or `"../../dashboards/x.json"`
        let argument = behind.split(';').next().unwrap();
        let path = argument.split('"').find(|part| part.contains('/')).unwrap_or("");
        let outside = path.trim_start_matches("../").trim_start_matches('/');
        let folder = outside.split('/').next().unwrap();
        assert!(path == outside || copied.contains(&folder), "the Dockerfile does not copy {outside}");
    }
}

#[test]
fn the_install_guide_refers_to_existing_files_and_flags() {
    let guide = read("docs/install.md");
    let version = env!("CARGO_PKG_VERSION");
    assert!(guide.contains(&format!("zookeeper-exporter_{version}-1_amd64.deb")), "it names another version");
    let help = Command::new(env!("CARGO_BIN_EXE_zookeeper-exporter")).arg("--help").output().unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    let blocks: Vec<&str> = guide.split("```sh\n").skip(1).map(|behind| behind.split("```").next().unwrap()).collect();
    assert!(blocks.len() >= 7);
    let mut paths = 0;
    for line in blocks.iter().flat_map(|block| block.lines()) {
        for word in line.split([' ', '=']) {
            let word = word.trim_start_matches("./");
            let ours = ["deploy/", "scripts/", "alert-rules/", "dashboards/", "docs/"];
            if ours.iter().any(|folder| word.starts_with(folder)) {
                assert!(root().join(word).exists(), "`{line}`: there is no {word}");
                paths += 1;
            }
        }
        if let Some((_, flags)) = line.split_once("/zookeeper-exporter --") {
            let flag = flags.split([' ', '=']).next().unwrap();
            assert!(help.contains(&format!("--{flag} ")), "`{line}`: there is no --{flag}");
        }
    }
    assert!(paths >= 8, "the guide names only {paths} files");
    for link in guide.split("](").skip(1).map(|behind| behind.split(')').next().unwrap()) {
        let there = link.starts_with('#') || link.starts_with("http") || root().join("docs").join(link).exists();
        assert!(there, "the guide links to {link}");
    }
}

#[test]
fn recording_rules_for_fleets_are_valid() {
    let document = read("docs/scale.md");
    let rules = document.split("```yaml\ngroups:").nth(1).and_then(|behind| behind.split("```").next());
    let file = tempfile::NamedTempFile::with_suffix(".yml").unwrap();
    std::fs::write(file.path(), format!("groups:{}", rules.expect("docs/scale.md has no rules"))).unwrap();
    let output = Command::new("promtool").args(["check", "rules"]).arg(file.path()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
