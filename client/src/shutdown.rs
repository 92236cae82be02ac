//! One signal asks to stop, a second one does not wait.

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Exit status of a process that a second signal ended: what it had not kept is lost.
const EXIT_IMPATIENT: i32 = 130;

/// A token that the first SIGINT or SIGTERM cancels; the second one ends the process at once.
pub fn on_signal() -> std::io::Result<CancellationToken> {
    let token = CancellationToken::new();
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let cancel = token.clone();
    tokio::spawn(async move {
        for times in 1.. {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            if times > 1 {
                std::process::exit(EXIT_IMPATIENT);
            }
            cancel.cancel();
        }
    });
    Ok(token)
}
