//! YAML in the format of Zabbix exports, and UUIDs that are stable across releases.

use crate::text::is_unprintable;

/// A node of the document.
#[derive(Clone, Debug)]
pub(super) enum Node {
    /// A scalar; Zabbix expects numbers as strings, too.
    Text(String),
    /// A list.
    List(Vec<Node>),
    /// A map that preserves the order of its keys.
    Map(Vec<(&'static str, Node)>),
}

/// A scalar node.
pub(super) fn text(text: impl Into<String>) -> Node {
    Node::Text(text.into())
}

/// A list of scalars.
pub(super) fn texts<const N: usize>(all: [&str; N]) -> Node {
    Node::List(all.into_iter().map(text).collect())
}

/// A UUID derived from the name, in the form of version 4, which the importer requires.
pub(super) fn uuid(of: &str) -> Node {
    // FNV-1a: not security-relevant, and 128 bits make accidental collisions negligible.
    let hash = of.bytes().fold(0x6c62_272e_07bb_0142_62b8_2175_6295_c58d_u128, |hash, byte| {
        (hash ^ u128::from(byte)).wrapping_mul(0x0100_0000_0000_0000_0000_013b)
    });
    let hash = hash & !(0xf << 76) & !(0b11 << 62) | (0x4 << 76) | (0b10 << 62);
    text(format!("{hash:032x}"))
}

impl Node {
    /// The document below one key.
    pub(super) fn document(&self, key: &str) -> String {
        let mut out = format!("{key}:");
        self.write(2, &mut out);
        out
    }

    /// Writes the node after `key:` or `-`, including its line break.
    fn write(&self, indent: usize, out: &mut String) {
        match self {
            Self::Text(text) => out.push_str(&format!(" {}\n", quoted(text))),
            Self::List(nodes) if nodes.is_empty() => out.push_str(" []\n"),
            Self::List(nodes) => {
                out.push('\n');
                for node in nodes {
                    out.push_str(&format!("{:indent$}-", ""));
                    if let Self::Map(entries) = node {
                        // The first key is on the line of the dash.
                        let mut rest = String::new();
                        Self::entries(entries, indent + 2, &mut rest);
                        out.push_str(&format!(" {}", rest.trim_start()));
                    } else {
                        node.write(indent + 2, out);
                    }
                }
            }
            Self::Map(entries) => {
                out.push('\n');
                Self::entries(entries, indent, out);
            }
        }
    }

    fn entries(entries: &[(&'static str, Self)], indent: usize, out: &mut String) {
        for (key, node) in entries {
            out.push_str(&format!("{:indent$}{key}:", ""));
            node.write(indent + 2, out);
        }
    }
}

/// A constant or an identifier unquoted, other text quoted; only double quotes support escapes.
fn quoted(text: &str) -> String {
    if text.chars().any(is_unprintable) {
        return crate::alert::yaml::quoted(text);
    }
    let plain = text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.".contains(&byte))
        && !["yes", "no", "on", "off", "true", "false", "null", "y", "n"].contains(&text.to_lowercase().as_str());
    if plain { text.to_owned() } else { format!("'{}'", text.replace('\'', "''")) }
}
