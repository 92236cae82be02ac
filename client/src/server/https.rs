//! Connects to servers of others, with TLS where the URL says so, trusting whom all our clients trust.

use std::sync::Arc;

use crate::server::trust;
use anyhow::Context;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

/// A connector for HTTP/1.1 to one server. Authorities are read only where its URL asks for TLS: that takes milliseconds.
pub fn connector_to(endpoint: &str) -> anyhow::Result<HttpsConnector<HttpConnector>> {
    if endpoint.starts_with("https:") {
        return connector();
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    let config = config.with_root_certificates(RootCertStore::empty()).with_no_client_auth();
    let mut connector = HttpConnector::new();
    connector.enforce_http(false);
    connector.set_nodelay(true);
    let builder = HttpsConnectorBuilder::new().with_tls_config(config).https_or_http().enable_http1();
    Ok(builder.wrap_connector(connector))
}

/// A connector for HTTP/1.1. Error: the authorities to trust cannot be read.
pub fn connector() -> anyhow::Result<HttpsConnector<HttpConnector>> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = HttpsConnectorBuilder::new();
    let builder = match trust::bundle()? {
        None => builder.with_provider_and_native_roots(provider).context("the system's authorities cannot be read")?,
        Some(pem) => {
            let mut roots = RootCertStore::empty();
            for certificate in CertificateDer::pem_slice_iter(&pem) {
                roots.add(certificate.context("AWS_CA_BUNDLE holds something else than certificates")?)?;
            }
            let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
            builder.with_tls_config(config.with_root_certificates(roots).with_no_client_auth())
        }
    };
    Ok(builder.https_or_http().enable_http1().build())
}
