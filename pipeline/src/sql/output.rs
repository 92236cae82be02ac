//! What a process for SQL writes to its standard error: warnings, and its last words.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, BufReader};
use tracing::warn;

/// The last bytes that are kept, to know how a process ended.
const TAIL_BYTES_MAX: usize = 4096;
/// The longest line of the log.
const LINE_BYTES_MAX: u64 = 1024;
/// Bytes that the log takes of one process.
const LOGGED_BYTES_MAX: usize = 64 << 10;

/// The end of what a process has written.
#[derive(Debug, Clone, Default)]
pub(super) struct Tail(Arc<Mutex<Vec<u8>>>);

impl Tail {
    /// Reads `from` to its end, and logs it line by line.
    pub(super) async fn follow(self, process: u32, from: impl AsyncRead + Unpin) {
        let (mut from, mut line, mut logged) = (BufReader::new(from), Vec::new(), 0);
        // A longer line is more than one.
        while let Ok(read @ 1..) = (&mut from).take(LINE_BYTES_MAX).read_until(b'\n', &mut line).await {
            let text = String::from_utf8_lossy(&line);
            if logged < LOGGED_BYTES_MAX && !text.trim().is_empty() {
                logged += read;
                warn!(process, text = text.trim_end(), "a process for SQL reports");
            }
            let mut tail = self.0.lock().expect("no holder of the lock panics");
            tail.append(&mut line);
            let surplus = tail.len().saturating_sub(TAIL_BYTES_MAX);
            tail.drain(..surplus);
        }
    }

    /// As text.
    pub(super) fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().expect("no holder of the lock panics")).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_the_end_is_kept() {
        let tail = Tail::default();
        let text = "0123456789".repeat(1000);
        tail.clone().follow(1, text.as_bytes()).await;
        assert_eq!(tail.text(), text[text.len() - TAIL_BYTES_MAX..]);
    }
}
