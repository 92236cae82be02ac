//! A server that a script in `infra/` starts, for as long as somebody holds on to it.

use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::aws::AccessKeys;

/// A running server. Its input is a pipe from us: it ends when this is dropped, and also when our process does,
/// however that ends.
#[derive(Debug)]
pub struct RealServer {
    child: Child,
    url: String,
    keys: Option<AccessKeys>,
}

impl RealServer {
    /// A DynamoDB server. All its clients see the same tables.
    pub fn dynamodb() -> io::Result<RealServer> {
        RealServer::start(&infra().join("dynamodb/start.sh"), &[])
    }

    /// An S3 server.
    pub fn s3() -> io::Result<RealServer> {
        RealServer::start(&infra().join("s3/start.sh"), &[])
    }

    /// An S3 server that refuses every call that is not signed with its keys.
    pub fn s3_with_signatures() -> io::Result<RealServer> {
        RealServer::start(&infra().join("s3/start.sh"), &["--signatures"])
    }

    /// Runs a script that prints its server's address once it answers, and the keys it wants behind that. Blocks until then.
    fn start(script: &Path, args: &[&str]) -> io::Result<RealServer> {
        let mut child = Command::new(script).args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let mut line = String::new();
        let stdout = child.stdout.take().expect("piped above");
        BufReader::new(stdout).read_line(&mut line)?;
        let mut words = line.split_whitespace().map(str::to_owned);
        let url = words.next().unwrap_or_default();
        let keys = words.next().zip(words.next()).map(|(id, secret)| AccessKeys { id, secret, session_token: None });
        if !url.starts_with("http://") {
            let ended = child.wait()?;
            return Err(io::Error::other(format!("{} ended with {ended} and no address", script.display())));
        }
        Ok(RealServer { child, url, keys })
    }

    /// Where it listens.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// What calls must be signed with, where that is checked.
    pub fn keys(&self) -> Option<&AccessKeys> {
        self.keys.as_ref()
    }
}

impl Drop for RealServer {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        // It has nothing to keep: how it ends does not matter.
        let _ = self.child.wait();
    }
}

fn infra() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../infra")
}
