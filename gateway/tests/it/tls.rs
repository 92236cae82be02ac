//! TLS beside plain HTTP on one port, with a certificate that changes.

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use gateway::accept::options::AcceptOptions;
use gateway::accept::tls::{Tls, TlsError, TlsFiles};
use http::{Request, StatusCode, Version};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http2;
use hyper_rustls::HttpsConnectorBuilder;
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::CertificateDer;
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::server::Server;

fn pem(label: &str, der: &[u8]) -> String {
    let text = base64_simd::STANDARD.encode_to_string(der);
    format!("-----BEGIN {label}-----\n{text}\n-----END {label}-----\n")
}

/// Writes a new certificate for `localhost`, signed by itself.
fn write(files: &TlsFiles) -> CertificateDer<'static> {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    std::fs::write(&files.certificate, pem("CERTIFICATE", made.cert.der())).unwrap();
    std::fs::write(&files.key, pem("PRIVATE KEY", &made.signing_key.serialize_der())).unwrap();
    made.cert.der().clone()
}

fn files(folder: &Path) -> TlsFiles {
    TlsFiles { certificate: folder.join("cert.pem"), key: folder.join("key.pem") }
}

/// A client that trusts `certificate` alone.
fn trusting(certificate: &CertificateDer<'static>) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add(certificate.clone()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()));
    let config = config.with_safe_default_protocol_versions().unwrap();
    config.with_root_certificates(roots).with_no_client_auth()
}

/// Asks for health.
async fn ask(server: &Server, certificate: &CertificateDer<'static>, http2: bool) -> Option<(Version, StatusCode)> {
    let connector = HttpsConnectorBuilder::new().with_tls_config(trusting(certificate)).https_only();
    let connector = if http2 { connector.enable_http2().build() } else { connector.enable_http1().build() };
    let client = Client::builder(TokioExecutor::new()).http2_only(http2).build::<_, Full<Bytes>>(connector);
    let url = format!("https://localhost:{}/healthz", server.address.port());
    let answer = client.request(Request::get(url).body(Full::default()).unwrap()).await.ok()?;
    let found = (answer.version(), answer.status());
    assert_eq!(answer.collect().await.unwrap().to_bytes(), r#"{"status":"ok"}"#);
    Some(found)
}

#[tokio::test]
async fn both_versions_of_http_are_spoken_with_and_without_tls() {
    let folder = tempfile::tempdir().unwrap();
    let certificate = write(&files(folder.path()));
    let tls = Tls::open(files(folder.path())).unwrap();
    let server = Server::accepting(AcceptOptions::default(), Some(tls)).await;
    assert_eq!(ask(&server, &certificate, true).await, Some((Version::HTTP_2, StatusCode::OK)));
    assert_eq!(ask(&server, &certificate, false).await, Some((Version::HTTP_11, StatusCode::OK)));
    assert_eq!(server.get("/healthz").await.status, StatusCode::OK);
    let client = Client::builder(TokioExecutor::new()).http2_only(true).build_http::<Full<Bytes>>();
    let request = Request::get(format!("http://{}/healthz", server.address)).body(Full::default()).unwrap();
    let answer = client.request(request).await.unwrap();
    assert_eq!((answer.version(), answer.status()), (Version::HTTP_2, StatusCode::OK));
}

/// The SDK for Java names no protocol in its handshake, and begins with HTTP/2.
#[tokio::test]
async fn http2_is_known_by_its_first_bytes_within_tls() {
    let folder = tempfile::tempdir().unwrap();
    let certificate = write(&files(folder.path()));
    let tls = Tls::open(files(folder.path())).unwrap();
    let server = Server::accepting(AcceptOptions::default(), Some(tls)).await;
    let stream = TcpStream::connect(server.address).await.unwrap();
    let connector = TlsConnector::from(Arc::new(trusting(&certificate)));
    let stream = connector.connect("localhost".try_into().unwrap(), stream).await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), None);
    let (mut sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let request = Request::get(format!("https://localhost:{}/healthz", server.address.port()));
    let answer = sender.send_request(request.body(Full::<Bytes>::default()).unwrap()).await.unwrap();
    assert_eq!((answer.version(), answer.status()), (Version::HTTP_2, StatusCode::OK));
}

#[tokio::test]
async fn a_new_certificate_serves_the_next_handshakes_and_a_bad_one_does_not() {
    let folder = tempfile::tempdir().unwrap();
    let files = files(folder.path());
    let first = write(&files);
    let tls = Tls::open(files.clone()).unwrap();
    let server = Server::accepting(AcceptOptions::default(), Some(tls.clone())).await;
    assert!(ask(&server, &first, true).await.is_some());
    let second = write(&files);
    assert!(ask(&server, &second, true).await.is_none(), "not read yet");
    tls.reload().await;
    assert!(ask(&server, &second, true).await.is_some() && ask(&server, &first, true).await.is_none());
    // Half of a change, and half of a file.
    std::fs::write(&files.certificate, pem("CERTIFICATE", &first)).unwrap();
    tls.reload().await;
    assert!(ask(&server, &second, false).await.is_some());
    std::fs::write(&files.certificate, "-----BEGIN CERTIFICATE-----\n").unwrap();
    tls.reload().await;
    assert!(ask(&server, &second, false).await.is_some());
}

#[tokio::test]
async fn what_is_no_pair_is_refused_by_file() {
    let folder = tempfile::tempdir().unwrap();
    let files = files(folder.path());
    let refused = |files: &TlsFiles| Tls::open(files.clone()).unwrap_err();
    assert!(matches!(refused(&files), TlsError::File { what: "certificate", .. }));
    let certificate = write(&files);
    std::fs::write(&files.key, "nothing").unwrap();
    let message = refused(&files).to_string();
    assert!(message.contains("key.pem holds no private key"), "{message}");
    write(&files);
    std::fs::write(&files.certificate, pem("CERTIFICATE", &certificate)).unwrap();
    assert!(matches!(refused(&files), TlsError::Pair { .. }));
    std::fs::write(&files.certificate, "").unwrap();
    assert!(!refused(&files).to_string().is_empty());
}

/// Without a certificate, TLS is ended; garbage after the first byte of a handshake is, too.
#[tokio::test]
async fn what_is_no_handshake_is_ended() {
    let folder = tempfile::tempdir().unwrap();
    write(&files(folder.path()));
    let tls = Tls::open(files(folder.path())).unwrap();
    for tls in [None, Some(tls)] {
        let server = Server::accepting(AcceptOptions::default(), tls).await;
        let mut stream = tokio::net::TcpStream::connect(server.address).await.unwrap();
        stream.write_all(&[0x16; 600]).await.unwrap();
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        assert!(answer.len() < 16, "at most an alert: {answer:?}");
        assert_eq!(server.get("/healthz").await.status, StatusCode::OK);
    }
}
