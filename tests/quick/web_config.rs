//! Files of `--web.config.file` that exporter-toolkit accepts or rejects, and the rate limit.

use std::path::Path;

use crate::common::certs::Authority;
use crate::common::exporter::{Exporter, binary, run};
use crate::common::listeners::closed_port;
use crate::endpoint::{BOTH, Client};

/// The cases of exporter-toolkit's test data (`web/testdata`), by their names there: the keys, and the logged warning
/// if the behaviour differs. `C` is a certificate with its key.
const ACCEPTED: &[(&str, &str, &str)] = &[
    ("web_config_empty.yml", "", ""),
    ("noAuth.requireanyclientcert.good.yml", "tls_server_config: {C, client_auth_type: RequireAnyClientCert}", ""),
    (
        "noAuth.requireandverifyclientcert.good.yml",
        "tls_server_config: {C, client_auth_type: RequireAndVerifyClientCert, client_ca_file: ca.pem}",
        "",
    ),
    ("noAuth.good.yml", "tls_server_config: {C, client_auth_type: VerifyClientCertIfGiven}", EVERY_CA),
    // auth_clientCAs_missing.bad.yml has the same keys and is accepted there as well.
    ("noAuth.good.blocking.yml", "tls_server_config: {C, client_auth_type: RequireAndVerifyClientCert}", EVERY_CA),
    (
        "auth_client_san.good.yaml",
        "tls_server_config: {C, client_auth_type: RequireAndVerifyClientCert, client_ca_file: ca.pem, client_allowed_sans: [a]}",
        "",
    ),
    (
        "noAuth_allCiphers.good.yml",
        "tls_server_config: {C, cipher_suites: [TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, TLS_AES_128_GCM_SHA256, TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA]}",
        "cipher_suites: not supported and omitted: TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA",
    ),
    (
        "noAuth_allCurves.good.yml",
        "tls_server_config: {C, curve_preferences: [CurveP256, CurveP384, CurveP521, X25519]}",
        "curve_preferences: not supported and omitted: CurveP521",
    ),
    (
        "noAuth_noHTTP2.good.yml",
        "{tls_server_config: {C, cipher_suites: [TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384], max_version: TLS12}, http_server_config: {http2: false}}",
        "",
    ),
    (
        "noAuth_someCiphers.good.yml",
        "tls_server_config: {C, cipher_suites: [TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256], min_version: TLS12, max_version: TLS12}",
        "",
    ),
    (
        "noAuth_someCiphers_noOrder.good.yml",
        "tls_server_config: {C, cipher_suites: [TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256], prefer_server_cipher_suites: false}",
        "",
    ),
    (
        "headers.good.yml",
        "http_server_config: {headers: {X-Frame-Options: deny, Strict-Transport-Security: max-age=1; includeSubDomains, X-Content-Type-Options: nosniff, X-XSS-Protection: 1, Content-Security-Policy: \"default-src 'self'\"}}",
        "",
    ),
    ("users_noTLS.good.yml", "basic_auth_users: {alice: HASH12, bob: HASH18}", "the hash of `bob` has cost 18"),
    ("users.good.yml", "{tls_server_config: {C}, basic_auth_users: {bob: HASH18}}", "the hash of `bob` has cost 18"),
    ("rate_limiter_nonblocking.yaml", "rate_limit: {interval: 0, burst: 0}", ""),
    ("rate_limiter_one_second.yaml", "rate_limit: {interval: 1s, burst: 0}", "a burst of 0 refuses every request"),
];

const EVERY_CA: &str = "without client_ca_file, client certificates of every CA of this system are accepted";

const REFUSED: &[(&str, &str, &str)] = &[
    ("junk.yml", "hWkNKCp3fvIx3jKnsaBI\nTuEjdwNS8A2vYdFbiKqr", "expected keys"),
    ("junk_key.yml", "tls_server_config: {cert_filex: server.crt}", "unknown field `cert_filex`"),
    ("noAuth.bad.yml", "tls_server_config: {C, client_ca_file: /dev/null}", "client_ca_file has no effect"),
    ("auth_clientCAs_invalid.bad.yml", "tls_server_config: {C, client_ca_file: somefile}", "client_ca_file"),
    ("auth_user_list_invalid.bad.yml", "basic_auth_users: {john: doe}", "expected a bcrypt hash"),
    (
        "headers_content_type_options.bad.yml",
        "http_server_config: {headers: {X-Content-Type-Options: sniff}}",
        "`sniff`",
    ),
    ("headers_extra_header.bad.yml", "http_server_config: {headers: {Content-Type: foo}}", "`Content-Type`"),
    ("headers_frame_options.bad.yml", "http_server_config: {headers: {X-Frame-Options: foo}}", "`foo`"),
    ("noAuth_certPath_empty.bad.yml", "tls_server_config: {cert_file: \"\", key_file: page.key}", ""),
    ("noAuth_certPath_invalid.bad.yml", "tls_server_config: {cert_file: somefile, key_file: page.key}", "somefile"),
    (
        "noAuth_certPath_keyPath_empty.bad.yml",
        "tls_server_config: {cert_file: \"\", key_file: \"\", client_auth_type: x}",
        "",
    ),
    ("noAuth_cert_empty.bad.yml", "tls_server_config: {cert: \"\", key_file: page.key}", ""),
    ("noAuth_keyPath_empty.bad.yml", "tls_server_config: {cert_file: page.pem, key_file: \"\"}", ""),
    ("noAuth_keyPath_invalid.bad.yml", "tls_server_config: {cert_file: page.pem, key_file: somefile}", "somefile"),
    ("noAuth_key_empty.bad.yml", "tls_server_config: {cert_file: page.pem, key: \"\"}", ""),
    (
        "noAuth_inventedCiphers.bad.yml",
        "tls_server_config: {C, cipher_suites: [TLS_ECDHE_SHA2048]}",
        "unsupported cipher suite",
    ),
    (
        "noAuth_inventedCurves.bad.yml",
        "tls_server_config: {C, curve_preferences: [CurveP257]}",
        "unsupported curve `CurveP257`",
    ),
    (
        "noAuth_noHTTP2Cipher.bad.yml",
        "tls_server_config: {C, cipher_suites: [TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384], max_version: TLS12}",
        "which HTTP/2 requires",
    ),
    ("noAuth_wrongTLSVersion.bad.yml", "tls_server_config: {C, min_version: TLS111}", "`TLS111`"),
    // Go accepts it; rustls does not support P-521, so no client could connect.
    (
        "noAuth_someCurves.good.yml",
        "tls_server_config: {C, curve_preferences: [CurveP521]}",
        "unsupported curve `CurveP521`",
    ),
];

fn write(folder: &Path, keys: &str) -> String {
    let pair = "{cert_file: page.pem, key_file: page.key";
    let keys = keys.replace("{C,", &format!("{pair},")).replace("{C}", &format!("{pair}}}"));
    let keys = keys.replace("HASH12", "$2y$12$YQY1ImQSc7iSAbClnJLg1uVcAmZ/Osd0Lff3yQxq4GHdhFyfHE.L6");
    let keys = keys.replace("HASH18", "$2y$18$YQY1ImQSc7iSAbClnJLg1uVcAmZ/Osd0Lff3yQxq4GHdhFyfHE.L6");
    let path = folder.join("web.yml");
    std::fs::write(&path, keys + "\n").unwrap();
    path.to_str().unwrap().to_owned()
}

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let ca = Authority::new("CA");
    ca.issue("page", &["localhost"]).write(folder.path(), "page");
    std::fs::write(folder.path().join("ca.pem"), &ca.pem).unwrap();
    folder
}

/// Runs `config check` as the service manager does, with its own CA store.
fn check(folder: &Path, keys: &str) -> (Option<i32>, String) {
    let file = write(folder, keys);
    let output = binary()
        .args(["config", "check", "--web.config.file", &file])
        .env("SSL_CERT_FILE", folder.join("ca.pem"))
        .output()
        .unwrap();
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

fn start(folder: &Path, keys: &str) -> Exporter {
    let file = write(folder, keys);
    let mut command = binary();
    command.env("SSL_CERT_FILE", folder.join("ca.pem"));
    Exporter::start_by(command, &["--zookeeper", &closed_port(), "--web.config.file", &file])
}

#[test]
fn files_are_accepted_or_rejected_as_by_exporter_toolkit() {
    let folder = folder();
    for (name, keys, warning) in ACCEPTED {
        let (code, said) = check(folder.path(), keys);
        assert_eq!(code, Some(0), "{name}: {said}");
        let log = start(folder.path(), keys).log();
        assert_eq!(log.contains("web configuration: "), !warning.is_empty(), "{name}: {log}");
        assert!(log.contains(warning), "{name}: {log}");
    }
    for (name, keys, expected) in REFUSED {
        let (code, said) = check(folder.path(), keys);
        assert_eq!(code, Some(2), "{name} is accepted");
        assert!(said.lines().count() == 1 && said.contains(expected), "{name}: {said}");
    }
}

/// Without `client_ca_file`, client certificates are verified with the CAs of the system.
#[test]
fn without_a_ca_file_the_cas_of_the_system_are_used() {
    let folder = folder();
    let (ours, stranger) = (Authority::new("CA"), Authority::new("another CA"));
    std::fs::write(folder.path().join("ca.pem"), &ours.pem).unwrap();
    ours.issue("page", &["localhost"]).write(folder.path(), "page");
    let clients = [(ours.issue("us", &["us"]), true), (stranger.issue("them", &["them"]), false)];
    let exporter = start(folder.path(), "tls_server_config: {C, client_auth_type: RequireAndVerifyClientCert}");
    for (client, answers) in clients {
        let got = Client::new(&ours.pem, Some(&client), BOTH).ask(&exporter.address, "");
        assert_eq!(got.as_ref().is_ok_and(|(status, _)| *status == 200), answers, "{got:?}");
    }
    assert!(Client::new(&ours.pem, None, BOTH).ask(&exporter.address, "").is_err(), "a certificate is required");
    // A system without any CA is an error at start, not a server that rejects every client.
    std::fs::write(folder.path().join("none.pem"), "").unwrap();
    let file = write(folder.path(), "tls_server_config: {C, client_auth_type: VerifyClientCertIfGiven}");
    let output = binary()
        .args(["config", "check", "--web.config.file", &file])
        .env("SSL_CERT_FILE", folder.path().join("none.pem"))
        .env("SSL_CERT_DIR", folder.path().join("no"))
        .output()
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.code() == Some(2) && said.contains("the CA store of the system cannot be used"), "{said}");
}

#[test]
fn requests_beyond_the_rate_are_refused_with_429() {
    let folder = folder();
    let exporter = start(folder.path(), "rate_limit: {interval: 1h, burst: 3}");
    let codes: Vec<u16> = (0..5).map(|_| exporter.get("/-/healthy", &[]).status).collect();
    assert_eq!(codes, [200, 200, 200, 429, 429]);
    let refused = exporter.get("/metrics", &[]);
    assert!(refused.head.contains("\r\nretry-after: 3"), "{}", refused.head);
    assert_eq!(refused.text(), "too many requests, try again later\n");
    // A reload with the same limit does not refill the bucket.
    exporter.signal("HUP");
    let refused = exporter.get("/-/healthy", &[]);
    assert_eq!(refused.status, 429);
    let none = start(folder.path(), "rate_limit: {interval: 0, burst: 0}");
    assert!((0..10).all(|_| none.get("/-/healthy", &[]).status == 200));
}

#[test]
fn rate_limit_intervals_are_durations() {
    let folder = folder();
    for (keys, expected) in [
        ("rate_limit: {interval: 10, burst: 1}", "rate_limit: "),
        ("rate_limit: {interval: fast, burst: 1}", "`fast`"),
        ("rate_limit: {interval: 1s, burst: -1}", "invalid burst `-1`"),
        ("rate_limit: {every: 1s}", "unknown field `every`"),
    ] {
        let (code, said) = check(folder.path(), keys);
        assert!(code == Some(2) && said.contains(expected), "{keys}: {said}");
    }
    let output = run(&["config", "check"]);
    assert_eq!(output.status.code(), Some(2));
}
