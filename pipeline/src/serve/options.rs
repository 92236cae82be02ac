//! What the server needs to know, brought together from flags, variables and file.

use std::net::SocketAddr;
use std::path::PathBuf;

use gateway::accept::options::AcceptOptions;
use gateway::accept::tls::Tls;
use gateway::auth::access::Access;
use ingest::receiver::PreparedReceiver;

use crate::config::file::Config;

/// What the server needs to know.
#[derive(Debug)]
pub(crate) struct Settings {
    /// Where to listen.
    pub(crate) listen: SocketAddr,
    /// Folder for everything that is kept.
    pub(crate) data: PathBuf,
    /// Folder that paths in the settings file are relative to.
    pub(crate) folder: PathBuf,
    /// The settings file.
    pub(crate) config: Config,
    /// How clients connect.
    pub(crate) http: HttpOptions,
    /// How sensor datagrams arrive.
    pub(crate) receiver: PreparedReceiver,
    /// Where the dashboard's page is read from at every request, for work on it; the one that was
    /// built in without.
    pub(crate) web_dir: Option<PathBuf>,
}

/// How clients connect: who may, and how.
#[derive(Debug)]
pub(crate) struct HttpOptions {
    /// Who may do what.
    pub(crate) access: Access,
    /// How many connections there may be, and how slow they may be.
    pub(crate) accept: AcceptOptions,
    /// The certificate by which they know the server.
    pub(crate) tls: Option<Tls>,
}

impl HttpOptions {
    /// For anyone on this machine.
    pub(crate) fn loopback() -> Self {
        HttpOptions { access: Access::anyone(), accept: AcceptOptions::default(), tls: None }
    }
}
