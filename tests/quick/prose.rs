//! The checkable part of `docs/style.md`: shapes to avoid in text, and type names defined twice.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use zookeeper_exporter::alert::conditions;

use super::links::markdown;
use crate::common::root;

/// Avoided in sources, scripts, alert texts and documents, with the replacement.
const EVERYWHERE: &[(&str, &str)] = &[
    ("whoever", "name the subject"),
    ("nobody", "no client, no process, no member"),
    ("somebody", "a client, a process, a member"),
    ("anew", "again, re-"),
    ("in the midst", "during"),
    ("in its midst", "during"),
    ("broke off", "failed, panicked, lost"),
    ("for want of", "without"),
    ("mend", "fix"),
    ("mends", "fixes"),
    ("mended", "fixed"),
    ("farewell", "close"),
    ("hearsay", "discovered"),
    ("in force", "active, current"),
    ("is to be", "the imperative, or is"),
    ("stand here", "are"),
    ("stand in", "are in, replace"),
    ("stand there", "are"),
    ("stands at", "is at"),
    ("stands before", "precedes"),
    ("stands behind", "follows"),
    ("stands beside", "is next to"),
    ("stands between", "is between"),
    ("stands here", "is"),
    ("stands in", "is in, replaces"),
    ("stands on", "is on"),
    ("stands there", "is"),
];

/// Avoided in documents written by hand.
const DOCUMENTS: &[(&str, &str)] = &[
    ("and the like", "list the cases"),
    ("are told", "are reported"),
    ("is told", "is reported"),
    ("so many", "the number"),
    ("was heard", "was received"),
    ("was told", "was reported"),
    ("who is who", "members and roles"),
];

/// Avoided in comments and string literals of `src`, with the replacement.
const SOURCES: &[(&str, &str)] = &[
    ("all the same", "nevertheless"),
    ("are asked", "are queried"),
    ("is asked", "is queried, is requested"),
    ("not asked", "not queried"),
    ("was asked", "was queried"),
    ("asked for", "requested"),
    ("are told", "are reported"),
    ("is told", "is reported"),
    ("told apart", "distinguished"),
    ("was told", "was reported"),
    ("that told", "that reported"),
    ("is heard", "is received"),
    ("was heard", "was received"),
    ("so many", "a number, `max`"),
    ("patience", "timeout"),
    ("most bytes", "maximum bytes"),
    ("most time", "timeout"),
    ("it is none", "the case"),
    ("by itself", "alone"),
    ("a person", "the log, the user"),
    ("hangs up", "closes the connection"),
    ("hung up", "closed the connection"),
    ("calls itself", "reports that it is"),
    ("fed on", "updated on"),
    ("goes on", "continues"),
    ("is no evidence", "is not evidence"),
    ("are no evidence", "are not evidence"),
    ("sight", "visible, reachable"),
    ("let go", "released"),
    ("looks at", "checks"),
    ("nothing is known", "unknown"),
    ("nothing is wrong", "no problems, no fault"),
    ("once more", "again"),
    ("reckons", "computes"),
    ("said", "reported"),
    ("says", "reports, contains"),
    ("stand still", "do not increase"),
    ("stands", "is"),
    ("stands still", "does not increase"),
    ("turned away", "rejected"),
    ("turns away", "rejects"),
    ("under way", "in progress, in flight"),
    ("write for", "expected"),
    ("write instead", "expected"),
    ("write one of", "expected one of"),
];

/// Type names defined in two modules. New duplicates fail the test; rename these when their modules change.
const DEFINED_TWICE: &[&str] = &[
    "Answer",
    "Check",
    "Choice",
    "Client",
    "Column",
    "Connection",
    "Families",
    "Family",
    "Finding",
    "Format",
    "Found",
    "Group",
    "InForce",
    "Item",
    "Kind",
    "Known",
    "Labels",
    "Level",
    "Limit",
    "List",
    "Look",
    "Memory",
    "Metric",
    "Output",
    "Rates",
    "Page",
    "Panel",
    "Place",
    "Question",
    "Reason",
    "Row",
    "Set",
    "Severity",
    "Slot",
    "Source",
    "Stat",
    "State",
    "Stream",
    "Table",
    "Target",
    "Targets",
    "Thresholds",
    "Unit",
    "Verifier",
    "Words",
    "Writer",
    "Written",
];

/// Words in lower case and marks that separate clauses, each with its line.
fn tokens(text: &str) -> Vec<(String, usize)> {
    let mut found = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let line = line.trim_start().trim_start_matches(['/', '!', '#', '*']);
        for piece in line.split_whitespace() {
            let mut word = String::new();
            for c in piece.chars() {
                if c.is_alphanumeric() || matches!(c, '-' | '_' | '\'') {
                    word.extend(c.to_lowercase());
                } else {
                    if !word.is_empty() {
                        found.push((std::mem::take(&mut word), number + 1));
                    }
                    found.push((c.to_string(), number + 1));
                }
            }
            if !word.is_empty() {
                found.push((word, number + 1));
            }
        }
    }
    found
}

/// The comments and string literals of a Rust source; other characters become marks, and line breaks are kept.
fn prose_of(source: &str) -> String {
    let chars: Vec<char> = source.chars().collect();
    let (mut out, mut at) = (String::with_capacity(source.len()), 0);
    while at < chars.len() {
        let rest = &chars[at..];
        let begins = |text: &str| text.chars().eq(rest.iter().copied().take(text.len()));
        let in_word = at > 0 && (chars[at - 1].is_alphanumeric() || chars[at - 1] == '_') && chars[at - 1] != 'b';
        let hashes = rest.iter().skip(1).take_while(|c| **c == '#').count();
        let end = if begins("//") {
            rest.iter().position(|c| *c == '\n').unwrap_or(rest.len())
        } else if rest[0] == 'r' && !in_word && rest.get(1 + hashes) == Some(&'"') {
            let close = |window: &[char]| window[0] == '"' && window[1..].iter().all(|c| *c == '#');
            let body = 2 + hashes;
            rest[body..].windows(1 + hashes).position(close).map_or(rest.len(), |end| body + end + 1 + hashes)
        } else if rest[0] == '"' {
            let mut end = 1;
            while end < rest.len() && rest[end] != '"' {
                end += if rest[end] == '\\' { 2 } else { 1 };
            }
            end + 1
        } else {
            // A character literal may contain a quote.
            let literal = match rest {
                ['\'', '\\', _, '\'', ..] => 4,
                ['\'', _, '\'', ..] => 3,
                _ => 1,
            };
            out.push(if rest[0] == '\n' { '\n' } else { '|' });
            at += literal;
            continue;
        };
        let text: String = rest[..end.min(rest.len())].iter().collect();
        out.push_str(&text.replace("\\n", "| "));
        at += end;
    }
    out
}

/// Occurrences of the shapes in a text: line, shape, replacement.
fn shapes_in(text: &str, shapes: &[(&'static str, &'static str)]) -> Vec<(usize, &'static str, &'static str)> {
    let tokens = tokens(text);
    let mut found = Vec::new();
    for (shape, instead) in shapes {
        let words: Vec<&str> = shape.split(' ').collect();
        for window in tokens.windows(words.len()) {
            if window.iter().map(|(word, _)| word.as_str()).eq(words.iter().copied()) {
                found.push((window[0].1, *shape, *instead));
            }
        }
    }
    found
}

/// The files below a folder, relative to the root.
fn below(folder: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![PathBuf::from(folder)];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(root().join(&folder)).unwrap() {
            let entry = entry.unwrap();
            let path = folder.join(entry.file_name());
            let kind = entry.file_type().unwrap();
            // Link targets are among the files themselves.
            if kind.is_dir() {
                folders.push(path);
            } else if kind.is_file() {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

fn read(path: &Path) -> Option<String> {
    String::from_utf8(std::fs::read(root().join(path)).unwrap()).ok()
}

fn check(files: &[PathBuf], shapes: &[(&'static str, &'static str)], part: impl Fn(&str) -> String) -> Vec<String> {
    let mut faults = Vec::new();
    for path in files {
        let Some(text) = read(path) else { continue };
        let text = part(&text);
        for (line, shape, instead) in shapes_in(&text, shapes) {
            faults.push(format!("{}:{line}: avoid \"{shape}\": write {instead}", path.display()));
        }
    }
    faults
}

/// All documents except the style page, which lists the shapes, the changelog, and the Chinese pages.
fn documents() -> Vec<PathBuf> {
    let skipped = |path: &PathBuf| {
        path.ends_with("docs/style.md") || path.ends_with("CHANGELOG.md") || path.to_string_lossy().contains("zh-CN")
    };
    markdown().into_iter().filter(|path| !skipped(path)).collect()
}

#[test]
fn texts_follow_the_style() {
    let mut files: Vec<PathBuf> = ["src", "testkit/src", "xtask/src", "scripts", "alert-rules", "dashboards", "deploy"]
        .iter()
        .flat_map(|folder| below(folder))
        .collect();
    assert!(files.len() > 150);
    files.extend(documents());
    let mut faults = check(&files, EVERYWHERE, str::to_owned);
    // Generated documents and runbooks repeat texts of the catalogues.
    let generated = |path: &PathBuf| {
        ["docs/runbooks", "docs/metrics.md", "docs/configuration.md", "docs/alerts.md"]
            .iter()
            .any(|begin| path.starts_with(begin))
    };
    let by_hand: Vec<PathBuf> = documents().into_iter().filter(|path| !generated(path)).collect();
    faults.extend(check(&by_hand, DOCUMENTS, str::to_owned));
    for condition in conditions() {
        for text in [condition.meaning, condition.impact, condition.decision, condition.says, condition.first] {
            let found = shapes_in(text, EVERYWHERE).into_iter().map(|(_, shape, instead)| (shape, instead));
            faults.extend(
                found.map(|(shape, instead)| format!("{}: avoid \"{shape}\": write {instead}", condition.name)),
            );
        }
    }
    assert!(faults.is_empty(), "docs/style.md: {} places\n{}", faults.len(), faults.join("\n"));
}

#[test]
fn sources_follow_the_style() {
    let files: Vec<PathBuf> =
        below("src").into_iter().filter(|path| path.extension().is_some_and(|ending| ending == "rs")).collect();
    assert!(files.len() > 250);
    let faults = check(&files, SOURCES, prose_of);
    assert!(faults.is_empty(), "docs/style.md: {} places\n{}", faults.len(), faults.join("\n"));
}

#[test]
fn shapes_are_found_across_lines_and_only_as_words() {
    let text = "//! The old one stays in\n//! force.\n/// Nobody; `nobody_leads` and stand-in are names.\n";
    let found: Vec<_> = shapes_in(text, EVERYWHERE).into_iter().map(|(line, shape, _)| (line, shape)).collect();
    assert_eq!(found, [(3, "nobody"), (1, "in force")]);
    assert!(shapes_in("It is in. Force it.", EVERYWHERE).is_empty());
}

#[test]
fn comments_and_strings_are_prose() {
    let source = "let said = '\"'; // it says\nf(\"is\", \"asked\"); g(r#\"a \"said\" b\"#);\nlet says = \"x\\nsaid \\\" stands\"; b'\\''";
    let found: Vec<_> =
        shapes_in(&prose_of(source), SOURCES).into_iter().map(|(line, shape, _)| (line, shape)).collect();
    assert_eq!(found, [(2, "said"), (3, "said"), (1, "says"), (3, "stands")]);
}

/// Types defined at the top level of a file.
fn types(text: &str) -> Vec<String> {
    let name = |line: &str| {
        let line = line.strip_prefix("pub").map_or(line, |rest| match rest.strip_prefix('(') {
            Some(rest) => rest.split_once(')').map_or("", |(_, rest)| rest),
            None => rest,
        });
        let (kind, rest) = line.trim_start().split_once(' ')?;
        let known = matches!(kind, "struct" | "enum" | "trait" | "type" | "union");
        known.then(|| rest.chars().take_while(char::is_ascii_alphanumeric).collect())
    };
    text.lines().filter(|line| !line.starts_with(' ')).filter_map(name).collect()
}

#[test]
fn a_type_name_is_defined_once() {
    let mut places: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for path in below("src").iter().filter(|path| path.extension().is_some_and(|ending| ending == "rs")) {
        for name in types(&read(path).unwrap()) {
            places.entry(name).or_default().push(path.display().to_string());
        }
    }
    assert!(places.len() > 300);
    let allowed: BTreeSet<&str> = DEFINED_TWICE.iter().copied().collect();
    let twice: Vec<String> = places
        .iter()
        .filter(|(name, places)| places.len() > 1 && !allowed.contains(name.as_str()))
        .map(|(name, places)| format!("{name}: {}", places.join(", ")))
        .collect();
    assert!(twice.is_empty(), "rename one of each:\n{}", twice.join("\n"));
    assert_eq!(
        types("pub(crate) struct One;\npub enum Two {}\ntype Three = u8;\n    type Four = u8;\nstructure"),
        ["One", "Two", "Three"]
    );
}
