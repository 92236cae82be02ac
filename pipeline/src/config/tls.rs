//! `[tls]`: the certificate by which clients know this server.

use std::path::{Path, PathBuf};

use gateway::accept::tls::{Tls, TlsFiles};
use serde::Deserialize;

/// A certificate and its key, both PEM. They are read again when they change.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TlsConfig {
    /// The certificate, followed by those that signed it; relative to the settings file.
    certificate: PathBuf,
    /// Its private key.
    key: PathBuf,
}

impl TlsConfig {
    /// Opens the certificate. `folder` is where relative paths begin.
    pub(crate) fn open(&self, folder: &Path) -> anyhow::Result<Tls> {
        let TlsConfig { certificate, key } = self;
        Ok(Tls::open(TlsFiles { certificate: folder.join(certificate), key: folder.join(key) })?)
    }
}
