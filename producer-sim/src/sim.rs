//! A fleet that sends at a steady rate.

use std::future::Future;
use std::io::IsTerminal;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use model::clock::{Clock, SystemClock};
use tokio::time::Instant;

use crate::fleet::Fleet;
use crate::identity::{Identity, IdentityError};
use crate::kinesis::KinesisTransport;
use crate::producer::{Producer, ProducerOptions};
use crate::report::Report;
use crate::sensor::{self, SensorRun, SensorTarget};
use crate::transport::CallError;
use crate::trust::TrustError;

/// Where and how to send; shared by the commands that produce.
#[derive(Debug, Clone, Args)]
pub struct Target {
    /// The server to send to.
    #[arg(long, env = "AWS_ENDPOINT_URL", value_name = "URL", default_value = "http://127.0.0.1:4567")]
    pub endpoint: String,
    /// Sign with the keys of this AWS profile [default: the AWS variables, then AWS_PROFILE, then the default profile].
    #[arg(long, value_name = "NAME")]
    pub profile: Option<String>,
    /// Signs with fixed keys, whatever the environment holds: for a server of our own that takes any signature.
    #[arg(skip)]
    pub anybody: bool,
    /// Create the stream with this many shards if it does not exist.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub create_shards: Option<u32>,
}

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

/// Why a producer could not begin.
#[derive(Debug, thiserror::Error)]
pub enum ProduceError {
    /// The stream is not there or the server refuses.
    #[error("stream `{stream}` at {endpoint} cannot be used: {source}")]
    Target {
        /// The stream.
        stream: String,
        /// The server.
        endpoint: String,
        /// What it said.
        source: CallError,
    },
    /// There are no keys to sign with.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// The server's certificate cannot be checked.
    #[error(transparent)]
    Trust(#[from] TrustError),
    /// Input cannot be read.
    #[error("the input cannot be read")]
    Input(#[from] std::io::Error),
    /// An argument that cannot be.
    #[error("{0}")]
    Argument(String),
}

impl Target {
    /// A transport to `stream`, once the stream is known to be there.
    pub async fn connect(&self, stream: &str) -> Result<Arc<KinesisTransport>, ProduceError> {
        let identity = match self.anybody {
            true => Identity::anybody(),
            false => Identity::find(self.profile.as_deref()).await?,
        };
        let transport = KinesisTransport::new(&self.endpoint, stream, identity)?;
        let outcome = match self.create_shards {
            Some(shards) => transport.create(shards).await,
            None => transport.check().await,
        };
        let target = |source| ProduceError::Target { stream: stream.into(), endpoint: self.endpoint.clone(), source };
        outcome.map_err(target)?;
        Ok(Arc::new(transport))
    }
}

/// A line that tells people how far it is: drawn over itself on a terminal, else written now and then.
pub struct Progress {
    bar: Option<ProgressBar>,
    quiet: bool,
    told: Instant,
}

/// How often progress is written where it cannot be drawn.
const PROGRESS_INTERVAL: Duration = Duration::from_secs(10);
/// How often it is drawn.
const DRAW_INTERVAL: Duration = Duration::from_millis(250);

impl Progress {
    /// Progress on standard error, of work whose end nobody knows.
    pub fn new(quiet: bool) -> Self {
        Progress::of(quiet, None)
    }

    /// Progress on standard error, of work that takes so many bytes of input.
    pub fn of(quiet: bool, bytes: Option<u64>) -> Self {
        let bar = (!quiet && std::io::stderr().is_terminal()).then(|| {
            let bar = ProgressBar::with_draw_target(bytes, ProgressDrawTarget::stderr());
            let template = match bytes {
                Some(_) => "{bar:24} {percent:>3} %  {bytes}/{total_bytes}  eta {eta}  {msg}",
                None => "{spinner} {msg}",
            };
            bar.set_style(ProgressStyle::with_template(template).expect("the template is well formed"));
            bar
        });
        Progress { bar, quiet, told: Instant::now() }
    }

    /// Tells, if it is time to.
    pub fn tell(&mut self, producer: &Producer) {
        let interval = if self.bar.is_some() { DRAW_INTERVAL } else { PROGRESS_INTERVAL };
        if self.quiet || self.told.elapsed() < interval {
            return;
        }
        self.told = Instant::now();
        match &self.bar {
            Some(bar) => {
                bar.set_message(producer.report().to_string());
                bar.tick();
            }
            None => eprintln!("{}", producer.report()),
        }
    }

    /// So many more bytes of input are taken.
    pub fn advance(&mut self, bytes: u64) {
        if let Some(bar) = &self.bar {
            bar.inc(bytes);
        }
    }

    /// Leaves the terminal clean.
    pub fn end(self) {
        if let Some(bar) = self.bar {
            bar.finish_and_clear();
        }
    }
}

/// Hands out turns at a steady rate, without drift: turn `n` comes `n / rate` seconds after the first.
#[derive(Debug)]
pub struct Pace {
    rate: Option<f64>,
    begin: Instant,
    turns: u64,
}

impl Pace {
    /// `rate` turns a second; as fast as it goes without one.
    pub fn new(rate: Option<f64>) -> Self {
        Pace { rate, begin: Instant::now(), turns: 0 }
    }

    /// Waits for the next turn.
    pub async fn turn(&mut self) {
        self.turns += 1;
        if let Some(rate) = self.rate {
            let at = self.begin + Duration::from_secs_f64(self.turns as f64 / rate);
            if at > Instant::now() {
                tokio::time::sleep_until(at).await;
            }
        }
    }
}

/// Checks a rate given by the user.
pub(crate) fn check_rate(rate: f64) -> Result<f64, ProduceError> {
    if rate.is_finite() && (1e-3..=1e8).contains(&rate) {
        Ok(rate)
    } else {
        Err(ProduceError::Argument(format!("--rate must be 0.001 to 100000000 records a second, not {rate}")))
    }
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
    tokio::select! {
        () = produce => {}
        () = time_up => {}
        () = shutdown => {}
    }
    let report = producer.finish().await;
    progress.end();
    Ok(report)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_pace_does_not_drift() {
        let begin = Instant::now();
        let mut pace = Pace::new(Some(1000.0));
        for _ in 0..2500 {
            pace.turn().await;
        }
        let elapsed = begin.elapsed();
        assert!((Duration::from_millis(2500)..Duration::from_millis(2502)).contains(&elapsed), "{elapsed:?}");
    }

    #[test]
    fn impossible_rates_are_refused() {
        for rate in [0.0, -1.0, f64::NAN, f64::INFINITY, 1e9] {
            assert!(check_rate(rate).is_err(), "{rate}");
        }
    }
}
