//! Chooses the router that answers: one while the server starts, and the full one afterwards.
//!
//! The port answers from the beginning, with 503 to everything but `/healthz`, and the full router
//! replaces it at one moment.

use std::sync::{Arc, OnceLock};

use axum::Router;

/// The routers of a server. Clones share the moment from which the second one answers; a request is
/// answered by one of them whole, whichever connection it came on.
#[derive(Debug, Clone)]
pub struct Answers {
    starting: Router,
    started: Arc<OnceLock<Router>>,
}

impl Answers {
    /// Lets `router` answer until [`Answers::start`].
    pub fn starting(router: Router) -> Self {
        Answers { starting: router, started: Arc::default() }
    }

    /// Lets `router` answer from now on. Only the first call counts.
    pub fn start(&self, router: Router) {
        self.started.get_or_init(|| router);
    }

    /// Who answers now.
    pub(crate) fn now(&self) -> &Router {
        self.started.get().unwrap_or(&self.starting)
    }
}

impl From<Router> for Answers {
    /// The same router from the beginning.
    fn from(router: Router) -> Self {
        Answers::starting(router)
    }
}
