//! Commands in runbooks and alert texts: where they are run, and the placeholders in them.

/// The host on which a command is run, as `docs/runbooks/README.md` explains.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// The exporter's host: the command reaches members over the network.
    Exporter,
    /// The host of the member.
    Member,
    /// Another machine, as the text describes: an administrator's, Alertmanager's, Prometheus'.
    Other,
    /// The shell of ZooKeeper or Prometheus' expression browser, not a command of a shell.
    Inside,
}

/// Programs that runbooks may use: of Linux, the JDK, ZooKeeper and its shell, Prometheus, and the exporter.
pub const PROGRAMS: &[(&str, Place)] = &[
    ("zookeeper-exporter", Place::Exporter),
    ("echo", Place::Exporter),
    ("nc", Place::Exporter),
    ("curl", Place::Exporter),
    ("openssl", Place::Exporter),
    ("getent", Place::Exporter),
    ("ping", Place::Exporter),
    ("time", Place::Exporter),
    ("journalctl", Place::Member),
    ("systemctl", Place::Member),
    ("grep", Place::Member),
    ("ss", Place::Member),
    ("ps", Place::Member),
    ("kill", Place::Member),
    ("top", Place::Member),
    ("ls", Place::Member),
    ("df", Place::Member),
    ("du", Place::Member),
    ("dmesg", Place::Member),
    ("vmstat", Place::Member),
    ("iostat", Place::Member),
    ("sudo", Place::Member),
    ("prlimit", Place::Member),
    ("cat", Place::Member),
    ("timedatectl", Place::Member),
    ("keytool", Place::Member),
    ("kinit", Place::Member),
    ("jstat", Place::Member),
    ("jstack", Place::Member),
    ("jmap", Place::Member),
    ("zkCli.sh", Place::Other),
    ("zkCleanup.sh", Place::Member),
    ("kubectl", Place::Other),
    ("amtool", Place::Other),
    ("promtool", Place::Other),
    ("create", Place::Inside),
    ("delete", Place::Inside),
    ("deleteall", Place::Inside),
    ("reconfig", Place::Inside),
    ("setquota", Place::Inside),
    ("listquota", Place::Inside),
    ("count", Place::Inside),
    ("sum", Place::Inside),
];

/// Placeholders in commands; `docs/runbooks/README.md` describes each.
pub const PLACEHOLDERS: &[&str] = &[
    "FILE",
    "E",
    "HOST",
    "LEADER",
    "OTHER",
    "MEMBER",
    "EXPORTER",
    "ALERTMANAGER",
    "DATADIR",
    "DATALOGDIR",
    "PATH",
    "NAME",
    "POD",
    "PID",
    "SESSIONID",
    "KEYTAB",
    "PRINCIPAL",
    "ID",
    "N",
    "BYTES",
];

/// A command of a runbook.
#[derive(Clone, Debug)]
pub struct Command {
    /// The section of the runbook: according to `docs/runbooks/README.md`, only commands under `Mitigation` change something.
    #[allow(dead_code, reason = "the quick tests run no command")]
    pub section: String,
    pub text: String,
}

/// Where a program is run.
pub fn place(program: &str) -> Option<Place> {
    PROGRAMS.iter().find(|(name, _)| *name == program).map(|(_, place)| *place)
}

/// The commands of a document: code blocks, and code spans that begin like a command, unlike queries and lines of files
/// or logs.
pub fn commands(document: &str) -> Vec<Command> {
    let (mut section, mut found, mut paragraph, mut block) = (String::new(), Vec::new(), String::new(), None::<String>);
    for line in document.lines().chain([""]) {
        let text = line.trim();
        match (&mut block, text.starts_with("```")) {
            (None, true) => block = Some(String::new()),
            (Some(lines), true) => {
                found.push(Command { section: section.clone(), text: lines.trim().to_owned() });
                block = None;
            }
            (Some(lines), false) => lines.push_str(&format!("{text}\n")),
            (None, false) if text.is_empty() || text.starts_with('#') => {
                found.extend(spans(&paragraph).map(|text| Command { section: section.clone(), text }));
                paragraph.clear();
                if let Some(title) = text.strip_prefix("## ") {
                    title.clone_into(&mut section);
                }
            }
            (None, false) => paragraph.push_str(&format!("{line}\n")),
        }
    }
    assert!(block.is_none(), "a code block has no end");
    found
}

/// Code spans that begin like a command.
fn spans(paragraph: &str) -> impl Iterator<Item = String> {
    let begins = |word: &str| {
        word.starts_with(|c: char| c.is_ascii_lowercase())
            && word.bytes().all(|byte| byte.is_ascii_lowercase() || b"-.".contains(&byte))
    };
    let quoted = paragraph.split('`').skip(1).step_by(2);
    let commands = quoted.filter(move |part| {
        let first = part.split_whitespace().next().unwrap_or_default();
        place(first).is_some() && part.contains(' ') || (part.contains(' ') && begins(first))
    });
    commands.map(str::to_owned)
}

/// Words in capital letters: placeholders, except in quoted texts, options and expansions of the shell.
pub fn placeholders(command: &str) -> Vec<&str> {
    let unquoted = command.split('\'').step_by(2);
    let words = unquoted.flat_map(|part| part.split(|c: char| !c.is_ascii_alphanumeric() && !"-_=".contains(c)));
    let is_placeholder =
        |word: &&str| word.bytes().all(|byte| byte.is_ascii_uppercase()) && !["", "POST"].contains(word);
    words.filter(is_placeholder).collect()
}

/// A text with placeholders replaced where they are whole words.
#[allow(dead_code, reason = "the quick tests run no command")]
pub fn replaced(command: &str, values: &[(&str, &str)]) -> String {
    let mut out = String::new();
    let mut rest = command;
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    while !rest.is_empty() {
        let inside = out.chars().next_back().is_some_and(|c| is_word(c) || c == '-');
        let hit = values.iter().find(|(name, _)| {
            let whole =
                !rest[name.len().min(rest.len())..].chars().next().is_some_and(is_word) || !name.ends_with(is_word);
            !inside && rest.starts_with(name) && whole
        });
        if let Some((name, value)) = hit {
            out.push_str(value);
            rest = &rest[name.len()..];
        } else {
            let next = rest.chars().next().map_or(1, char::len_utf8);
            out.push_str(&rest[..next]);
            rest = &rest[next..];
        }
    }
    out
}
