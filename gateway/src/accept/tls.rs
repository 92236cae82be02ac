//! TLS with a certificate that is read again when its files change.
//!
//! The files are looked at every [`CERTIFICATE_LOOK_INTERVAL`]. A new pair serves the next handshakes; connections that
//! are open stay as they are. A pair that does not read, or whose key is not the certificate's, changes nothing but the
//! log.

use std::fs::Metadata;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use rustls::ServerConfig;
use rustls::crypto::ring::{default_provider, sign::any_supported_type};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{MissedTickBehavior, interval};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tracing::{error, info};

/// The name of HTTP/2 in ALPN.
pub(crate) const ALPN_HTTP2: &[u8] = b"h2";

/// How often the files are looked at.
pub const CERTIFICATE_LOOK_INTERVAL: Duration = Duration::from_secs(10);

/// The files of a certificate: its chain, and its private key, both PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate, followed by those that signed it.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// A certificate that cannot be used.
#[derive(Debug, Error)]
pub enum TlsError {
    /// A file is not there or holds something else.
    #[error("{} holds no {what} that can be read: {source}", file.display())]
    File {
        file: PathBuf,
        /// What it should hold.
        what: &'static str,
        /// Why not.
        source: rustls::pki_types::pem::Error,
    },
    /// The two do not fit, or are of a kind that is not known.
    #[error("{} and {} cannot be used together", files.certificate.display(), files.key.display())]
    Pair {
        files: TlsFiles,
        /// Why not.
        source: rustls::Error,
    },
}

/// TLS for connections; cheap to clone.
#[derive(Clone)]
pub struct Tls {
    acceptor: TlsAcceptor,
    current: Arc<Current>,
}

/// The certificate that serves the next handshake.
#[derive(Debug)]
struct Current {
    files: TlsFiles,
    pair: RwLock<Arc<CertifiedKey>>,
}

impl Tls {
    /// Reads the files.
    pub fn open(files: TlsFiles) -> Result<Self, TlsError> {
        let pair = RwLock::new(Arc::new(files.read()?));
        let current = Arc::new(Current { files, pair });
        let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .expect("the provider has the ciphers of TLS 1.2 and 1.3");
        let resolver: Arc<dyn ResolvesServerCert> = Arc::<Current>::clone(&current);
        let mut config = config.with_no_client_auth().with_cert_resolver(resolver);
        config.alpn_protocols = vec![ALPN_HTTP2.to_vec(), b"http/1.1".to_vec()];
        Ok(Tls { acceptor: TlsAcceptor::from(Arc::new(config)), current })
    }

    /// Shakes hands.
    pub(crate) async fn accept<S: AsyncRead + AsyncWrite + Unpin>(&self, stream: S) -> io::Result<TlsStream<S>> {
        self.acceptor.accept(stream).await
    }

    /// Reads the files anew whenever they change, for as long as it is polled.
    pub async fn follow(&self) {
        let mut seen = self.current.files.state().await;
        let mut looks = interval(CERTIFICATE_LOOK_INTERVAL);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            looks.tick().await;
            let state = self.current.files.state().await;
            if state != seen {
                seen = state;
                // Reading what is wrong in this moment is no harm: the next change is another chance.
                self.reload().await;
            }
        }
    }

    /// Reads the files anew, and keeps what there was where they cannot be used.
    pub async fn reload(&self) {
        let files = self.current.files.clone();
        let certificate = files.certificate.display().to_string();
        let read = tokio::task::spawn_blocking(move || files.read()).await.expect("reading files does not panic");
        match read {
            Ok(pair) => {
                *self.current.pair.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(pair);
                info!(certificate, "certificate changed");
            }
            Err(refused) => {
                let error: &dyn std::error::Error = &refused;
                error!(certificate, error, "the changed certificate cannot be used; the previous one stays in use");
            }
        }
    }
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tls").field("files", &self.current.files).finish_non_exhaustive()
    }
}

impl ResolvesServerCert for Current {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.pair.read().unwrap_or_else(PoisonError::into_inner)))
    }
}

impl TlsFiles {
    fn read(&self) -> Result<CertifiedKey, TlsError> {
        let file = |file: &Path, what| {
            let file = file.to_owned();
            move |source| TlsError::File { file, what, source }
        };
        let chain = CertificateDer::pem_file_iter(&self.certificate).and_then(Iterator::collect::<Result<Vec<_>, _>>);
        let chain = chain.map_err(file(&self.certificate, "certificate"))?;
        let key = PrivateKeyDer::from_pem_file(&self.key).map_err(file(&self.key, "private key"))?;
        let fits = |key| {
            let pair = CertifiedKey::new(chain, any_supported_type(key)?);
            pair.keys_match()?;
            Ok(pair)
        };
        fits(&key).map_err(|source| TlsError::Pair { files: self.clone(), source })
    }

    /// What changes when a file is written, replaced, or linked anew. Nothing for one that is not there.
    async fn state(&self) -> [Option<(u64, u64, i64, i64)>; 2] {
        let state = |data: Metadata| (data.ino(), data.len(), data.mtime(), data.mtime_nsec());
        let look = async |file: &Path| tokio::fs::metadata(file).await.ok().map(state);
        [look(&self.certificate).await, look(&self.key).await]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(files: &TlsFiles) {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
        let pem = |label: &str, der: &[u8]| {
            let text = base64_simd::STANDARD.encode_to_string(der);
            format!("-----BEGIN {label}-----\n{text}\n-----END {label}-----\n")
        };
        std::fs::write(&files.certificate, pem("CERTIFICATE", made.cert.der())).expect("written");
        std::fs::write(&files.key, pem("PRIVATE KEY", &made.signing_key.serialize_der())).expect("written");
    }

    fn served(tls: &Tls) -> Vec<u8> {
        tls.current.pair.read().expect("nobody panicked").cert[0].to_vec()
    }

    #[tokio::test(start_paused = true)]
    async fn a_change_is_found_at_the_next_look() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let files = TlsFiles { certificate: folder.path().join("cert"), key: folder.path().join("key") };
        write(&files);
        let tls = Tls::open(files.clone()).expect("a pair");
        let first = served(&tls);
        let follow = tls.follow();
        let change = async {
            // Past the first look, which sees what was opened.
            tokio::time::sleep(CERTIFICATE_LOOK_INTERVAL / 2).await;
            write(&files);
            while served(&tls) == first {
                tokio::time::sleep(CERTIFICATE_LOOK_INTERVAL / 2).await;
            }
            std::fs::write(&files.key, "no key").expect("written");
            tokio::time::sleep(CERTIFICATE_LOOK_INTERVAL * 2).await;
        };
        tokio::select! {
            () = follow => {}
            () = change => {}
        }
        assert_ne!(served(&tls), first);
    }
}
