//! Whose certificates clients trust: the system's authorities, or those of `AWS_CA_BUNDLE`, as with the AWS CLI.

use std::path::PathBuf;

use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore, rustls_provider::CryptoMode};
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use thiserror::Error;

/// A bundle that was named and cannot be used.
#[derive(Debug, Error)]
#[error("AWS_CA_BUNDLE: {} cannot be read", file.display())]
pub struct TrustError {
    file: PathBuf,
    source: std::io::Error,
}

/// The certificates of the bundle, PEM, if one is named.
pub fn bundle() -> Result<Option<Vec<u8>>, TrustError> {
    let Some(file) = std::env::var_os("AWS_CA_BUNDLE").filter(|file| !file.is_empty()).map(PathBuf::from) else {
        return Ok(None);
    };
    std::fs::read(&file).map(Some).map_err(|source| TrustError { file, source })
}

/// HTTP for a client of the SDK that calls `endpoint`.
pub fn http(endpoint: &str) -> Result<SharedHttpClient, TrustError> {
    let builder = aws_smithy_http_client::Builder::new();
    if !endpoint.starts_with("https://") {
        return Ok(builder.build_http());
    }
    let builder = builder.tls_provider(Provider::Rustls(CryptoMode::Ring));
    Ok(match bundle()? {
        None => builder.build_https(),
        Some(pem) => {
            let trusted = TrustStore::empty().with_pem_certificate(pem);
            let context = TlsContext::builder().with_trust_store(trusted).build();
            builder.tls_context(context.expect("a context of certificates alone is whole")).build_https()
        }
    })
}
