//! How far a producer is, for people.

use std::io::IsTerminal;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tokio::time::Instant;

use crate::producer::producer::Producer;

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
