//! `GET /v1/doctor`: what the server finds wrong with its machine and its files.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use http::{StatusCode, Uri};
use model::doctor::{self, Finding};
use serde::Serialize;
use utoipa::ToSchema;

use crate::rest::error::RestError;
use crate::rest::parameters::Parameters;
use crate::state::GatewayState;

/// What a look found.
#[derive(Serialize, ToSchema)]
pub(crate) struct Diagnosis {
    /// When.
    looked_at: String,
    /// The worst state of a check.
    state: Severity,
    checks: Vec<Check>,
}

/// One check.
#[derive(Serialize, ToSchema)]
struct Check {
    /// What was checked.
    #[schema(example = "memory: huge pages")]
    check: &'static str,
    state: Severity,
    /// What was found.
    found: String,
    /// What to do.
    fix: Option<String>,
}

/// How bad it is.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum Severity {
    Ok,
    Warn,
    Fail,
}

impl From<doctor::State> for Severity {
    fn from(state: doctor::State) -> Self {
        match state {
            doctor::State::Ok => Severity::Ok,
            doctor::State::Warn => Severity::Warn,
            doctor::State::Fail => Severity::Fail,
        }
    }
}

impl From<Finding> for Check {
    fn from(finding: Finding) -> Self {
        let Finding { check, state, found, fix } = finding;
        Check { check, state: state.into(), found, fix }
    }
}

/// Reports what a running server finds wrong with its machine and its files, and what to do about it.
///
/// An answer is reused for ten seconds.
#[utoipa::path(get, path = "/v1/doctor", tag = "health", responses((status = 200, body = Diagnosis)))]
pub(crate) async fn diagnose(State(state): State<Arc<GatewayState>>, uri: Uri) -> Result<Json<Diagnosis>, RestError> {
    Parameters::read(&uri, &[])?;
    let missing = || RestError::new(StatusCode::NOT_FOUND, "not_found", "this server does not check its machine");
    let diagnosis = state.doctor.as_ref().ok_or_else(missing)?.diagnose().await;
    Ok(Json(Diagnosis {
        looked_at: diagnosis.looked_at.to_string(),
        state: doctor::worst(&diagnosis.findings).into(),
        checks: diagnosis.findings.into_iter().map(Check::from).collect(),
    }))
}
