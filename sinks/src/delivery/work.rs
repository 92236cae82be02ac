//! A delivery stream at work: reads a stream, buffers, and hands cuts to a sink until all is delivered.
//!
//! ```text
//! loop   read ──▶ buffer ──▶ cuts that are due
//!                              1. commit: positions before the cuts, and the cuts as a promise
//!                              2. deliver each, again and again until it succeeds
//!                              3. commit, now or with the next promise: positions after the cuts
//! start  read the promised cuts again ──▶ deliver them ──▶ read on after them
//! ```
//!
//! A crash before 1 leaves nothing behind; one after it repeats exactly the promised cuts, and delivering a cut twice
//! changes nothing. So every record is in the sink or among the dead letters, once. While a sink fails nothing more is
//! read: records wait in the stream. Where the stream is deleted, what was read of it is still delivered. Whatever was dropped unfinished, at any await point, a new start sets right.

use std::future::Future;
use std::sync::Arc;

use model::clock::{sleep, sleep_until_elapsed_some};
use model::stream::store::StreamError;
use tokio::sync::watch;
use tracing::{info, warn};

use super::run::Run;
use super::stream::{DeliveryError, DeliveryStream};

impl DeliveryStream {
    /// Runs until `shutdown` ends; then delivers what is buffered, for at most `shutdown_max`. Dropping the future at
    /// any moment is safe: a new run goes on from the checkpoint. Error: [`DeliveryError`], also when another process
    /// runs this delivery: a conflict of checkpoints.
    pub async fn run(self, shutdown: impl Future<Output = ()> + Send) -> Result<(), DeliveryError> {
        let (stop, stopping) = watch::channel(false);
        let (clock, status, name) = (Arc::clone(&self.clock), self.status.clone(), self.name.clone());
        let shutdown_max = self.options.shutdown_max;
        let out_of_time = async {
            shutdown.await;
            stop.send_replace(true);
            sleep(&*clock, shutdown_max).await;
        };
        status.update(|status| status.running = true);
        let ended = tokio::select! {
            biased;
            ended = Box::pin(self.work(stopping)) => ended,
            () = out_of_time => {
                warn!(delivery = %name, ?shutdown_max, "stopped before everything read was delivered; the rest follows after the next start");
                Ok(())
            }
        };
        status.update(|status| status.running = false);
        if let Err(error) = &ended {
            status.failed(error);
        }
        ended
    }

    async fn work(self, mut stopping: watch::Receiver<bool>) -> Result<(), DeliveryError> {
        let mut run = Run::start(self).await?;
        info!(delivery = %run.name(), stream = %run.delivery.source, "delivery started");
        let ended = follow(&mut run, &mut stopping).await;
        run.note_reached();
        let is_gone = match &ended {
            Err(DeliveryError::Stream { source: StreamError::NotFound(name), .. }) if *name == run.delivery.source => {
                true
            }
            // A conflict of checkpoints may say the same: one in a stream that was created anew is the first.
            Err(DeliveryError::Stream { .. }) => run.reader.is_gone().await,
            _ => false,
        };
        if is_gone {
            run.finish_gone().await;
            let (delivery, source_stream) = (run.name().clone(), run.delivery.source.clone());
            let source = StreamError::NotFound(source_stream.clone());
            return Err(DeliveryError::Stream { delivery, source_stream, source });
        }
        ended
    }
}

/// Delivers until a stop is asked for.
async fn follow(run: &mut Run, stopping: &mut watch::Receiver<bool>) -> Result<(), DeliveryError> {
    while !*stopping.borrow() {
        let wake_at = run.wake_at();
        let clock = Arc::clone(&run.delivery.clock);
        tokio::select! {
            biased;
            () = stopped(stopping) => {}
            batch = run.reader.next() => run.take(batch).await?,
            () = sleep_until_elapsed_some(&*clock, wake_at) => {}
        }
        run.turn(false).await?;
    }
    run.turn(true).await
}

/// Returns once a stop is asked for. A future of its own, so that the value's lock is never held over an await.
async fn stopped(stopping: &mut watch::Receiver<bool>) {
    // An error says that the sender is gone, and with it whoever could wait for us: stop too.
    let _ = stopping.wait_for(|stopping| *stopping).await;
}
