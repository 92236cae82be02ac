//! The server that is measured: `gallop serve` in a process of its own, on a free port of loopback.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use anyhow::Context;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::rig::http::Caller;
use crate::rig::process::{cpu_time, disk_read, peak_memory};
use crate::rig::program;
use crate::rig::sign::{ACCESS_KEY_ID, REGION, SECRET};

/// The file of settings in a data folder.
const FILE_NAME: &str = "gallop.toml";

/// A credential that may do everything.
fn settings() -> String {
    format!(
        "region = \"{REGION}\"\n[credentials.bench]\naccess_key_id = \"{ACCESS_KEY_ID}\"\nsecret = \"{SECRET}\"\n\
         [[credentials.bench.policy]]\neffect = \"allow\"\nactions = [\"*\"]\nresources = [\"*\"]\n"
    )
}

/// A running server; it is killed and its data removed when this is dropped.
pub(crate) struct Server {
    child: Child,
    pid: String,
    /// Whom to call.
    pub(crate) caller: Caller,
    /// Where it keeps its data.
    pub(crate) data: DataFolder,
}

/// A folder of this process that is removed with it.
pub(crate) struct DataFolder(pub(crate) PathBuf);

impl DataFolder {
    /// An empty folder below the system's folder for temporary files.
    pub(crate) fn create(what: &str) -> anyhow::Result<DataFolder> {
        let folder = std::env::temp_dir().join(format!("gallop-bench-{what}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).context("no folder for data")?;
        Ok(DataFolder(folder))
    }
}

impl Drop for DataFolder {
    fn drop(&mut self) {
        // What cannot be removed is only left over.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

impl Server {
    /// Starts it and waits until it listens. `signed` says whether it takes calls only from who proves who it is.
    pub(crate) async fn start(signed: bool) -> anyhow::Result<Server> {
        Server::start_on(signed, None).await
    }

    /// The same, with streams on the Kafka cluster at `brokers`.
    pub(crate) async fn start_on(signed: bool, brokers: Option<&str>) -> anyhow::Result<Server> {
        let data = DataFolder::create("server")?;
        let kafka = brokers.map(|brokers| format!("[kafka]\nbrokers = {brokers:?}\n")).unwrap_or_default();
        let signatures = if signed { settings() } else { String::new() };
        std::fs::write(data.0.join(FILE_NAME), signatures + &kafka)?;
        let mut child = Command::new(program::gallop()?)
            .args(["serve", "--port", "0", "--data"])
            .arg(&data.0)
            .env("GALLOP_LOG", "warn")
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .context("the server does not start")?;
        let pid = child.id().context("the server ended")?.to_string();
        let mut line = String::new();
        let stdout = child.stdout.take().context("the server has no output")?;
        BufReader::new(stdout).read_line(&mut line).await?;
        let url = line.split_whitespace().find_map(|word| word.strip_prefix("http://"));
        let address = url.context("the server says no address")?.to_owned();
        Ok(Server { child, pid, caller: Caller { address, signed }, data })
    }

    /// CPU time it has used.
    pub(crate) fn cpu(&self) -> anyhow::Result<Duration> {
        cpu_time(&self.pid)
    }

    /// The most memory it has held, in bytes.
    pub(crate) fn peak_memory(&self) -> anyhow::Result<u64> {
        peak_memory(&self.pid)
    }

    /// What it has had read from the disk, in bytes.
    pub(crate) fn disk_read(&self) -> anyhow::Result<u64> {
        disk_read(&self.pid)
    }

    /// Ends it.
    pub(crate) async fn stop(mut self) -> anyhow::Result<()> {
        self.child.kill().await.context("the server cannot be ended")
    }
}
