//! Who is kept out, and which certificate ends.

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
        .warning(30.0 * day, Span::hours(1), "A certificate of a ZooKeeper member ends within weeks.")
        .critical(7.0 * day, Span::hours(1), "A certificate of a ZooKeeper member ends within days.")
        .source("30 days: Strimzi; 7 days: kubernetes-mixin")
        .says(
            "the certificate <subject> of <who> ends in <value> (limit <limit>); then clients that check it cannot connect.",
            "First see it yourself: openssl s_client -connect <member> -showcerts </dev/null 2>/dev/null | openssl x509 -noout -subject -enddate",
        )
        .means("The certificate that the member shows, or one of its issuers, is near its end.", "At its end no new TLS connection succeeds; old ones go on until they break.")
        .so("Renew it this week; plan a rolling restart, each member while the margin is above 0, where certificates are not reloaded.", "Put the new key store in place; client.certReload=true or a restart, one member at a time, while the margin is above 0. Check sslQuorum as well: it has a store of its own.")
        .fires(Warning, "m1 subject=CN=zk-1", "20 days left", &[
            "zk_tls_certificate_not_after_timestamp_seconds{subject=\"CN=zk-1\"} m1 1728000",
        ])
        .fires(Critical, "m1 subject=CN=zk-1", "2 days left", &[
            "zk_tls_certificate_not_after_timestamp_seconds{subject=\"CN=zk-1\"} m1 172800",
        ])
        .quiet(Warning, "90 days left", &["zk_tls_certificate_not_after_timestamp_seconds{subject=\"CN=zk-1\"} m1 7776000"])
        .quiet(Critical, "20 days is a warning", &[
            "zk_tls_certificate_not_after_timestamp_seconds{subject=\"CN=zk-1\"} m1 1728000",
        ]),
        condition(
            "AuthFailures",
            Unit::Count,
            series("zk_auth_failed_total").increase(ten).of_member().gt(LIMIT),
        )
        .warning(5.0, Span(0), "Clients fail to log in to a ZooKeeper member.")
        .source("judgement: more than 5 within 10 minutes is more than a mistyped password")
        .says(
            "<value> clients have failed to log in at <who> within 10 minutes (limit <limit>).",
            "First see who and why: grep -iE 'auth.*fail|Failed to authenticate' in the log on <host> | tail -20",
        )
        .means("Passwords, keytabs or certificates of clients are wrong or expired, or are being guessed.", "Those clients do not get in.")
        .so("Known clients: their credentials. Unknown addresses: security.", "Renew keytabs or passwords; close the port to strangers.")
        .fires(Warning, "m2", "two a minute", &["zk_auth_failed_total m2 +2/m"])
        .quiet(Warning, "one in ten minutes", &["zk_auth_failed_total m2 +0.1/m"]),
        condition(
            "TlsHandshakeFailures",
            Unit::Count,
            series("zk_unsuccessful_handshake_total").increase(ten).of_member().gt(LIMIT),
        )
        .warning(5.0, Span(0), "TLS handshakes with a ZooKeeper member fail.")
        .source("judgement: more than 5 within 10 minutes; port scanners and load balancers count, too")
        .says(
            "<value> TLS handshakes with <who> have failed within 10 minutes (limit <limit>).",
            "First try one: openssl s_client -connect <member> </dev/null - then who it was: grep -iE 'handshake|Unsuccessful' in the log on <host> | tail -20",
        )
        .means("Clients without a valid certificate, of another CA, with an old protocol, or without TLS at all.", "Those clients do not get in.")
        .so("Known clients: their certificates. A health check: let it speak TLS or leave.", "Renew the client's certificate or trust its CA.")
        .fires(Warning, "m2", "two a minute", &["zk_unsuccessful_handshake_total m2 +2/m"])
        .quiet(Warning, "one in ten minutes", &["zk_unsuccessful_handshake_total m2 +0.1/m"]),
        condition(
            "EnsembleAuthFailures",
            Unit::Count,
            series("zk_ensemble_auth_fail_total").increase(ten).of_member().gt(LIMIT),
        )
        .warning(0.0, Span(0), "Clients of another ensemble come to a ZooKeeper member.")
        .source("any one: a client that means another ensemble is configured wrongly")
        .says(
            "<value> clients that named another ensemble have come to <who> within 10 minutes and were refused.",
            "First see from where: grep -i ensemble in the log on <host> | tail -20 - then their connect string.",
        )
        .means("The connect string of those clients names members of the wrong ensemble.", "They do not get in, and would have written to the wrong place.")
        .so("Correct the clients.", "Put the connect string of the clients right.")
        .fires(Warning, "m2", "one a minute", &["zk_ensemble_auth_fail_total m2 +1/m"])
        .quiet(Warning, "long ago", &["zk_ensemble_auth_fail_total m2 7"]),
    ]
}
