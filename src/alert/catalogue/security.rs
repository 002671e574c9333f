//! Rejected clients, and certificates that expire.

use super::super::build::{LIMIT, series};
use super::super::condition::Severity::{Critical, Warning};
use super::super::condition::{Condition, Group, Unit};
use super::super::expr::{Agg, Expr, Keys, Span};

fn condition(name: &'static str, unit: Unit, expr: Expr) -> Condition {
    Condition::new(name, Group::Security, unit, expr)
}

pub(super) fn conditions() -> Vec<Condition> {
    let ten = Span::minutes(10);
    let day = 86_400.0;
    vec![
        condition(
            "CertificateExpiring",
            Unit::Seconds,
            (series("zk_tls_certificate_not_after_timestamp_seconds").by(Agg::Max, Keys::Certificate) - Expr::Time)
                .lt(LIMIT),
        )
        .warning(30.0 * day, Span::hours(1), "A certificate of a ZooKeeper member expires within weeks.")
        .critical(7.0 * day, Span::hours(1), "A certificate of a ZooKeeper member expires within days.")
        .source("30 days: Strimzi; 7 days: kubernetes-mixin")
        .says(
            "the certificate <subject> of <who> is valid for <value> more (limit <limit>; a negative time: it has expired); clients that verify an expired certificate cannot connect.",
            "First check it yourself: openssl s_client -connect <member> -showcerts </dev/null 2>/dev/null | openssl x509 -noout -subject -enddate",
        )
        .means("The certificate that the member presents, or one of its issuers, is close to its expiry.", "After expiry no new TLS connection succeeds; existing ones continue until they are closed.")
        .so("Renew it this week; plan a rolling restart, each member while the margin is above 0, if certificates are not reloaded.", "Install the new key store; client.certReload=true or a restart, one member at a time, while the margin is above 0. Check sslQuorum as well: it has its own key store. If certificates are issued for less than 90 days, set the limits to a third and a twelfth of their lifetime (CertificateExpiring under alerts.thresholds): one of 30 days is always below 30.")
        .fires(Warning, "m1 subject=CN=zk-1", "20 days left", &[
            "zk_tls_certificate_not_after_timestamp_seconds{subject=\"CN=zk-1\"} m1 1728000",
        ])
        .fires(Critical, "m1 subject=CN=zk-1", "2 days left", &[
            "zk_tls_certificate_not_after_timestamp_seconds{subject=\"CN=zk-1\"} m1 172800",
        ])
        .fires(Critical, "m1 subject=CN=zk-1", "2 days left, and one failed scrape", &[
            "zk_tls_certificate_not_after_timestamp_seconds{subject=\"CN=zk-1\"} m1 172800 for 40m then stale for 1m then 172800",
        ])
        .quiet(Warning, "90 days left", &["zk_tls_certificate_not_after_timestamp_seconds{subject=\"CN=zk-1\"} m1 7776000"])
        .quiet(Critical, "20 days is only a warning", &[
            "zk_tls_certificate_not_after_timestamp_seconds{subject=\"CN=zk-1\"} m1 1728000",
        ]),
        condition(
            "AuthFailures",
            Unit::Count,
            series("zk_auth_failed_total").increase(ten).of_member().gt(LIMIT),
        )
        .warning(5.0, Span(0), "Clients fail to authenticate to a ZooKeeper member.")
        .source("judgement: more than 5 within 10 minutes is more than a mistyped password")
        .says(
            "<value> clients have failed to authenticate to <who> within 10 minutes (limit <limit>).",
            "First check which clients, and why: grep -iE 'auth.*fail|Failed to authenticate' zookeeper.log | tail -20 on <host>",
        )
        .means("Passwords, keytabs or certificates of clients are wrong or expired, or an attacker is guessing them.", "Those clients cannot connect.")
        .so("Known clients: check their credentials. Unknown addresses: involve security.", "Renew keytabs or passwords; restrict the port to known clients.")
        .fires(Warning, "m2", "two a minute", &["zk_auth_failed_total m2 +2/m"])
        .quiet(Warning, "one in ten minutes", &["zk_auth_failed_total m2 +0.1/m"]),
        condition(
            "TlsHandshakeFailures",
            Unit::Count,
            series("zk_unsuccessful_handshake_total").increase(ten).of_member().gt(LIMIT),
        )
        .warning(5.0, Span(0), "TLS handshakes with a ZooKeeper member fail.")
        .source("judgement: more than 5 within 10 minutes; port scanners and load balancers count too")
        .says(
            "<value> TLS handshakes with <who> have failed within 10 minutes (limit <limit>).",
            "First try one: openssl s_client -connect <member> </dev/null - then find the clients: grep -iE 'handshake|Unsuccessful' zookeeper.log | tail -20 on <host>",
        )
        .means("Clients use no valid certificate, a certificate of another CA, an old protocol, or no TLS.", "Those clients cannot connect.")
        .so("Known clients: check their certificates. A health check: let it use TLS, or remove it.", "Renew the client's certificate, or trust its CA.")
        .fires(Warning, "m2", "two a minute", &["zk_unsuccessful_handshake_total m2 +2/m"])
        .quiet(Warning, "one in ten minutes", &["zk_unsuccessful_handshake_total m2 +0.1/m"]),
        condition(
            "EnsembleAuthFailures",
            Unit::Count,
            series("zk_ensemble_auth_fail_total").increase(ten).of_member().gt(LIMIT),
        )
        .warning(0.0, Span(0), "Clients of another ensemble connect to a ZooKeeper member.")
        .source("any one: a client intended for another ensemble is misconfigured")
        .says(
            "<value> clients that named another ensemble have connected to <who> within 10 minutes and were refused.",
            "First check where they come from: grep -i ensemble zookeeper.log | tail -20 on <host> - then check their connect string.",
        )
        .means("The connect string of those clients names members of the wrong ensemble.", "They cannot connect; otherwise they would have written to the wrong ensemble.")
        .so("Fix the configuration of the clients.", "Correct the connect string of the clients.")
        .fires(Warning, "m2", "one a minute", &["zk_ensemble_auth_fail_total m2 +1/m"])
        .quiet(Warning, "long ago", &["zk_ensemble_auth_fail_total m2 7"]),
    ]
}
