//! Verifies every checksum of what streams keep, again and again and slowly, so that damage is found
//! while there may still be a copy to restore from.

use std::time::Duration;

use ingest::log::read::scrub::ScrubPosition;
use model::name::StreamName;
use model::text::chain::chain;
use tokio_util::sync::CancellationToken;
use tracing::{error, info};

use crate::backends::Backends;

/// How long after the start the first check begins, or less if checks are more frequent.
const FIRST_DELAY: Duration = Duration::from_secs(600);
/// What is read at a time, on threads that give way to everything else.
const PART_BYTES: u64 = 1 << 20;
/// The most that is read in a second.
const BYTES_PER_SECOND_MAX: u64 = 16 << 20;

/// Checks all streams once in `interval`, until cancelled.
pub(super) async fn scrub(backends: Backends, interval: Duration, stop: CancellationToken) {
    let mut delay = FIRST_DELAY.min(interval);
    while stop.run_until_cancelled(tokio::time::sleep(delay)).await.is_some() {
        let all = async {
            for stream in backends.streams.list().await.unwrap_or_default() {
                check(&backends, &stream).await;
            }
        };
        if stop.run_until_cancelled(all).await.is_none() {
            return;
        }
        delay = interval;
    }
}

/// Verifies a stream to its end. What cannot be read now is left to the next check.
async fn check(backends: &Backends, stream: &StreamName) {
    let (mut at, mut bytes, mut damaged) = (Some(ScrubPosition::default()), 0, 0);
    while let Some(from) = at {
        let Ok(part) = backends.opened.scrub(stream, from, PART_BYTES).await else { return };
        if let Some(damage) = &part.damage {
            error!(%stream, damage = chain(damage), "damage found; `gallop repair` lists what is lost");
            damaged += 1;
        }
        tokio::time::sleep(pause(part.bytes)).await;
        (at, bytes) = (part.next, bytes + part.bytes);
    }
    info!(%stream, bytes, damaged, "all sealed segments were verified");
}

/// The pause after so many bytes.
fn pause(bytes: u64) -> Duration {
    Duration::from_secs_f64(bytes as f64 / BYTES_PER_SECOND_MAX as f64)
}
