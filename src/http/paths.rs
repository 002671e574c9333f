//! Paths of the endpoints: the prefix of the routes, and the prefix that a reverse proxy adds to links.

/// `--web.route-prefix` and `--web.external-url`. Each path begins with a slash and ends without one, or is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WebPaths {
    route: String,
    external: String,
}

impl WebPaths {
    /// The route prefix defaults to the path of the external URL.
    ///
    /// # Errors
    /// If one of the two is invalid.
    pub fn new(external_url: Option<&str>, route_prefix: Option<&str>) -> Result<Self, String> {
        let external = external_url.map(external_path).transpose()?;
        let route = route_prefix.map(prefix).transpose()?;
        let route = route.or_else(|| external.clone()).unwrap_or_default();
        Ok(Self { external: external.unwrap_or_else(|| route.clone()), route })
    }

    /// The route of an endpoint.
    #[must_use]
    pub fn route(&self, path: &str) -> String {
        format!("{}{path}", self.route)
    }

    /// The path without the prefix; `None` if it is outside the prefix.
    #[must_use]
    pub fn endpoint<'p>(&self, path: &'p str) -> Option<&'p str> {
        path.strip_prefix(self.route.as_str()).filter(|rest| rest.starts_with('/'))
    }

    /// The path of an endpoint in links.
    #[must_use]
    pub fn link(&self, path: &str) -> String {
        format!("{}{path}", self.external)
    }

    /// The routes outside the prefix that redirect to the status page.
    pub(super) fn redirects(&self) -> impl Iterator<Item = &str> {
        [("/", !self.route.is_empty()), (self.route.as_str(), !self.route.is_empty())]
            .into_iter()
            .filter_map(|(path, exists)| exists.then_some(path))
    }
}

/// The path of a URL.
fn external_path(url: &str) -> Result<String, String> {
    let wrong = || format!("invalid URL `{url}`: expected e.g. https://monitoring.example.com/zookeeper");
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://")).ok_or_else(wrong)?;
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    if authority.is_empty() || authority.contains(['?', '#', ' ']) {
        return Err(wrong());
    }
    prefix(if path.is_empty() { "/" } else { path }).map_err(|_| wrong())
}

/// A prefix without its trailing slash; `/` becomes empty.
fn prefix(path: &str) -> Result<String, String> {
    let plain = path.starts_with('/')
        && !path.contains("//")
        && path.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/-_.~".contains(&byte));
    let dots = path.split('/').any(|part| matches!(part, "." | ".."));
    if plain && !dots {
        Ok(path.trim_end_matches('/').to_owned())
    } else {
        Err(format!("invalid prefix `{path}`: expected / or a path such as /zookeeper"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(external: Option<&str>, route: Option<&str>) -> (String, String) {
        let paths = WebPaths::new(external, route).expect("good paths");
        (paths.route("/metrics"), paths.link("/metrics"))
    }

    fn both(route: &str, link: &str) -> (String, String) {
        (route.to_owned(), link.to_owned())
    }

    #[test]
    fn routes_follow_the_external_url_unless_they_have_a_prefix_of_their_own() {
        assert_eq!(paths(None, None), both("/metrics", "/metrics"));
        assert_eq!(paths(Some("https://example.com"), None), both("/metrics", "/metrics"));
        assert_eq!(paths(Some("https://example.com/zk/"), None), both("/zk/metrics", "/zk/metrics"));
        assert_eq!(paths(Some("https://example.com/zk"), Some("/")), both("/metrics", "/zk/metrics"));
        assert_eq!(paths(None, Some("/zk")), both("/zk/metrics", "/zk/metrics"));
        assert_eq!(paths(Some("http://h/a/b"), Some("/c")), both("/c/metrics", "/a/b/metrics"));
    }

    #[test]
    fn an_endpoint_is_only_below_the_prefix() {
        let paths = WebPaths::new(None, Some("/zk")).expect("good paths");
        assert_eq!(paths.endpoint("/zk/-/healthy"), Some("/-/healthy"));
        assert_eq!((paths.endpoint("/zkx/-/healthy"), paths.endpoint("/-/healthy")), (None, None));
        assert_eq!(WebPaths::default().endpoint("/-/healthy"), Some("/-/healthy"));
    }

    #[test]
    fn invalid_paths_are_refused() {
        for url in ["example.com/zk", "ftp://h/", "https://", "https:///zk", "https://h/zk?x=1", "https://h/{name}"] {
            assert!(WebPaths::new(Some(url), None).is_err(), "{url}");
        }
        for prefix in ["zk", "", "/{zk}", "/a//b", "/../x", "/a b"] {
            assert!(WebPaths::new(None, Some(prefix)).is_err(), "{prefix}");
        }
    }
}
