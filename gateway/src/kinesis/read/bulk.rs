//! Large answers are written away from the threads that take calls: megabytes take milliseconds,
//! which a put that came in meanwhile should not wait for.

use model::blocking::finished;
use model::stream::record::Record;
use tokio::runtime::Handle;

/// Records of at least so many bytes make a large answer. Less is written sooner than it is handed
/// over.
const LARGE_BYTES_MIN: usize = 128 << 10;

/// Whether an answer with `records` is large.
pub(crate) fn is_large(records: &[Record]) -> bool {
    let mut bytes = 0;
    records.iter().any(|record| {
        bytes += record.size_bytes();
        LARGE_BYTES_MIN <= bytes
    })
}

/// Does `work` on the blocking threads of `bulk`.
pub(crate) async fn run<T: Send + 'static>(bulk: &Handle, work: impl FnOnce() -> T + Send + 'static) -> T {
    finished(bulk.spawn_blocking(work)).await
}
