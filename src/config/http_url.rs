//! `admin:` and `native:` of a module: HTTP addresses of the members.

use std::fmt;

/// An HTTP address of a member, e.g. `http://{host}:8080/commands`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpUrl {
    /// Whether TLS is used.
    pub https: bool,
    /// The host; `None` for the host of the member (`{host}`).
    pub host: Option<String>,
    /// Its port.
    pub port: u16,
    /// The path without a trailing slash.
    pub path: String,
}

/// The defaults of one kind of address.
struct UrlDefaults {
    what: &'static str,
    port: u16,
    path: &'static str,
}

/// `admin.serverPort` and `admin.commandURL` of ZooKeeper.
const ADMIN: UrlDefaults = UrlDefaults { what: "AdminServer", port: 8080, path: "/commands" };

/// `metricsProvider.httpPort` of the Prometheus provider; the path is fixed.
const NATIVE: UrlDefaults = UrlDefaults { what: "metrics endpoint", port: 7000, path: "/metrics" };

impl HttpUrl {
    /// The address of an AdminServer.
    ///
    /// # Errors
    /// What is expected.
    pub fn admin(text: &str) -> Result<Self, String> {
        Self::parse(text, &ADMIN)
    }

    /// The address of ZooKeeper's own metrics endpoint.
    ///
    /// # Errors
    /// What is expected.
    pub fn native(text: &str) -> Result<Self, String> {
        Self::parse(text, &NATIVE)
    }

    fn parse(text: &str, defaults: &UrlDefaults) -> Result<Self, String> {
        let UrlDefaults { what, port: default_port, path: default_path } = defaults;
        let bad = || {
            format!(
                "invalid address of the {what} `{text}`: expected http://{{host}}:{default_port} or \
                 https://{{host}}:{default_port} ({{host}}: the host of each member)"
            )
        };
        let (https, rest) = match (text.strip_prefix("http://"), text.strip_prefix("https://")) {
            (Some(rest), _) => (false, rest),
            (_, Some(rest)) => (true, rest),
            _ => return Err(bad()),
        };
        let (authority, path) = rest.find('/').map_or((rest, ""), |slash| rest.split_at(slash));
        let path = path.trim_end_matches('/');
        let sane = |byte: u8| byte.is_ascii_alphanumeric() || b"/-_.~".contains(&byte);
        if !path.bytes().all(sane) {
            return Err(bad());
        }
        let path = if path.is_empty() { default_path } else { path };
        let (host, port) = if let Some(port) = authority.strip_prefix("{host}") {
            let port = match port {
                "" => *default_port,
                _ => port
                    .strip_prefix(':')
                    .and_then(|port| port.parse().ok())
                    .filter(|port| *port > 0)
                    .ok_or_else(bad)?,
            };
            (None, port)
        } else {
            let address: super::Address = authority.parse().map_err(|_| bad())?;
            // `Address` would default to ZooKeeper's client port.
            let port =
                if authority.ends_with(']') || !authority.contains(':') { *default_port } else { address.port() };
            (Some(address.host().to_owned()), port)
        };
        Ok(Self { https, host, port, path: path.to_owned() })
    }
}

impl fmt::Display for HttpUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.https { "https" } else { "http" };
        let host = self.host.as_deref().unwrap_or("{host}");
        let (open, close) = if host.contains(':') { ("[", "]") } else { ("", "") };
        write!(f, "{scheme}://{open}{host}{close}:{}{}", self.port, self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_parsed() {
        for (text, shown) in [
            ("http://{host}:8080", "http://{host}:8080/commands"),
            ("https://{host}:28443/", "https://{host}:28443/commands"),
            ("http://{host}", "http://{host}:8080/commands"),
            ("http://{host}:8080/zk/commands/", "http://{host}:8080/zk/commands"),
            ("http://admin.example.com:81", "http://admin.example.com:81/commands"),
            ("http://admin", "http://admin:8080/commands"),
            ("http://[::1]", "http://[::1]:8080/commands"),
            ("http://[::1]:81", "http://[::1]:81/commands"),
        ] {
            assert_eq!(HttpUrl::admin(text).map(|url| url.to_string()), Ok(shown.to_owned()), "{text}");
        }
        for (text, shown) in [
            ("http://{host}:7000/metrics", "http://{host}:7000/metrics"),
            ("https://{host}", "https://{host}:7000/metrics"),
        ] {
            assert_eq!(HttpUrl::native(text).map(|url| url.to_string()), Ok(shown.to_owned()), "{text}");
        }
        for text in [
            "",
            "{host}:8080",
            "ftp://{host}:1",
            "http://",
            "http://{host}:0",
            "http://{host}x",
            "http://a b",
            "http://{host}/a?b",
            "http://u@h:1",
        ] {
            assert!(HttpUrl::admin(text).is_err() && HttpUrl::native(text).is_err(), "{text}");
        }
    }
}
