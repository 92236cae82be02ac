//! A server that a script in `infra/` starts, for as long as somebody holds on to it.

use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// A running server. Its input is a pipe from us: it ends when this is dropped, and also when our process does,
/// however that ends.
#[derive(Debug)]
pub struct RealServer {
    child: Child,
    url: String,
}

impl RealServer {
    /// DynamoDB Local. Tables are kept apart by access key.
    pub fn dynamodb() -> io::Result<RealServer> {
        RealServer::start(&infra().join("dynamodb/start.sh"))
    }

    /// An S3 server.
    pub fn s3() -> io::Result<RealServer> {
        RealServer::start(&infra().join("s3/start.sh"))
    }

    /// Runs a script that prints its server's address once it answers. Blocks until then.
    pub fn start(script: &Path) -> io::Result<RealServer> {
        let mut child = Command::new(script).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let mut line = String::new();
        let stdout = child.stdout.take().expect("piped above");
        BufReader::new(stdout).read_line(&mut line)?;
        let url = line.trim().to_owned();
        if !url.starts_with("http://") {
            let ended = child.wait()?;
            return Err(io::Error::other(format!("{} ended with {ended} and no address", script.display())));
        }
        Ok(RealServer { child, url })
    }

    /// Where it listens.
    pub fn url(&self) -> &str {
        &self.url
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
