//! Before every request of `/v1`, where credentials are configured: who asks, and may they?
//!
//! A bearer token of the settings, or a signature for the service `gallop` (`curl --aws-sigv4
//! aws:amz:REGION:gallop`). Every route has an [`Action`] in policies: [`guarded`] is the only way
//! to add one. Where a request says which streams it is about only later, its handler asks again,
//! as the [`Asker`] that [`check`] leaves with the request.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{RawPathParams, Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use http::header::WWW_AUTHENTICATE;
use http::{HeaderValue, StatusCode};
use utoipa_axum::router::UtoipaMethodRouter;

use crate::auth::access::{Caller, bearer_token};
use crate::auth::canonical::PathForm;
use crate::auth::error::AuthError;
use crate::auth::verifier::{Service, Verifier};
use crate::rest::action::{Action, SCOPE};
use crate::rest::body;
use crate::rest::error::RestError;
use crate::rest::permission::{self, Asker};
use crate::state::GatewayState;

/// What [`check`] needs.
type Guard = State<(Arc<GatewayState>, Action)>;

/// A route that only callers who may do `action` reach.
pub(crate) fn guarded(
    state: &Arc<GatewayState>,
    action: Action,
    (schemas, paths, methods): UtoipaMethodRouter<Arc<GatewayState>>,
) -> UtoipaMethodRouter<Arc<GatewayState>> {
    (schemas, paths, methods.route_layer(from_fn_with_state((Arc::clone(state), action), check)))
}

/// Lets a request pass, or answers 401 or 403.
pub(crate) async fn check(
    State((state, action)): Guard,
    parameters: RawPathParams,
    request: Request,
    next: Next,
) -> Response {
    let (caller, mut request) = match state.access.verifier() {
        None => (Caller::Anyone, request),
        Some(verifier) => match authenticate(&state, verifier, request).await {
            Ok(known) => known,
            Err(refused) => return refused,
        },
    };
    let asker = Asker { state, caller, action };
    if let Err(refused) = permit(&asker, &parameters).await {
        return refused.into_response();
    }
    if action == Action::Live {
        // The feed is the dashboard's, which knows nothing of callers.
        request.extensions_mut().insert(permission::readable(asker));
    } else {
        request.extensions_mut().insert(asker);
    }
    next.run(request).await
}

/// Asks about the table or stream in the path, or else about everything.
async fn permit(asker: &Asker, parameters: &RawPathParams) -> Result<(), RestError> {
    if !asker.caller.is_limited() {
        return Ok(());
    }
    let named = |kind: &str| parameters.iter().find(|(name, _)| *name == kind).map(|(_, value)| value);
    let permitted = match (named("table"), named("stream")) {
        (Some(table), _) => asker.check_table(table),
        (None, Some(stream)) => asker.check_stream(stream, asker.action.on_its_stream()).await,
        (None, None) if asker.action.names_streams_late() => asker.check_something().await,
        (None, None) => asker.check_everything(),
    };
    Ok(permitted?)
}

async fn authenticate(
    state: &GatewayState,
    verifier: &Verifier,
    request: Request,
) -> Result<(Caller, Request), Response> {
    if let Some(token) = bearer_token(request.headers()) {
        let credential = verifier.bearer(token).map_err(|refused| refuse(&refused))?;
        return Ok((Caller::Principal(credential), request));
    }
    let (parts, body) = request.into_parts();
    let service = Service { name: SCOPE, region: &state.options.region, path_form: PathForm::AsSent };
    let unproven = verifier.open(&parts, service, state.clock.now()).map_err(|refused| refuse(&refused))?;
    let body = body::read(body).await.map_err(IntoResponse::into_response)?;
    let credential = unproven.close(&parts, service, &body).map_err(|refused| refuse(&refused))?;
    Ok((Caller::Principal(credential), Request::from_parts(parts, Body::from(body))))
}

/// Nobody has proven who asks.
fn refuse(refused: &AuthError) -> Response {
    let message = match refused {
        AuthError::Missing => {
            "send `Authorization: Bearer TOKEN`, or sign with AWS Signature Version 4 for the service `gallop`"
                .to_owned()
        }
        other => other.to_string(),
    };
    let mut response = RestError::new(StatusCode::UNAUTHORIZED, "unauthenticated", message).into_response();
    response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    response
}
