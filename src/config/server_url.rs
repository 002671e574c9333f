//! The URL of an HTTP server: `http://[USER:PASSWORD@]HOST[:PORT][/PATH]`.

use hyper::Uri;

use super::Address;

/// A URL from a flag. Error messages never contain the password.
#[derive(Clone, Debug)]
pub struct ServerUrl {
    /// Whether the scheme is `https`.
    pub secure: bool,
    /// The address of the server.
    pub address: Address,
    /// `user:password`.
    pub login: Option<String>,
    /// Path and query.
    pub path: Uri,
}

/// The accepted form of a URL, and its default path.
#[derive(Clone, Copy, Debug)]
pub struct UrlForm {
    /// The expected form, for error messages.
    pub how: &'static str,
    /// The default path.
    pub default_path: &'static str,
}

impl ServerUrl {
    /// Parses a URL.
    ///
    /// # Errors
    /// What is wrong, in one line without the password.
    pub fn parse(text: &str, form: UrlForm) -> Result<Self, String> {
        let (scheme, rest) = text.split_once("://").ok_or(form.how)?;
        let secure = match scheme {
            "http" => false,
            "https" => true,
            _ => return Err(form.how.to_owned()),
        };
        let (authority, path) = rest.find(['/', '?', '#']).map_or((rest, ""), |end| rest.split_at(end));
        // A `/` in a password would make a part of it the host, which is displayed.
        if path.contains('@') {
            return Err("`@` after a `/`, `?` or `#`: write these as %2F, %3F, %23 in a user or password, and `@` as %40 in a path"
                .to_owned());
        }
        let (login, host) = authority.rsplit_once('@').map_or((None, authority), |(login, host)| (Some(login), host));
        let login = login.map(decoded_login).transpose()?;
        // The default port depends on the scheme; `Address` would use ZooKeeper's.
        let has_port = host.rsplit_once(':').is_some_and(|(_, port)| port.bytes().all(|byte| byte.is_ascii_digit()));
        let host = if has_port { host.to_owned() } else { format!("{host}:{}", if secure { 443 } else { 80 }) };
        let address = host.parse().map_err(|_| form.how)?;
        let path = match path {
            "" | "/" => form.default_path,
            path => path,
        };
        let path = path.parse().map_err(|_| form.how)?;
        Ok(Self { secure, address, login, path })
    }
}

/// `USER:PASSWORD` with percent escapes decoded. Error messages do not quote it.
fn decoded_login(login: &str) -> Result<String, String> {
    let (user, password) = login.split_once(':').unwrap_or((login, ""));
    let user = decoded(user)?;
    if user.contains(':') {
        return Err("`:` in the user: expected USER:PASSWORD@ with a user that has none".to_owned());
    }
    Ok(format!("{user}:{}", decoded(password)?))
}

fn decoded(text: &str) -> Result<String, String> {
    const HOW: &str = "invalid percent escape in the user or password: write `%` as %25";
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let mut digit =
            || rest.next().and_then(|digit| char::from(digit).to_digit(16)).and_then(|digit| u8::try_from(digit).ok());
        let (high, low) = digit().zip(digit()).ok_or(HOW)?;
        bytes.push(high << 4 | low);
    }
    String::from_utf8(bytes).map_err(|_| HOW.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const FROM: UrlForm = UrlForm { how: "write http://HOST:PORT/metrics", default_path: "/metrics" };

    #[test]
    fn reads_what_people_write() {
        for (text, address, path, login) in [
            ("http://localhost:9141", "localhost:9141", "/metrics", None),
            ("http://localhost:9141/", "localhost:9141", "/metrics", None),
            ("https://a:b@zk.example/probe?ensemble=prod", "zk.example:443", "/probe?ensemble=prod", Some("a:b")),
            ("http://[::1]:9141/metrics", "[::1]:9141", "/metrics", None),
            ("http://a:p%2Fq%40%25@zk:1/x", "zk:1", "/x", Some("a:p/q@%")),
            ("http://a:b:c@zk:1", "zk:1", "/metrics", Some("a:b:c")),
            ("http://a@zk:1", "zk:1", "/metrics", Some("a:")),
        ] {
            let url = ServerUrl::parse(text, FROM).unwrap_or_else(|error| panic!("{text}: {error}"));
            let seen = (url.address.to_string(), url.path.to_string(), url.login.clone());
            assert_eq!(seen, (address.to_owned(), path.to_owned(), login.map(str::to_owned)), "{text}");
        }
        for text in ["", "localhost:9141", "ftp://x", "http://", "http://a b/", "http://x:99999/"] {
            assert!(ServerUrl::parse(text, FROM).is_err(), "{text}");
        }
        for text in [
            "http://u:sec/ret@zk:1/",
            "http://u:s?ret@zk:1",
            "http://u:s@c/ret@zk:1",
            "http://u:secret%zz@zk:1",
            "http://u:%e9secret@zk",
            "http://u%3asecret:b@zk",
            "http://u:secret@zk 1",
        ] {
            let why = ServerUrl::parse(text, FROM).expect_err(text);
            assert!(!why.contains("ret") && !why.contains("sec"), "{why}");
        }
    }
}
