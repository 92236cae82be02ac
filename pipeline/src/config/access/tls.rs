//! `[tls]`: the certificate by which clients know this server.

use std::path::{Path, PathBuf};

use gateway::accept::tls::{Tls, TlsError, TlsFiles};
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
    /// The files. `folder` is where relative paths begin.
    pub(crate) fn files(&self, folder: &Path) -> TlsFiles {
        TlsFiles { certificate: folder.join(&self.certificate), key: folder.join(&self.key) }
    }

    /// Opens the certificate.
    pub(crate) fn open(&self, folder: &Path) -> Result<Tls, TlsError> {
        Tls::open(self.files(folder))
    }
}
