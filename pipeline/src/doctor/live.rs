//! `GET /v1/doctor`: what a running server can look at beside its work, for the dashboard and for monitors. What takes the disk
//! or the log is left to `gallop doctor`; an answer is given again for [`LOOK_INTERVAL`], however often it is asked for.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Json;
use axum::extract::State;
use model::clock::{Clock, SystemClock};
use serde_json::{Value, json};
use tokio::sync::Mutex;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::finding::{self, Finding};
use super::{folder, machine, settings};

/// How long an answer is given again.
const LOOK_INTERVAL: Duration = Duration::from_secs(10);

/// What is looked at.
#[derive(Debug)]
pub(crate) struct Live {
    /// The folder for everything that is kept.
    pub(crate) data: PathBuf,
    /// Files that nobody else should read.
    pub(crate) secrets: Vec<PathBuf>,
    /// The certificate, if there is one.
    pub(crate) certificate: Option<PathBuf>,
}

/// The last answer.
#[derive(Debug)]
struct Looks {
    live: Arc<Live>,
    last: Mutex<Option<(Instant, Value)>>,
}

/// The route, for those who may `gallop:Doctor`.
pub(crate) fn router(live: Live) -> OpenApiRouter {
    let looks = Looks { live: Arc::new(live), last: Mutex::default() };
    OpenApiRouter::new().routes(routes!(answer)).with_state(Arc::new(looks))
}

/// Says what a running server finds wrong with its machine and its files, and what to do about it. An answer is given again for
/// ten seconds.
#[utoipa::path(get, path = "/v1/doctor", tag = "health", responses(
    (status = 200, description = "`looked_at`, the worst `state` (`ok`, `warn` or `fail`), and `checks`, each with its own.", body = Value),
))]
async fn answer(State(looks): State<Arc<Looks>>) -> Json<Value> {
    // Who asks meanwhile waits for the same look.
    let mut last = looks.last.lock().await;
    if let Some((at, answer)) = &*last
        && at.elapsed() < LOOK_INTERVAL
    {
        return Json(answer.clone());
    }
    let live = Arc::clone(&looks.live);
    let findings = tokio::task::spawn_blocking(move || look(&live)).await.unwrap_or_default();
    let answer = json!({
        "looked_at": SystemClock.now().to_string(), "state": finding::worst(&findings), "checks": findings,
    });
    *last = Some((Instant::now(), answer.clone()));
    Json(answer)
}

fn look(live: &Live) -> Vec<Finding> {
    let mut findings = machine::look();
    findings.extend(folder::glance(&live.data));
    findings.push(folder::secrets(&live.secrets));
    findings.push(settings::certificate(live.certificate.as_deref()));
    findings
}
