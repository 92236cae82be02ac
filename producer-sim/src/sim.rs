//! A fleet that sends at a steady rate.

use std::future::Future;
use std::time::Duration;

use clap::Args;
use client::producer::pace::{Pace, check_rate};
use client::producer::producer::{Producer, ProducerOptions};
use client::producer::progress::Progress;
use client::producer::report::Report;
use client::producer::target::{ProduceError, Target};
use model::clock::{Clock, SystemClock};

use crate::fleet::Fleet;
use crate::sensor::{self, SensorRun, SensorTarget};

/// Arguments of the simulator.
#[derive(Debug, Clone, Args)]
pub struct SimArgs {
    /// The stream to send to.
    #[arg(long, value_name = "NAME", default_value = "wildrydes")]
    pub stream: String,
    /// Number of unicorns.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub unicorns: u32,
    /// Records a second, for all unicorns together [default: one for each unicorn].
    #[arg(long, value_name = "N")]
    pub rate: Option<f64>,
    /// Seed; the same seed produces the same walks.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// Stop after this many records.
    #[arg(long, value_name = "N")]
    pub count: Option<u64>,
    /// Stop after this many seconds.
    #[arg(long, value_name = "SECONDS")]
    pub seconds: Option<u64>,
    /// Print nothing while it runs.
    #[arg(long)]
    pub quiet: bool,
    /// Where to send.
    #[command(flatten)]
    pub target: Target,
    /// Where sensors send.
    #[command(flatten)]
    pub sensors: SensorTarget,
}

/// Sends until the count, the time or `shutdown` ends it; then waits for what is under way.
pub async fn run(args: SimArgs, shutdown: impl Future<Output = ()>) -> Result<Report, ProduceError> {
    let rate = check_rate(args.rate.unwrap_or(f64::from(args.unicorns)))?;
    if let Some(to) = args.sensors.sensor {
        let sensors = SensorRun {
            to,
            target: &args.sensors,
            unicorns: args.unicorns,
            seed: args.seed,
            rate,
            count: args.count.unwrap_or(u64::MAX),
            time: args.seconds.map(Duration::from_secs),
        };
        return sensor::run(sensors, shutdown).await;
    }
    let transport = args.target.connect(&args.stream).await?;
    let producer = Producer::new(transport, ProducerOptions::default());
    let mut fleet = Fleet::new(args.seed, args.unicorns);
    let mut progress = Progress::new(args.quiet);
    let produce = async {
        let mut pace = Pace::new(Some(rate));
        for _ in 0..args.count.unwrap_or(u64::MAX) {
            pace.turn().await;
            producer.send(fleet.next(SystemClock.now())).await;
            progress.tell(&producer);
        }
    };
    let time_up = async {
        match args.seconds {
            Some(seconds) => tokio::time::sleep(Duration::from_secs(seconds)).await,
            None => std::future::pending().await,
        }
    };
    let interrupted = tokio::select! {
        () = produce => false,
        () = time_up => false,
        () = shutdown => true,
    };
    let report = if interrupted { producer.finish_interrupted().await } else { producer.finish().await };
    progress.end();
    Ok(report)
}
