//! What one caller sees of what the hub knows: the streams that it may read, asked anew every few
//! seconds.

use std::collections::BTreeSet;
use std::time::Duration;

use model::stream::access::Readable;
use tokio::time::Instant;

/// How long an answer is good for: a policy that changes holds for open pages after this.
const ASKED_AGE_MAX: Duration = Duration::from_secs(5);

/// The streams that a caller sees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum View {
    /// All.
    Everything,
    /// These.
    Only(BTreeSet<String>),
}

impl View {
    /// Whether it holds a stream.
    pub(crate) fn sees(&self, stream: &str) -> bool {
        match self {
            View::Everything => true,
            View::Only(streams) => streams.contains(stream),
        }
    }
}

/// A caller, with its view as of the last answer.
pub(crate) struct Viewer {
    readable: Readable,
    view: View,
    asked: BTreeSet<String>,
    asked_at: Option<Instant>,
}

impl Viewer {
    /// Who sees nothing before the first [`Viewer::look`], unless everything may be read.
    pub(crate) fn new(readable: Readable) -> Self {
        let view = if readable.is_limited() { View::Only(BTreeSet::new()) } else { View::Everything };
        Viewer { readable, view, asked: BTreeSet::new(), asked_at: None }
    }

    pub(crate) fn view(&self) -> &View {
        &self.view
    }

    /// Whether it may see everything for as long as it looks.
    pub(crate) fn is_unlimited(&self) -> bool {
        !self.readable.is_limited()
    }

    /// Asks which of `streams` may be read, if that was not answered lately. Returns whether the
    /// view is another now.
    pub(crate) async fn look(&mut self, streams: BTreeSet<String>) -> bool {
        let is_old = self.asked_at.is_none_or(|at| ASKED_AGE_MAX <= at.elapsed());
        if self.is_unlimited() || (!is_old && streams == self.asked) {
            return false;
        }
        let seen = self.readable.among(streams.iter().cloned().collect()).await;
        let before = std::mem::replace(&mut self.view, View::Only(seen.into_iter().collect()));
        (self.asked, self.asked_at) = (streams, Some(Instant::now()));
        before != self.view
    }
}
