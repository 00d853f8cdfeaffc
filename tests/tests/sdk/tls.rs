//! TLS, with a real handshake.

use std::fmt::Write as _;
use std::sync::Arc;

use pg_durable_sdk::testing::TestServer;
use pg_durable_sdk::{Client, ConnectError, Workflow, sql};
use rustls::crypto::ring::default_provider;
use rustls::pki_types::CertificateDer;
use rustls::{ClientConfig, RootCertStore};
use tokio_postgres::config::{Config, SslMode};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::kit::{in_runtime, own_server, until};

/// How many of the client's connections there are, and how many of them are encrypted.
const ENCRYPTED: &str = "SELECT count(*) || ' ' || count(*) FILTER (WHERE ssl) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) \
     WHERE application_name = 'pg_durable_sdk'";

#[test]
fn both_connections_are_encrypted() {
    let server = own_server();
    let certificate = encrypt(&server);
    in_runtime(async {
        let client = Client::connect_with(config(&server), trusting(certificate)).await.expect("it connects");
        let workflow = Workflow::new().wait_for_signal("go").step(sql("SELECT 42").returns::<i32>());
        let started = workflow.start(&client).await.expect("it starts");
        let result = tokio::spawn({
            let started = started.clone();
            async move { started.result().await }
        });
        until(
            &server,
            "SELECT count(*) = 1 FROM pg_stat_activity WHERE query LIKE '%await_any($%' AND state = 'active' AND pid <> pg_backend_pid()",
        );
        assert_eq!(server.psql("postgres", ENCRYPTED).expect("it answers"), "2 2");
        started.signal("go", &()).await.expect("it is there");
        assert_eq!(result.await.expect("no panic").expect("it completes"), 42);
    });
}

#[test]
fn a_certificate_that_is_not_trusted_is_refused() {
    let server = own_server();
    encrypt(&server);
    in_runtime(async {
        let another = self_signed().cert.der().clone();
        let error =
            Client::connect_with(config(&server), trusting(another)).await.expect_err("it is refused");
        let ConnectError::Server(refused) = &error else { panic!("{error:?}") };
        // No later attempt finds another certificate.
        assert!(!refused.is_connection_lost(), "{refused:?}");
        let cause = std::error::Error::source(refused).expect("the handshake has its reason");
        assert!(cause.to_string().contains("certificate"), "{cause}");
    });
}

/// Gives the server a certificate of its own and lets it take TLS; returns the certificate.
fn encrypt(server: &TestServer) -> CertificateDer<'static> {
    let own = self_signed();
    let mut script = String::new();
    for (file, pem) in [("server.crt", own.cert.pem()), ("server.key", own.signing_key.serialize_pem())] {
        // The server writes them itself, so that they are its user's and nobody else reads the key.
        let lines = pem.replace("\r\n", "\n");
        let _ = writeln!(
            script,
            "COPY (SELECT line FROM unnest(string_to_array('{}', E'\\n')) AS line) TO PROGRAM 'umask 077; cat > {file}';",
            lines.trim_end()
        );
    }
    script.push_str("ALTER SYSTEM SET ssl = on;");
    server.psql("postgres", &script).expect("it is written");
    server.restart().expect("it starts with TLS");
    own.cert.der().clone()
}

fn self_signed() -> rcgen::CertifiedKey<rcgen::KeyPair> {
    rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate is made")
}

/// A connector that trusts this certificate and no other.
fn trusting(certificate: CertificateDer<'static>) -> MakeRustlsConnect {
    let mut roots = RootCertStore::empty();
    roots.add(certificate).expect("it is a certificate");
    let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .expect("the provider has them")
        .with_root_certificates(roots)
        .with_no_client_auth();
    MakeRustlsConnect::new(config)
}

fn config(server: &TestServer) -> Config {
    let mut config = Config::new();
    config.host("localhost").hostaddr([127, 0, 0, 1].into()).port(server.port());
    config.user("app").dbname("postgres").ssl_mode(SslMode::Require);
    config
}
