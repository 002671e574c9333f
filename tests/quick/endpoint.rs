//! The endpoint with `--web.config.file`: TLS, client certificates, passwords, headers, and file changes.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rcgen::{BasicConstraints, IsCa};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned, SupportedProtocolVersion};

use crate::common::certs::{Authority, Issued};
use crate::common::exporter::{Exporter, run};
use crate::common::listeners::closed_port;
use crate::common::root;

/// `secret`, with bcrypt cost 4 to keep the tests fast.
const SECRET: &str = "$2y$04$GmNCpwuHkE3ToKCudUGknOmfZ0EtYr1yswyX3ZYAihfVeRtsprI4S";

/// An `Authorization` header for basic authentication.
fn basic(user: &str, password: &str) -> String {
    use base64::Engine;
    format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}")))
}

fn start(folder: &Path, config: &str) -> Exporter {
    let path = folder.join("web.yml");
    std::fs::write(&path, config).unwrap();
    Exporter::start(&["--zookeeper", &closed_port(), "--web.config.file", path.to_str().unwrap()])
}

/// A client that trusts the CA, optionally with a client certificate.
pub struct Client {
    config: Arc<ClientConfig>,
}

impl Client {
    pub fn new(ca: &str, identity: Option<&Issued>, versions: &[&'static SupportedProtocolVersion]) -> Self {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(ca.as_bytes()).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider).with_protocol_versions(versions).unwrap();
        let builder = builder.with_root_certificates(roots);
        let config = match identity {
            None => builder.with_no_client_auth(),
            Some(issued) => {
                let chain = vec![CertificateDer::from_pem_slice(issued.cert.as_bytes()).unwrap()];
                builder
                    .with_client_auth_cert(chain, PrivateKeyDer::from_pem_slice(issued.key.as_bytes()).unwrap())
                    .unwrap()
            }
        };
        Self { config: Arc::new(config) }
    }

    /// The status of `/-/healthy` or the error, and the public key of the server.
    pub fn ask(&self, address: &str, authorization: &str) -> Result<(u16, Vec<u8>), std::io::Error> {
        let stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(Duration::from_secs(20)))?;
        let name = "localhost".try_into().unwrap();
        let session = ClientConnection::new(Arc::clone(&self.config), name).map_err(std::io::Error::other)?;
        let mut stream = StreamOwned::new(session, stream);
        let request = format!(
            "GET /-/healthy HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nAuthorization: {authorization}\r\n\r\n"
        );
        stream.write_all(request.as_bytes())?;
        let mut text = Vec::new();
        stream.read_to_end(&mut text)?;
        let text = String::from_utf8_lossy(&text);
        let status = text.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or(0);
        let shown = stream.conn.peer_certificates().map(|chain| chain[0].to_vec()).unwrap_or_default();
        Ok((status, shown))
    }
}

pub const BOTH: &[&SupportedProtocolVersion] = &[&TLS13, &TLS12];

#[test]
fn bad_web_configurations_are_reported_with_file_line_and_column() {
    let mut files = 0;
    for entry in std::fs::read_dir(root().join("tests/web-config-bad")).unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        let expected = text.lines().next().and_then(|line| line.strip_prefix("# expect: ")).expect("an expectation");
        assert_eq!(refusal(&path), format!("{}:{expected}", path.display()));
        files += 1;
    }
    assert!(files >= 14, "only {files} files");
}

/// The error line for a rejected web configuration.
fn refusal(path: &Path) -> String {
    let output = run(&[
        "--zookeeper",
        "127.0.0.1:1",
        "--web.listen-address",
        "127.0.0.1:0",
        "--web.config.file",
        path.to_str().unwrap(),
    ]);
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(said.lines().count(), 1, "{said}");
    said.trim_start_matches("zookeeper-exporter: ").trim_end().to_owned()
}

#[test]
fn unusable_certificates_and_settings_are_reported() {
    let folder = tempfile::tempdir().unwrap();
    let ca = Authority::new("CA");
    ca.issue("page", &["localhost"]).write(folder.path(), "page");
    ca.issue("other", &["localhost"]).write(folder.path(), "other");
    std::fs::write(folder.path().join("ca.pem"), &ca.pem).unwrap();
    std::fs::write(folder.path().join("empty.pem"), "").unwrap();
    let cut = &ca.pem[..ca.pem.len() / 2];
    std::fs::write(folder.path().join("cut.pem"), cut).unwrap();
    let encrypted = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
    std::fs::write(folder.path().join("encrypted.key"), encrypted).unwrap();
    let old = "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00\n\nAAAA\n-----END RSA PRIVATE KEY-----\n";
    std::fs::write(folder.path().join("old.key"), old).unwrap();
    let page = "cert_file: page.pem, key_file: page.key";
    for (keys, expected) in [
        ("cert_file: gone.pem, key_file: page.key", "cannot read "),
        ("cert_file: page.pem, key_file: gone.key", "gone.key: No such file"),
        ("cert_file: page.key, key_file: page.pem", "are the two files swapped?"),
        ("cert_file: empty.pem, key_file: page.key", "no certificate in "),
        ("cert_file: cut.pem, key_file: page.key", "a section has no END line; is the file truncated?"),
        ("cert_file: page.pem, key_file: other.key", "does not match the first certificate in"),
        ("cert_file: page.pem, key_file: encrypted.key", "encrypted.key: expected an unencrypted key"),
        ("cert_file: page.pem, key_file: old.key", "openssl pkey -in "),
        ("cert_file: ., key_file: page.key", "is not a PEM file"),
        ("cert_file: page.pem, cert: x, key_file: page.key", "cert_file and cert are mutually exclusive"),
        (&format!("{page}, client_ca_file: ca.pem"), "client_ca_file has no effect with client_auth_type NoClientCert"),
        (&format!("{page}, client_ca_file: ca.pem, client_auth_type: RequireAnyClientCert"), "has no effect"),
        (
            &format!("{page}, client_auth_type: Always"),
            "invalid client_auth_type `Always`: expected one of NoClientCert, ",
        ),
        (&format!("{page}, client_allowed_sans: [a]"), "client_allowed_sans has no effect without client_auth_type"),
        (&format!("{page}, min_version: TLS10"), "unsupported TLS version `TLS10`: expected TLS12"),
        (&format!("{page}, min_version: TLS13, max_version: TLS12"), "min_version is newer than max_version"),
        (
            &format!("{page}, cipher_suites: [TLS_RSA_WITH_AES_128_CBC_SHA]"),
            "unsupported cipher suite `TLS_RSA_WITH_AES_128_CBC_SHA`: expected some of TLS_AES_256_GCM_SHA384, ",
        ),
        (&format!("{page}, curve_preferences: [CurveP521]"), "unsupported curve `CurveP521`: expected"),
    ] {
        let path = folder.path().join("web.yml");
        std::fs::write(&path, format!("tls_server_config: {{{keys}}}\n")).unwrap();
        let said = refusal(&path);
        assert!(said.starts_with(&format!("{}:1:", path.display())) && said.contains(expected), "{keys}: {said}");
    }
}

#[test]
fn every_client_authentication_type_works() {
    let folder = tempfile::tempdir().unwrap();
    let (ca, stranger_ca) = (Authority::new("CA"), Authority::new("another CA"));
    ca.issue("page", &["localhost"]).write(folder.path(), "page");
    std::fs::write(folder.path().join("ca.pem"), &ca.pem).unwrap();
    let (known, stranger) =
        (ca.issue("us", &["prometheus.example.com", "10.1.2.3"]), stranger_ca.issue("them", &["evil"]));
    let expired = ca.issue_until("us", &["prometheus.example.com"], 2025);
    let verified = "client_ca_file: ca.pem, client_auth_type: ";
    // Clients without a certificate, with a valid one, with one of another CA, and with an expired one.
    for (auth, expected) in [
        (String::new(), [true, true, true, true]),
        ("client_auth_type: NoClientCert".into(), [true, true, true, true]),
        ("client_auth_type: RequestClientCert".into(), [true, true, true, true]),
        ("client_auth_type: RequireAnyClientCert".into(), [false, true, true, true]),
        (format!("{verified}VerifyClientCertIfGiven"), [true, true, false, false]),
        (format!("{verified}RequireAndVerifyClientCert"), [false, true, false, false]),
        (
            format!("{verified}RequireAndVerifyClientCert, client_allowed_sans: [prometheus.example.com]"),
            [false, true, false, false],
        ),
        (
            format!("{verified}RequireAndVerifyClientCert, client_allowed_sans: [x, 10.1.2.3]"),
            [false, true, false, false],
        ),
        (format!("{verified}RequireAndVerifyClientCert, client_allowed_sans: [example.com]"), [false; 4]),
    ] {
        let config = format!("tls_server_config: {{cert_file: page.pem, key_file: page.key, {auth}}}\n");
        let exporter = start(folder.path(), &config);
        for version in [&TLS12, &TLS13] {
            let clients = [None, Some(&known), Some(&stranger), Some(&expired)];
            for (identity, let_in) in clients.into_iter().zip(expected) {
                let got = Client::new(&ca.pem, identity, &[version]).ask(&exporter.address, "");
                assert_eq!(got.as_ref().is_ok_and(|(status, _)| *status == 200), let_in, "{auth} {version:?}: {got:?}");
            }
        }
        // `healthy` needs neither a certificate nor a flag.
        let output = run(&["healthy", "--web.listen-address", &exporter.address]);
        assert_eq!(output.status.code(), Some(0), "{auth}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

#[test]
fn configured_versions_suites_and_curves_are_used() {
    let folder = tempfile::tempdir().unwrap();
    let ca = Authority::new("CA");
    ca.issue("page", &["localhost"]).write(folder.path(), "page");
    for (keys, tls12, tls13) in [
        ("", true, true),
        ("min_version: TLS13", false, true),
        ("max_version: TLS12", true, false),
        (
            "cipher_suites: [TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305, TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256], curve_preferences: [CurveP256, X25519]",
            true,
            true,
        ),
        ("cipher_suites: [TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256]", false, true),
        ("prefer_server_cipher_suites: false", true, true),
    ] {
        let exporter = start(
            folder.path(),
            &format!(
                "tls_server_config: {{cert_file: page.pem, key_file: page.key, {keys}}}\nhttp_server_config: {{http2: true}}\n"
            ),
        );
        for (version, expected) in [(&TLS12, tls12), (&TLS13, tls13)] {
            let got = Client::new(&ca.pem, None, &[version]).ask(&exporter.address, "");
            assert_eq!(got.is_ok(), expected, "{keys} {version:?}: {got:?}");
        }
    }
}

#[test]
fn every_path_requires_the_password() {
    let folder = tempfile::tempdir().unwrap();
    let config = format!(
        "basic_auth_users: {{prometheus: {SECRET}}}\nhttp_server_config: {{headers: {{X-Frame-Options: deny, x-content-type-options: nosniff}}}}\n"
    );
    let exporter = start(folder.path(), &config);
    let right = basic("prometheus", "secret");
    for path in ["/metrics", "/", "/-/healthy", "/-/ready", "/nothing/here"] {
        for authorization in
            ["", "Basic", "Bearer x", &basic("prometheus", "Secret"), &basic("root", "secret"), &basic("", "")]
        {
            let answer = exporter.get(path, &[("Authorization", authorization)]);
            assert_eq!(answer.status, 401, "{path} with {authorization}");
            assert!(answer.head.contains("www-authenticate: basic realm="), "{}", answer.head);
            assert!(answer.head.contains("x-frame-options: deny"), "{}", answer.head);
            assert_eq!(answer.text(), "unauthorized\n", "nothing of the page");
        }
        let answer = exporter.get(path, &[("Authorization", &right)]);
        assert_eq!(answer.status, if path == "/nothing/here" { 404 } else { 200 });
        assert!(answer.head.contains("x-content-type-options: nosniff"), "{}", answer.head);
    }
    let output = run(&["healthy", "--web.listen-address", &exporter.address]);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let page = exporter.get("/metrics", &[("Authorization", &right)]);
    assert!(
        page.text().contains("zk_exporter_http_requests_total{handler=\"refused\",code=\"401\"} 31"),
        "{}",
        page.text()
    );
}

/// A hash that is expensive even in a debug build.
fn costly(password: &str) -> String {
    bcrypt::hash(password, 7).unwrap()
}

/// Connections that have each sent a request with a different wrong password.
fn flood(exporter: &Exporter, count: usize) -> Vec<TcpStream> {
    let send = |number: usize| {
        let mut stream = TcpStream::connect(&exporter.address).unwrap();
        let wrong = basic("prometheus", &format!("wrong {number}"));
        let timeout = "X-Prometheus-Scrape-Timeout-Seconds: 3";
        let request = format!("GET / HTTP/1.1\r\nHost: x\r\n{timeout}\r\nAuthorization: {wrong}\r\n\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        stream
    };
    (0..count).map(send).collect()
}

#[test]
fn a_right_password_is_verified_in_time_during_a_flood_of_wrong_ones() {
    let folder = tempfile::tempdir().unwrap();
    let config = format!("basic_auth_users: {{prometheus: {}}}\n", costly("secret"));
    let exporter = start(folder.path(), &config);
    let right = basic("prometheus", "secret");
    let begun = Instant::now();
    let flood = flood(&exporter, 60);
    // Not cached: it must be verified while the others wait.
    let timeout = ("X-Prometheus-Scrape-Timeout-Seconds", "10");
    let answer = exporter.get("/-/healthy", &[("Authorization", &right), timeout]);
    assert_eq!(answer.status, 200);
    assert!(answer.took < Duration::from_secs(10), "{:?}", answer.took);
    for _ in 0..5 {
        assert_eq!(exporter.get("/-/healthy", &[("Authorization", &right)]).status, 200, "now it is remembered");
    }
    // The others are rejected, or asked to retry, within their own timeout.
    for mut stream in flood {
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let mut head = [0; 12];
        stream.read_exact(&mut head).unwrap();
        let head = String::from_utf8_lossy(&head);
        assert!(["HTTP/1.1 401", "HTTP/1.1 503"].contains(&&*head), "{head}");
    }
    assert!(begun.elapsed() < Duration::from_secs(15), "{:?}", begun.elapsed());
    // A change that leaves the user unchanged keeps the cache: the other requests cause no delay.
    let path = folder.path().join("web.yml");
    std::fs::write(&path, format!("{config}http_server_config: {{headers: {{X-Frame-Options: deny}}}}\n")).unwrap();
    exporter.signal("HUP");
    let get = || exporter.get("/-/healthy", &[("Authorization", &right)]);
    let deadline = Instant::now() + Duration::from_secs(20);
    while !get().head.contains("x-frame-options: deny") {
        assert!(Instant::now() < deadline, "{}", exporter.log());
    }
    let metrics = exporter.get("/metrics", &[("Authorization", &right)]);
    assert_eq!(metrics.status, 200);
}

#[test]
fn an_unknown_user_takes_as_long_as_a_wrong_password_of_any_cost() {
    let folder = tempfile::tempdir().unwrap();
    let exporter =
        start(folder.path(), &format!("basic_auth_users: {{cheap: {SECRET}, costly: {}}}\n", costly("secret")));
    let time = |user: &str, number: usize| {
        let wrong = basic(user, &format!("wrong {number}"));
        exporter.get("/", &[("Authorization", &wrong)]).took.as_secs_f64()
    };
    // Interleaved, with the minimum of each: load on the machine makes single requests slower, never faster.
    let mut fastest = [f64::INFINITY; 3];
    let alike = (0..10).any(|turn| {
        for (fastest, user) in fastest.iter_mut().zip(["cheap", "costly", "nobody"]) {
            *fastest = fastest.min(time(user, turn));
        }
        turn >= 2 && fastest.iter().all(|one| fastest.iter().all(|other| (0.5..2.0).contains(&(one / other))))
    });
    assert!(alike, "cheap, costly, unknown: {fastest:?} s");
}

#[test]
fn changed_files_are_applied_without_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let ca = Authority::new("CA");
    let (first, second) = (ca.issue("first", &["localhost"]), ca.issue("second", &["localhost"]));
    first.write(folder.path(), "page");
    let tls = "tls_server_config: {cert_file: page.pem, key_file: page.key}\n";
    let exporter = start(folder.path(), tls);
    let client = Client::new(&ca.pem, None, BOTH);
    let subject = || client.ask(&exporter.address, &basic("prometheus", "secret")).unwrap();
    let (status, shown) = subject();
    assert_eq!(status, 200);
    second.write(folder.path(), "page");
    let deadline = Instant::now() + Duration::from_secs(20);
    while subject().1 == shown {
        assert!(Instant::now() < deadline, "the old certificate is still shown: {}", exporter.log());
        std::thread::yield_now();
    }
    // A broken file leaves the previous state active and is logged once.
    let shown = subject().1;
    std::fs::write(folder.path().join("page.key"), "nonsense").unwrap();
    while !exporter.log().contains("web configuration reload failed") {
        assert!(Instant::now() < deadline, "{}", exporter.log());
        assert_eq!(subject(), (200, shown.clone()));
    }
    // Users and the file itself may be added and removed.
    second.write(folder.path(), "page");
    std::fs::write(folder.path().join("web.yml"), format!("{tls}basic_auth_users: {{other: {SECRET}}}\n")).unwrap();
    while subject().0 != 401 {
        assert!(Instant::now() < deadline + Duration::from_secs(20), "{}", exporter.log());
    }
    assert_eq!(client.ask(&exporter.address, &basic("other", "secret")).unwrap().0, 200);
    assert_eq!(exporter.log().matches("web configuration reload failed").count(), 1, "{}", exporter.log());
}

#[test]
fn a_half_written_file_does_not_disable_authentication() {
    let folder = tempfile::tempdir().unwrap();
    let ca = Authority::new("CA");
    ca.issue("page", &["localhost"]).write(folder.path(), "page");
    let users = format!("basic_auth_users: {{prometheus: {SECRET}}}\n");
    let exporter = start(folder.path(), &users);
    let right = basic("prometheus", "secret");
    let open = || exporter.get("/-/healthy", &[]).status == 200;
    let path = folder.path().join("web.yml");
    let deadline = Instant::now() + Duration::from_mins(1);
    for part in ["", "\n", "# users\n", "http_server_config: {}\n", "basic_auth_users:\n", "basic_auth_users: {}\n"] {
        let before = exporter.log().matches("would remove the users").count();
        std::fs::write(&path, part).unwrap();
        while exporter.log().matches("would remove the users").count() == before {
            assert!(Instant::now() < deadline, "{part:?}: {}", exporter.log());
            assert!(!open(), "{part:?}");
        }
        assert!(!open(), "{part:?}");
        assert_eq!(exporter.get("/-/healthy", &[("Authorization", &right)]).status, 200);
    }
    // A reload rejects an empty file too: it may be half-written.
    std::fs::write(&path, "").unwrap();
    exporter.signal("HUP");
    while !exporter.log().contains("configuration reload failed, keeping the previous configuration") {
        assert!(Instant::now() < deadline, "{}", exporter.log());
        assert!(!open());
    }
    // Removing them requires a reload of a file with that content.
    std::fs::write(&path, "{}\n").unwrap();
    exporter.signal("HUP");
    while !open() {
        assert!(Instant::now() < deadline, "{}", exporter.log());
    }
}

#[test]
fn a_connection_is_closed_when_its_certificate_loses_access() {
    let folder = tempfile::tempdir().unwrap();
    let ca = Authority::new("CA");
    ca.issue("page", &["localhost"]).write(folder.path(), "page");
    std::fs::write(folder.path().join("ca.pem"), &ca.pem).unwrap();
    let allowed = ca.issue("us", &["prometheus.example.com"]);
    let config = |name: &str| {
        let client = "client_ca_file: ca.pem, client_auth_type: RequireAndVerifyClientCert";
        format!(
            "tls_server_config: {{cert_file: page.pem, key_file: page.key, {client}, client_allowed_sans: [{name}]}}\n"
        )
    };
    let exporter = start(folder.path(), &config("prometheus.example.com"));
    let client = Client::new(&ca.pem, Some(&allowed), BOTH);
    let stream = TcpStream::connect(&exporter.address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let session = ClientConnection::new(Arc::clone(&client.config), "localhost".try_into().unwrap()).unwrap();
    let mut kept = StreamOwned::new(session, stream);
    let request = b"GET /-/healthy HTTP/1.1\r\nHost: localhost\r\n\r\n";
    kept.write_all(request).unwrap();
    let mut answer = [0; 12];
    kept.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"HTTP/1.1 200");
    // A reload without a change closes no connection.
    exporter.signal("HUP");
    while !exporter.log().contains("configuration reloaded") {
        std::thread::yield_now();
    }
    kept.write_all(request).unwrap();
    let mut rest = Vec::new();
    while String::from_utf8_lossy(&rest).matches("HTTP/1.1 200").count() < 1 {
        let mut piece = [0; 4096];
        let read = kept.read(&mut piece).unwrap();
        assert!(read > 0, "closed without a reason");
        rest.extend_from_slice(&piece[..read]);
    }
    std::fs::write(folder.path().join("web.yml"), config("other.example.com")).unwrap();
    exporter.signal("HUP");
    // The connection is closed without another request.
    let mut rest = Vec::new();
    kept.read_to_end(&mut rest).unwrap();
    assert!(!rest.windows(8).any(|window| window == b"HTTP/1.1"), "{}", String::from_utf8_lossy(&rest));
    assert!(client.ask(&exporter.address, "").is_err(), "nor is it let in again");
}

#[test]
fn check_reports_connection_errors_in_terms_of_its_flags() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new("check");
    authority.issue("page", &["localhost"]).write(folder.path(), "page");
    let ca = folder.path().join("ca.pem");
    std::fs::write(&ca, &authority.pem).unwrap();
    let secure = start(folder.path(), "tls_server_config: {cert_file: page.pem, key_file: page.key}\n");
    let plain = Exporter::start(&["--zookeeper", &closed_port()]);
    let port = |exporter: &Exporter| exporter.address.rsplit_once(':').unwrap().1.to_owned();
    let ca = ["--from.ca-file", ca.to_str().unwrap()];
    let refused = closed_port();
    for (from, flags, part) in [
        (
            format!("https://localhost:{}", port(&secure)),
            &[][..],
            "is not signed by a CA in the system's store; set --from.ca-file to its CA",
        ),
        (
            format!("https://127.0.0.1:{}", port(&secure)),
            &ca,
            "is not for `127.0.0.1` but for localhost; use a name that it has in --from",
        ),
        (format!("https://localhost:{}", port(&plain)), &ca, "is not TLS; use http:// in --from"),
        (format!("http://localhost:{}", port(&secure)), &[], "expected https:// in --from if the page has TLS"),
        (format!("http://{refused}/metrics"), &[], "Connection refused"),
    ] {
        let output = run(&[&["check", "--from", &from], flags].concat());
        let said = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.code() == Some(3) && said.contains(part), "{from}: {said}");
        assert!(!said.contains("the member") && said.matches(refused.as_str()).count() <= 1, "{from}: {said}");
    }
    let output = run(&["check", "--from", &format!("https://localhost:{}", port(&secure)), ca[0], ca[1]]);
    assert_eq!(output.status.code(), Some(2), "the page is read, and its member is down");
    // A self-signed certificate is accepted if its own file is given.
    for (name, is_ca, advice) in [
        (
            "plain",
            IsCa::ExplicitNoCa,
            "system's store; it is self-signed: set --from.ca-file to the certificate itself",
        ),
        (
            "own",
            IsCa::Ca(BasicConstraints::Unconstrained),
            "set --from.ca-file to it, or create one with openssl -addext basicConstraints=CA:FALSE",
        ),
    ] {
        let (file, _) = Authority::self_signed(name, "localhost", is_ca).write(folder.path(), name);
        let exporter =
            start(folder.path(), &format!("tls_server_config: {{cert_file: {name}.pem, key_file: {name}.key}}\n"));
        let from = format!("https://localhost:{}", port(&exporter));
        for (flags, told) in [(&[][..], advice), (&["--from.ca-file", file.to_str().unwrap()], "ZOOKEEPER CRITICAL")] {
            let said = String::from_utf8(run(&[&["check", "--from", &from], flags].concat()).stdout).unwrap();
            assert!(said.contains(told), "{name} {flags:?}: {said}");
        }
    }
}
