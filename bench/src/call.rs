//! `bench cli`: a command that asks a running server, from the start of its process to its end.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use clap::Args;

use crate::rig::load;
use crate::rig::program;
use crate::rig::report::{Figure, Measured, Report, latencies, micros};
use crate::rig::server::Server;
use crate::rig::sign::{ACCESS_KEY_ID, REGION, SECRET};

/// Arguments of `bench cli`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  bench cli\n  bench cli --calls 1000 --output json")]
pub(crate) struct CallArgs {
    /// How often `gallop stream list` is run, once after the other.
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    calls: u32,
}

/// Calls before those that are measured: the program is read from the disk once.
const WARM_UP: u32 = 5;

/// Measures.
pub(crate) async fn run(args: CallArgs) -> anyhow::Result<Report> {
    let server = Server::start(true).await?;
    load::create_stream(&server.caller, 1).await?;
    let (program, endpoint) = (program::gallop()?, format!("http://{}", server.caller.address));
    let call = move || -> anyhow::Result<Duration> {
        let begin = Instant::now();
        let status = Command::new(&program)
            .args(["stream", "list", "--endpoint", &endpoint])
            .env("AWS_ACCESS_KEY_ID", ACCESS_KEY_ID)
            .env("AWS_SECRET_ACCESS_KEY", SECRET)
            .env("AWS_REGION", REGION)
            .env_remove("GALLOP_TOKEN")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .status()
            .context("gallop stream list does not start")?;
        ensure!(status.success(), "gallop stream list ended with {status}");
        Ok(begin.elapsed())
    };
    let before = server.cpu()?;
    let (latency, wall) = tokio::task::spawn_blocking(move || {
        for _ in 0..WARM_UP {
            call()?;
        }
        let (mut latency, begin) = (latencies(), Instant::now());
        for _ in 0..args.calls {
            latency.saturating_record(micros(call()?));
        }
        anyhow::Ok((latency, begin.elapsed()))
    })
    .await??;
    let measured = Measured {
        records: u64::from(args.calls),
        wall,
        cpu: server.cpu()? - before,
        client_cpu: None,
        peak_memory_bytes: server.peak_memory()?,
    };
    server.stop().await?;
    let what = format!("cli: {} times `gallop stream list` against a server that asks for signatures", args.calls);
    let mut report = Report::new(what, measured, ("a process, from its start to its end", &latency));
    report.add(Figure::new("p95", latency.value_at_quantile(0.95) as f64 / 1000.0, "ms"));
    Ok(report)
}
